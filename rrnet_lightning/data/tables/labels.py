"""Classes of the instances of one table: one or several each, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rrnet_lightning.data.files.columns import Ints
from rrnet_lightning.data.tables.features import FeatureTable
from rrnet_lightning.data.tables.frame import read_frame, read_parquet_columns
from rrnet_lightning.data.tables.ids import arrow_ids, look_up, looks
from rrnet_lightning.data.tables.places import suggest
from rrnet_lightning.errors import DataError


@dataclass(frozen=True, eq=False)
class Labels:
    """Classes of the instances of one table.

    Attributes:
        names: names of the classes, sorted.
        member: [N, C] bool, instance belongs to class.
        unknown: rows of the file left out because their id is unknown.
        example: the first unknown id and its place.
    """

    names: tuple[str, ...]
    member: Tensor
    unknown: int = 0
    example: str = ""

    @property
    def unlabelled(self) -> int:
        """Number of instances without a class."""
        return int((~self.member.any(dim=1)).sum())

    def note(self) -> str:
        """Say in a sentence how many classes there are, who has none and what was left out."""
        left_out = f"; left out: {self.unknown:,} rows with unknown ids ({self.example})" * bool(self.unknown)
        return f"{len(self.names):,} classes; {self.unlabelled:,} of {len(self.member):,} rows have none{left_out}."


def read_labels(
    path: str | Path, ids: Sequence[str] | None, *, num_rows: int, id: str = "id", label: str = "label"
) -> Labels:
    """Read `id,label` from a CSV file (UTF-8, names of columns in line 1) or a Parquet file.

    An instance with several classes has several rows, or in a Parquet file a list of labels. One without rows, or with
    an empty label, has no class. Rows with unknown ids are left out and counted.

    Args:
        path: ends in `.csv` or `.parquet`.
        ids: id of each instance; None: the file holds row numbers, counted from 0.
        num_rows: number of instances.
        id: column of ids.
        label: column of labels, text or whole numbers.

    Raises:
        DataError: unreadable file, missing column, no known id, or no label at all.
    """
    frame = read_frame(path, (id, label))
    names = frame.ids(id)
    row = look_up(names, ids, num_rows)
    bad = np.flatnonzero(row < 0)
    example = f"{names[int(bad[0])].as_py()!r} in {frame.where(bad[0])}" if len(bad) else ""
    if len(bad) == len(row):
        raise DataError(f"labels: found {example}; {looks(ids, num_rows, 'row')}. Give both files the same ids.")
    parent, words = _words(frame.columns[label], f"{frame.path}, column {label!r}")
    keep = row[parent] >= 0
    return _labels(row[parent][keep], words[keep], num_rows, str(frame.path), len(bad), example)


def table_labels(table: FeatureTable, column: str) -> Labels:
    """Labels from a column of the Parquet file that the features came from: text, whole numbers, or lists of them.

    Raises:
        DataError: the table has no such column, or it holds no label.
    """
    if table.path is None or column not in table.label_columns:
        raise DataError(
            f"{table.path or 'features'}: found no column {column!r} beside features and ids, wanted the column of "
            f"labels. {suggest(column, table.label_columns)}"
        )
    place = f"{table.path}, column {column!r}"
    parent, words = _words(read_parquet_columns(table.path, [column])[column], place)
    return _labels(parent, words, len(table.x), place)


def _words(column: Any, place: str) -> tuple[Ints, Any]:
    """Row and text of each label that is not empty. column: [N] pyarrow.ChunkedArray, of lists too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = column.combine_chunks()
    parent = np.arange(len(column))
    if hasattr(column.type, "value_type") and not pa.types.is_dictionary(column.type):
        parent = pc.list_parent_indices(column).to_numpy()
        column = pc.list_flatten(column)
    there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    if not len(there):
        return there, np.array([], dtype=object)
    texts = arrow_ids(pa.chunked_array([column.take(pa.array(there))]), lambda at: f"{place}, row {parent[there[at]]}")
    words = np.array(texts.to_pylist(), dtype=object)
    filled = words != ""
    return parent[there][filled], words[filled]


def _labels(row: Ints, words: Any, num_rows: int, place: str, unknown: int = 0, example: str = "") -> Labels:
    if not len(words):
        raise DataError(f"{place}: found no label of a known row, wanted at least one. Fill the column of labels.")
    names = sorted(set(words.tolist()))
    number = {name: at for at, name in enumerate(names)}
    member = torch.zeros(num_rows, len(names), dtype=torch.bool)
    member[torch.from_numpy(row), torch.tensor([number[word] for word in words])] = True
    return Labels(tuple(names), member, unknown, example)
