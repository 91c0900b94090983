"""Known pairs between the instances of two tables, from a CSV or Parquet file or from tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.files.columns import Ints
from rrnet_lightning.data.tables.frame import Frame, read_frame
from rrnet_lightning.data.tables.ids import look_up, looks, python_ids
from rrnet_lightning.errors import DataError

Ids = Sequence[str] | None
Weights = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Distinct pairs, in the order of the file.

    Attributes:
        index: [2, P] long, rows of the sources and of the targets.
        weight: [P] float32, finite and above 0.
        split: the word that says which part a pair belongs to, one a pair; None without such a column.
        repeated: rows left out because their pair came before.
        unknown: rows left out because an id in them is unknown.
        example: the first unknown id and its place.
    """

    index: Tensor
    weight: Tensor
    split: tuple[str, ...] | None
    repeated: int = 0
    unknown: int = 0
    example: str = ""

    def note(self, what: str = "pairs") -> str:
        """Say in a sentence how many pairs there are and what was left out; ``what`` they are called."""
        left_out = [f"{self.repeated:,} repeated rows"] * bool(self.repeated)
        left_out += [f"{self.unknown:,} rows with unknown ids ({self.example})"] * bool(self.unknown)
        return f"{self.index.shape[1]:,} {what}; left out: {' and '.join(left_out) or 'nothing'}."


def read_pairs(
    path: str | Path,
    source_ids: Ids,
    target_ids: Ids,
    *,
    num_sources: int,
    num_targets: int,
    source: str = "source",
    target: str = "target",
    weight: str = "weight",
    split: str = "split",
) -> Pairs:
    """Read known pairs from a CSV file (UTF-8, names of columns in line 1) or a Parquet file.

    Ids are compared as text: '01' is not '1'. Repeated pairs are kept once, rows with unknown ids are left out; both
    are counted.

    Args:
        path: ends in `.csv` or `.parquet`.
        source_ids: id of each source; None: the file holds row numbers, counted from 0. `target_ids` likewise.
        num_sources: number of rows of the source table. `num_targets` likewise.
        source: column of source ids. `target` likewise.
        weight: column of weights above 0; where the file has none, every pair weighs 1.
        split: column that says `train`, `val` or `test`; may be absent.

    Raises:
        DataError: unreadable file, missing column, a weight that is not a finite number above 0, a pair that comes
            again with another weight or split, or no row with two known ids.
    """
    frame = read_frame(path, (source, target), (weight, split))
    ends, messages = located(frame, (source_ids, target_ids), (num_sources, num_targets), (source, target))
    weights = frame.positive(weight) if weight in frame else None
    words = frame.ids(split) if split in frame else None
    return assemble(ends, weights, words, num_targets, messages)


def as_pairs(
    index: Tensor | NDArray[Any],
    weight: Tensor | NDArray[Any] | None = None,
    split: Sequence[str] | None = None,
    *,
    num_sources: int,
    num_targets: int,
) -> Pairs:
    """Check pairs given in Python, by the rules of `read_pairs`.

    Args:
        index: [2, P] whole numbers, rows of the sources and of the targets.
        weight: [P] finite and above 0; None: 1 each.
        split: `train`, `val` or `test` for each pair.
        num_sources: number of rows of the source table.
        num_targets: likewise for the targets.

    Raises:
        DataError: another shape or type, or what `read_pairs` refuses.
    """
    ends = np.asarray(torch.as_tensor(index).detach().cpu())
    if ends.ndim != 2 or ends.shape[0] != 2 or ends.dtype.kind not in "iu" or not ends.shape[1]:
        raise DataError(
            f"pairs: found {ends.dtype} numbers {ends.shape}, wanted whole numbers of shape (2, P) with P at least 1. "
            "Give the rows of the sources first, those of the targets second."
        )
    frame = _given(ends.astype(np.int64), weight, split)
    weights = frame.positive("weight") if "weight" in frame else None
    known = looks(None, num_sources, "source"), looks(None, num_targets, "target")
    inside = np.where((ends >= 0) & (ends < np.array([[num_sources], [num_targets]])), ends, -1).astype(np.int64)
    messages = Messages(frame.where, (frame.ids("source"), frame.ids("target")), known)
    return assemble(inside, weights, frame.columns.get("split"), num_targets, messages)


