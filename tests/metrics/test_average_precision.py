from typing import Any

import pytest
import torch
from torch import Tensor

from rrnet_lightning.metrics import average_precision
from tests.metrics import plain

# The toy of DCMH's calc_hammingranking.py: 4 queries, 6 items, 4 bits.
QUERIES = torch.tensor([[1, -1, 1, 1], [-1, -1, -1, 1], [1, 1, -1, 1], [1, 1, 1, -1]])
ITEMS = torch.tensor([[1, -1, 1, -1], [-1, -1, 1, -1], [-1, -1, 1, -1], [1, 1, -1, -1], [-1, 1, -1, -1], [1, 1, -1, 1]])
QUERY_LABELS = torch.tensor([[0, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 0, 1]])
ITEM_LABELS = torch.tensor([[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]])


def toy() -> tuple[Tensor, Tensor]:
    return (QUERIES @ ITEMS.T).double(), QUERY_LABELS @ ITEM_LABELS.T > 0


@pytest.mark.parametrize(
    ("ties", "wanted"),
    [("stable", 0.704167), ("optimistic", 0.704167), ("pessimistic", 0.493403), ("expected", 0.601302)],
)
def test_ties_of_hamming_distances(ties: Any, wanted: float) -> None:
    assert average_precision(*toy(), ties=ties).mean().item() == pytest.approx(wanted, abs=1e-6)


def test_stable_keeps_the_order_given() -> None:
    relevant = torch.tensor([[True, False, False], [False, False, True]])
    assert average_precision(torch.zeros(2, 3), relevant, ties="stable").tolist() == pytest.approx([1, 1 / 3])


@pytest.mark.parametrize(
    ("k", "z", "wanted"),
    [
        (None, "found", (1 + 2 / 3 + 3 / 4) / 3),
        (None, "min", 0.8055556),
        (None, "all", 0.8055556),
        (2, "found", 1),
        (2, "min", 0.5),
        (2, "all", 1 / 3),
        (9, "min", 0.8055556),
    ],
)
def test_divisors_by_hand(k: int | None, z: Any, wanted: float) -> None:
    scores, relevant = torch.arange(5, 0, -1.0), torch.tensor([1, 0, 1, 1, 0]).bool()
    assert average_precision(scores, relevant, k=k, z=z).item() == pytest.approx(wanted, abs=1e-7)


def test_all_none_and_perfect() -> None:
    scores = torch.tensor([[3.0, 2, 1], [3, 2, 1], [3, 2, 1]])
    relevant = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 1, 0]]).bool()
    assert average_precision(scores, relevant).tolist() == [1, 0, 1]
    assert average_precision(scores[:0], relevant[:0]).shape == (0,)


@pytest.mark.parametrize("z", ["found", "min", "all"])
@pytest.mark.parametrize("k", [None, 1, 2, 3, 5, 9])
def test_expected_is_the_mean_over_all_orders_of_ties(k: int | None, z: Any) -> None:
    rng = torch.Generator().manual_seed(0)
    scores, relevant = torch.randint(3, (12, 6), generator=rng), torch.rand(12, 6, generator=rng) < 0.5
    found = average_precision(scores.double(), relevant, k=k, z=z)
    wanted = [
        plain.mean(lambda order: plain.precision(order, k, z), *query)
        for query in zip(scores.tolist(), relevant.tolist(), strict=True)
    ]
    assert found.tolist() == pytest.approx(wanted, abs=1e-12)


def test_expected_depends_on_the_order_of_scores_alone() -> None:
    scores, relevant = toy()
    wanted, order = average_precision(scores, relevant), torch.randperm(6)
    torch.testing.assert_close(average_precision(scores[:, order], relevant[:, order]), wanted)
    torch.testing.assert_close(average_precision((scores / 3).exp(), relevant), wanted)
    torch.testing.assert_close(average_precision(scores[[2, 0]], relevant[[2, 0]]), wanted[[2, 0]])  # chunked


def test_random_scores_find_the_share_of_relevant_items() -> None:
    """And with few distinct scores, expected lies between pessimistic and optimistic; without ties all agree."""
    rng = torch.Generator().manual_seed(0)
    scores, relevant = torch.rand(60, 400, generator=rng), torch.rand(60, 400, generator=rng) < 0.1
    assert average_precision(scores, relevant).mean().item() == pytest.approx(0.11, abs=0.01)
    torch.testing.assert_close(
        average_precision(scores, relevant, ties="pessimistic"), average_precision(scores, relevant)
    )
    coarse = (scores * 17).floor()
    low, mid, high = (average_precision(coarse, relevant, ties=t) for t in ("pessimistic", "expected", "optimistic"))
    assert (low < mid).all() and (mid < high).all()


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"found scores \[3\], relevant \[2\], wanted one shape"):
        average_precision(torch.zeros(3), torch.zeros(2).bool())
    with pytest.raises(ValueError, match="found k=0, wanted at least 1"):
        average_precision(torch.zeros(3), torch.zeros(3).bool(), k=0)
