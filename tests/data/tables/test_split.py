from typing import Any

import pytest
import torch
from torch import Tensor

from rrnet_lightning.data.tables.pairs import Pairs, as_pairs
from rrnet_lightning.data.tables.split import By, Part, given_split, split_pairs
from rrnet_lightning.errors import DataError


def pairs_of(index: Tensor) -> Pairs:
    return as_pairs(index, num_sources=1000, num_targets=1000)


def islands(number: int = 20) -> Pairs:
    """Separate groups of two sources and two targets with three pairs each."""
    corner = torch.tensor([[0, 0, 1], [0, 1, 1]])
    return pairs_of(torch.cat([corner + 2 * island for island in range(number)], dim=1))


def split(pairs: Pairs, by: By, seed: int = 0, val: float = 0.2, test: float = 0.3) -> Tensor:
    return split_pairs(pairs, by=by, val_share=val, test_share=test, seed=seed)


def ends(pairs: Pairs, part: Tensor, side: int) -> list[set[int]]:
    """Sources or targets of each part."""
    return [set(pairs.index[side, part == value].tolist()) for value in Part]


@pytest.mark.parametrize(
    ("by", "units", "new"),
    [
        ("pairs", 60, (False, False)),
        ("sources", 40, (True, False)),
        ("targets", 40, (False, True)),
        ("both", 20, (True, True)),
    ],
)
def test_what_is_new_in_a_test(by: By, units: int, new: tuple[bool, bool]) -> None:
    pairs = islands()
    part = split(pairs, by)
    assert part.dtype == torch.long and part.shape == (60,)
    for side in (0, 1):
        train, val, test = ends(pairs, part, side)
        assert (not (train & test or train & val or val & test)) == new[side]
    side_of = {"sources": 0, "targets": 1}
    counts = [len(names) for names in ends(pairs, part, side_of[by])] if by in side_of else part.bincount().tolist()
    share = 3 if by == "both" else 1
    assert counts == [units * share // 2, units * share // 5, units * share * 3 // 10]


@pytest.mark.parametrize("by", ["pairs", "sources", "targets", "both"])
def test_the_order_of_pairs_has_no_say(by: By) -> None:
    pairs = islands()
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    assert torch.equal(split(pairs_of(pairs.index[:, order]), by), split(pairs, by)[order])
    assert not torch.equal(split(pairs, by, seed=1), split(pairs, by))


def test_at_least_one_unit_each() -> None:
    assert split(islands(3), "both", val=0.01, test=0.01).bincount().tolist() == [3, 3, 3]


def test_one_large_component_is_refused() -> None:
    chain = torch.tensor([[0, 0, 1, 1, 5, 6], [0, 1, 1, 2, 5, 6]])
    with pytest.raises(DataError, match=r"found 67% of the pairs connected .*'sources', 'targets' or 'pairs'"):
        split(pairs_of(chain), "both")
    half = torch.tensor([[0, 0, 5, 6], [0, 1, 5, 6]])
    assert split(pairs_of(half), "both").bincount().sum() == 4


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"by": "source"}, "split: found 'source'.*Did you mean 'sources'?"),
        ({"val": 0.0}, "val_share and test_share: found 0.0 and 0.3"),
        ({"val": 0.5, "test": 0.5}, "together less than 1"),
        (
            {"val": 0.49, "test": 0.49, "pairs": islands(2)},
            "found 2 connected groups of pairs .*leaves nothing to train on",
        ),
        ({"seed": -1}, "seed: found -1"),
    ],
)
def test_refused_options(options: dict[str, Any], match: str) -> None:
    defaults: dict[str, Any] = {"pairs": islands(), "by": "both"}
    with pytest.raises(DataError, match=match):
        split(**(defaults | options))


def test_a_given_split() -> None:
    assert given_split(("test", "train", "val", "train")).tolist() == [Part.TEST, Part.TRAIN, Part.VAL, Part.TRAIN]
    assert given_split(["train", "test"]).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["train", "valid"], "split, pair 1: found 'valid', wanted one of 'train', 'val', 'test'. Did you mean 'val'?"),
        (["x"], "Rename it"),
        (["train", "train"], "found 'train' for all 2 pairs"),
    ],
)
def test_refused_words(words: list[str], match: str) -> None:
    with pytest.raises(DataError, match=match):
        given_split(words)