def _given(ends: Ints, weight: Tensor | NDArray[Any] | None, split: Sequence[str] | None) -> Frame:
    """Columns of pairs given in Python. ends: [2, P]."""
    import pyarrow as pa

    columns = {"source": pa.chunked_array([ends[0]]), "target": pa.chunked_array([ends[1]])}
    if weight is not None:
        columns["weight"] = pa.chunked_array([np.asarray(torch.as_tensor(weight).detach().cpu().double()).ravel()])
    if split is not None:
        columns["split"] = pa.chunked_array([pa.array(python_ids(split, "split"), pa.string())])
    for name, column in columns.items():
        if len(column) != ends.shape[1]:
            raise DataError(f"{name}: found {len(column)} for {ends.shape[1]} pairs, wanted one a pair.")
    return _Given(Path("pairs"), columns)


class _Given(Frame):
    """Columns that come from no file."""

    def where(self, row: int | np.integer[Any]) -> str:
        return f"pairs, column {row}"


@dataclass(frozen=True, eq=False)
class Messages:
    """What messages need: the place of a row, the two columns of ids, how known ids look, and names of the values."""

    where: Callable[[int], str]
    shown: tuple[Any, ...]
    known: tuple[str, ...]
    what: str = "pairs"
    value: str = "weight"

    def unknown(self, ends: Ints, row: int) -> str:
        """Unknown ids of a row and its place."""
        sides = [side for side in (0, 1) if ends[side, row] < 0]
        ids = " and ".join(f"{('source', 'target')[side]} {self.shown[side][row].as_py()!r}" for side in sides)
        return f"{ids} in {self.where(row)}"


def located(
    frame: Frame,
    ids: tuple[Ids, Ids],
    sizes: tuple[int, int],
    columns: tuple[str, str] = ("source", "target"),
    what: str = "pairs",
    value: str = "weight",
) -> tuple[Ints, Messages]:
    """Rows [2, P] that two columns of ids name, -1 where unknown, and what messages need."""
    names = tuple(frame.ids(column) for column in columns)
    ends = np.stack([look_up(*each) for each in zip(names, ids, sizes, strict=True)])
    known = [looks(*each) for each in zip(ids, sizes, ("source", "target"), strict=True)]
    return ends, Messages(frame.where, names, tuple(known), what, value)


def assemble(ends: Ints, weight: Weights | None, words: Any, num_targets: int, messages: Messages) -> Pairs:
    """Leave out rows with unknown ids, keep repeated ones once. ends: [2, P], -1 where unknown."""
    import pyarrow as pa

    rows = np.flatnonzero((ends >= 0).all(axis=0))
    unknown = ends.shape[1] - len(rows)
    example = messages.unknown(ends, int(np.argmax((ends < 0).any(axis=0)))) if unknown else ""
    if not len(rows):
        raise DataError(
            f"{messages.what}: found {example}, and no row whose source and target are both known; "
            f"{' and '.join(messages.known)}. Give them the ids of the tables."
        )
    key = ends[0, rows] * num_targets + ends[1, rows]
    _, first, again = np.unique(key, return_index=True, return_inverse=True)
    before = rows[first[again]]
    weights = np.ones(ends.shape[1], dtype=np.float32) if weight is None else weight
    _refuse_conflict(weights, rows, before, messages.value, messages)
    if words is not None:
        codes = words.combine_chunks().dictionary_encode()
        _refuse_conflict(np.asarray(codes.indices), rows, before, "split", messages, codes.dictionary)
    kept = rows[np.sort(first)]
    return Pairs(
        index=torch.from_numpy(ends[:, kept]),
        weight=torch.from_numpy(weights[kept]),
        split=tuple(words.take(pa.array(kept)).to_pylist()) if words is not None else None,
        repeated=len(rows) - len(kept),
        unknown=unknown,
        example=example,
    )


def _refuse_conflict(
    values: NDArray[Any], rows: Ints, before: Ints, name: str, messages: Messages, words: Any = None
) -> None:
    """DataError for the first row that repeats a pair with another value. rows, before: [R] row, its first one."""
    bad = np.flatnonzero(values[rows] != values[before])
    if len(bad):
        row, other = int(rows[bad[0]]), int(before[bad[0]])
        found, had = (words[int(values[at])].as_py() if words is not None else f"{values[at]:g}" for at in (row, other))
        raise DataError(
            f"{messages.where(row)}: found {name} {found!s}, but {had!s} for the same pair in {messages.where(other)}; "
            "wanted each pair once. Remove one of the two."
        )
