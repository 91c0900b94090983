"""Bridges against the formulas, one row and one pair at a time."""

import math

import pytest
import torch
from torch import Tensor

from rrnet_lightning.evidence.bridge import EPSILON, Known, carry, hubness, mass, nearest, unit, vote

RNG = torch.Generator().manual_seed(0)
PAIRS = torch.tensor([[1, 1, 4, 6, 8], [0, 3, 3, 5, 9]])  # source 1 has two partners, target 3 too
WEIGHT = torch.tensor([1.0, 2.0, 1.0, 1.0, 0.5])
KNOWN = Known.of(PAIRS, WEIGHT)
SOURCE, TARGET = (unit(torch.randn(10, 4, generator=RNG)) for _ in range(2))
K, TAU = 3, 0.2


def neighbours(row: int, table: Tensor, known: Tensor) -> list[tuple[float, int]]:
    """Softmax weight and row of the K nearest known rows, itself left out."""
    near = sorted(((float(table[row] @ table[q]), int(q)) for q in known if q != row), reverse=True)[:K]
    total = sum(math.exp(cosine / TAU) for cosine, _ in near)
    return [(math.exp(cosine / TAU) / total, q) for cosine, q in near]


def found(table: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    own = torch.tensor([(known == row).nonzero()[0, 0] if (known == row).any() else -1 for row in range(len(table))])
    cosine, position = nearest(table, table[known], K, own)
    return (cosine / TAU).softmax(1), position


def test_rows_are_carried_by_the_mean_of_the_partners_of_their_neighbours() -> None:
    carried = carry(*found(SOURCE, KNOWN.sources), KNOWN.partners(TARGET[KNOWN.targets]))
    for row in range(10):
        total = torch.zeros(4)
        for weight, q in neighbours(row, SOURCE, KNOWN.sources):
            own = PAIRS[0] == q
            total += weight * (WEIGHT[own, None] * TARGET[PAIRS[1, own]]).sum(0) / WEIGHT[own].sum()
        assert torch.allclose(carried[row], total / total.norm(), atol=1e-6)


def test_mass_joins_the_neighbours_of_both_ends_through_known_pairs() -> None:
    pairs = torch.cartesian_prod(torch.arange(10), torch.arange(10)).T
    got = mass(pairs, KNOWN, found(SOURCE, KNOWN.sources), found(TARGET, KNOWN.targets), chunk=7)
    for (s, t), value in zip(pairs.T.tolist(), got.tolist(), strict=True):
        sources = {q: weight for weight, q in neighbours(s, SOURCE, KNOWN.sources)}
        targets = {u: weight for weight, u in neighbours(t, TARGET, KNOWN.targets)}
        total = sum(
            sources.get(int(q), 0) * float(y) * targets.get(int(u), 0) for q, u, y in zip(*PAIRS, WEIGHT, strict=True)
        )
        assert value == pytest.approx(math.log(EPSILON + total), abs=1e-5)


def test_hubness_is_the_mean_of_the_largest_scores() -> None:
    bank = TARGET[:6]
    expected = [sum(sorted((float(row @ other) for other in bank), reverse=True)[:2]) / 2 for row in SOURCE]
    assert hubness(SOURCE, bank, 2).tolist() == pytest.approx(expected, abs=1e-6)


def test_neighbours_vote_with_their_weight() -> None:
    member = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    weight, position = torch.tensor([[0.75, 0.25]]), torch.tensor([[0, 2]])
    assert vote(weight, position, member).tolist() == [[1.0, 0.25]]


def test_heaviest_pairs_of_a_row_are_listed_first() -> None:
    assert KNOWN.listed(2).tolist() == [[1, 0], [2, -1], [3, -1], [4, -1]]
    assert KNOWN.listed(1).tolist() == [[1], [2], [3], [4]]
