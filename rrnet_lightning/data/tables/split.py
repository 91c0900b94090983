"""Which known pairs train, validate and test."""

from collections.abc import Sequence
from difflib import get_close_matches
from enum import IntEnum
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from rrnet_lightning.data.files.columns import Ints
from rrnet_lightning.data.seeds import derive_seed
from rrnet_lightning.data.tables.pairs import Pairs
from rrnet_lightning.data.tables.places import listed, suggest
from rrnet_lightning.errors import DataError

By = Literal["pairs", "sources", "targets", "both"]


class Part(IntEnum):
    """What a pair is for."""

    TRAIN = 0
    VAL = 1
    TEST = 2


WORDS = {part.name.lower(): part for part in Part}


def split_pairs(pairs: Pairs, *, by: By, val_share: float, test_share: float, seed: int) -> Tensor:
    """Draw the part of each pair, [P] long, values of `Part`.

    What is drawn are units. `by` says what a unit is, and so what is new in a test:

    - `pairs`: each pair alone. Both ends of a test pair may be known from other pairs.
    - `sources`: all pairs of a source. The source of a test pair is new, its target may be known.
    - `targets`: all pairs of a target. The target of a test pair is new, its source may be known.
    - `both`: all pairs that are connected through common sources and targets. Both ends of a test pair are new.

    The result follows from the pairs as a set and from the seed: their order in a file has no say.

    Args:
        pairs: distinct pairs.
        by: see above.
        val_share: part of the units that validates, above 0. Rounded to whole units, at least one.
        test_share: likewise for the test.
        seed: of the draw, 0 or more.

    Raises:
        DataError: an argument out of range, too few units for three parts, or, with `both`, more than half of the
            pairs in one unit.
    """
    _check_options(by, val_share, test_share, seed)
    unit = units(pairs.index, by)
    number = int(unit.max()) + 1
    val, test = (max(1, round(share * number)) for share in (val_share, test_share))
    if val + test >= number:
        what = {"both": "connected groups of pairs"}.get(by, by)
        raise DataError(
            f"split: found {number} {what} for validation ({val}), test ({test}) and training, which leaves nothing to "
            "train on. Set lower shares, split by something else, or give more pairs."
        )
    order = torch.randperm(number, generator=torch.Generator().manual_seed(derive_seed(seed)))
    part = torch.full((number,), int(Part.TRAIN))
    part[order[:test]] = int(Part.TEST)
    part[order[test : test + val]] = int(Part.VAL)
    return part[unit]


def _check_options(by: str, val_share: float, test_share: float, seed: int) -> None:
    """Refuse options out of range."""
    if by not in get_args(By):
        raise DataError(f"split: found {by!r}, wanted one of {listed(get_args(By))}. {suggest(by, get_args(By))}")
    if not 0 <= seed < 2**63:
        raise DataError(f"seed: found {seed}, wanted a whole number from 0 to 2**63 - 1.")
    if not (min(val_share, test_share) > 0 and val_share + test_share < 1):
        raise DataError(
            f"val_share and test_share: found {val_share} and {test_share}, wanted two numbers above 0 that are "
            "together less than 1, such as 0.1 and 0.2."
        )


def given_split(values: Sequence[str]) -> Tensor:
    """Part of each pair, [P] long, from words in a file: `train`, `val` or `test`.

    A part may be without pairs, but not two of them.

    Raises:
        DataError: another word, with the nearest right one; or all pairs in one part.
    """
    for row, word in enumerate(values):
        if word not in WORDS:
            near = get_close_matches(word, WORDS, 1, 0.4)
            remedy = f"Did you mean {near[0]!r}?" if near else "Rename it."
            raise DataError(f"split, pair {row}: found {word!r}, wanted one of {listed(WORDS)}. {remedy}")
    if len(set(values)) < 2:
        raise DataError(
            f"split: found {listed(sorted(set(values)))} for all {len(values)} pairs, wanted pairs to train on and "
            "pairs to test on. Mark them in the split column, or leave the column out and set shares."
        )
    return torch.tensor([int(WORDS[word]) for word in values])


def units(index: Tensor, by: By) -> Tensor:
    """Unit of each pair, [P], numbered from 0 in an order that follows from the rows alone; see :func:`split_pairs`.

    Shapes:
        index: [2, P] long.

    Raises:
        DataError: with ``both``, more than half of the pairs in one unit.
    """
    source, target = index.numpy()
    if by == "both":
        key = _components(index.numpy())
    else:
        key = {"pairs": source * (int(target.max()) + 1) + target, "sources": source, "targets": target}[by]
    return torch.from_numpy(np.unique(key, return_inverse=True)[1].astype(np.int64))


def _components(index: Ints) -> Ints:
    """Lowest source of the component that each pair lies in, [P].

    Raises:
        DataError: more than half of the pairs lie in one component.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    source, target = index
    first_target = int(source.max()) + 1
    size = first_target + int(target.max()) + 1
    graph = coo_array((np.ones(len(source), dtype=np.int8), (source, first_target + target)), shape=(size, size))
    component = connected_components(graph, directed=False)[1][source]
    share = np.bincount(component).max() / len(source)
    if share > 0.5:
        raise DataError(
            f"split: found {share:.0%} of the pairs connected through common sources and targets, wanted at most half "
            "for a split by 'both'. Split by 'sources', 'targets' or 'pairs'."
        )
    lowest = np.full(int(component.max()) + 1, size, dtype=np.int64)
    np.minimum.at(lowest, component, source)
    return np.asarray(lowest[component], dtype=np.int64)
