"""A mean average precision and its tag."""

from typing import Any

import pytest
import torch

from rrnet_lightning.metrics import Protocol, average_precision

SCORES = torch.tensor([[5.0, 4, 3, 2, 1], [5, 4, 3, 2, 1]])
RELEVANT = torch.tensor([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0]]).bool()
FIRST = (1 + 2 / 3 + 3 / 4) / 3
COUNTS = 34, 88, 96, 85, 65, 58, 51, 41, 71, 104
"""Of the ten classes among Wikipedia's 693 test items."""


@pytest.mark.parametrize(("empty", "wanted"), [("zero-kept", FIRST / 2), ("dropped", FIRST)])
def test_a_query_without_a_relevant_item_counts_or_not(empty: Any, wanted: float) -> None:
    assert float(Protocol(empty=empty).mean(SCORES, RELEVANT)) == pytest.approx(wanted)


def test_without_a_query_there_is_no_mean() -> None:
    assert Protocol(empty="dropped").mean(SCORES[1:], RELEVANT[1:]).isnan()
    assert Protocol().mean(SCORES[:0], RELEVANT[:0]).isnan()


@pytest.mark.parametrize(("own", "wanted"), [([0, 0], (1 / 2 + 2 / 3) / 2), ([1, 3], (1 + 1 + 1) / 3), ([4, 4], FIRST)])
def test_an_own_item_is_as_if_it_were_not_there(own: list[int], wanted: float) -> None:
    protocol = Protocol(own="removed", empty="dropped")
    assert float(protocol.mean(SCORES, RELEVANT, torch.tensor(own))) == pytest.approx(wanted)
    low = SCORES.scatter(1, torch.tensor(own)[:, None], -torch.inf)
    assert float(protocol.mean(low, RELEVANT, torch.tensor(own))) == pytest.approx(wanted)


def test_an_own_item_no_longer_shares_a_tie() -> None:
    scores, relevant = torch.zeros(1, 2), torch.tensor([[True, False]])
    assert float(Protocol().mean(scores, relevant)) == pytest.approx(0.75)
    assert float(Protocol(own="removed").mean(scores, relevant, torch.tensor([1]))) == 1


@pytest.mark.parametrize(
    ("options", "wanted"), [({"k": 2}, 1), ({"k": 2, "z": "min"}, 0.5), ({"k": 2, "z": "all"}, 1 / 3)]
)
def test_options_reach_the_average_precision(options: dict[str, Any], wanted: float) -> None:
    assert float(Protocol(**options).mean(SCORES[:1], RELEVANT[:1])) == pytest.approx(wanted)
    tied = torch.zeros(1, 5)
    for ties in ("stable", "optimistic", "pessimistic"):
        found = Protocol(ties=ties).mean(tied, RELEVANT[:1])
        assert found == average_precision(tied, RELEVANT[:1], ties=ties)


def test_chance_on_wikipedia() -> None:
    """Equal scores stand for all random orders; .1195 is what some of them gave."""
    label = torch.arange(10).repeat_interleave(torch.tensor(COUNTS))
    scores, relevant = torch.zeros(693, 693), label[:, None] == label
    assert float(Protocol().mean(scores, relevant)) == pytest.approx(0.1195, abs=2e-3)


def test_the_tag_names_every_choice() -> None:
    assert Protocol().tag == "mAP@all z=found ties=expected empty=zero-kept own=kept db=test"
    other = Protocol(50, "min", "stable", "dropped", "removed", "retrieval")
    assert other.tag == "mAP@50 z=min ties=stable empty=dropped own=removed db=retrieval"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k: found 0, wanted at least 1, or None for all"),
        ({"z": "most"}, "z: found 'most', wanted one of found, min, all"),
        ({"empty": "kept"}, "empty: found 'kept', wanted one of zero-kept, dropped"),
    ],
)
def test_options_outside_their_values_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Protocol(**options)


def test_what_cannot_be_ranked_is_named() -> None:
    removed = Protocol(own="removed")
    with pytest.raises(ValueError, match=r"own: found none, wanted \[2\] columns from 0 to 4"):
        removed.mean(SCORES, RELEVANT)
    with pytest.raises(ValueError, match=r"own: found \[2\], columns \[0, 5\]"):
        removed.mean(SCORES, RELEVANT, torch.tensor([0, 5]))
    with pytest.raises(ValueError, match=r"found scores \[2, 5\], relevant \[1, 5\], wanted one shape"):
        removed.mean(SCORES, RELEVANT[:1])
