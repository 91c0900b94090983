"""Dot products of chosen rows, one pair at a time."""

import pytest
import torch

from rrnet_lightning.evidence.dots import dots

RNG = torch.Generator().manual_seed(0)
ONE, OTHER = torch.randn(6, 5, generator=RNG), torch.randn(4, 5, generator=RNG)


@pytest.mark.parametrize("rows", [[0, 0, 2, 5, 5, 5], [5, 0, 2, 0, 5, 5]], ids=["ascending", "in any order"])
def test_each_pair_has_its_own_product(rows: list[int]) -> None:
    """Rows without a pair, pairs that are there twice, columns in any order."""
    columns = [3, 1, 0, 2, 2, 0]
    wanted = [float((ONE[row] * OTHER[column]).sum()) for row, column in zip(rows, columns, strict=True)]
    assert dots(ONE, OTHER, torch.tensor([rows, columns])).tolist() == pytest.approx(wanted, abs=1e-6)


def test_a_product_does_not_depend_on_other_pairs() -> None:
    pairs = torch.cartesian_prod(torch.arange(6), torch.arange(4)).T
    alone = [dots(ONE, OTHER, pair[:, None]) for pair in pairs.T]
    assert torch.equal(dots(ONE, OTHER, pairs), torch.cat(alone))


def test_pairs_may_be_more_than_there_are_pairs_of_rows() -> None:
    pairs = torch.randint(4, (2, 90), generator=torch.Generator().manual_seed(1))
    pairs = pairs[:, pairs[0].argsort(stable=True)]
    found = dots(ONE[:4], OTHER, pairs)
    assert torch.equal(found, torch.cat([dots(ONE[:4], OTHER, pair[:, None]) for pair in pairs.T]))


def test_no_pairs_have_no_products() -> None:
    assert dots(ONE, OTHER, torch.empty(2, 0, dtype=torch.long)).shape == (0,)
