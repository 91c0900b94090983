"""Features of one modality: one row an instance, from a file or from memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.tables.arrays import as_tensor, read_npy, read_npz, read_pt, read_safetensors
from rrnet_lightning.data.tables.feature_columns import read_feature_columns
from rrnet_lightning.data.tables.ids import check_ids, python_ids, read_ids
from rrnet_lightning.data.tables.places import readable
from rrnet_lightning.errors import DataError

KEYED = {".npz": read_npz, ".safetensors": read_safetensors, ".pt": read_pt}
ENDINGS = (".npy", *KEYED, ".parquet")
CHUNK = 1 << 22  # numbers checked at a time


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of the instances of one modality.

    Attributes:
        x: [N, D] float32 or float64, finite. That of a .npy file of such numbers stays on disk until it is used.
        ids: id of each row, distinct; None: the ids are the row numbers, counted from 0.
        path: the file; None for features given in Python.
        label_columns: names of the columns of a Parquet file that are neither features nor ids.
    """

    x: Tensor
    ids: tuple[str, ...] | None
    path: Path | None
    label_columns: tuple[str, ...] = ()


def read_features(
    path: str | Path, *, ids: str | None = None, columns: Sequence[str] | None = None, key: str | None = None
) -> FeatureTable:
    """Read features; the ending of the file says how.

    - `.npy`: one array, mapped into memory.
    - `.npz`, `.pt`: the only array, or that named `key`.
    - `.safetensors`: the only tensor with two dimensions, or that named `key`.
    - `.parquet`: the columns named in `columns`; else the only column of lists of numbers; else all columns of numbers
      but the ids. Labels stored as numbers are such a column too: name the features to keep them apart.

    Float32 and float64 stay as they are, other numbers become float32.

    Args:
        path: the file.
        ids: a text file with one id a line, ending in `.txt`, or the column of ids of a Parquet file. None: numbers.
        columns: columns of features of a Parquet file.
        key: name of an array.

    Raises:
        DataError: a file, array or column that is not there or cannot be read, not two dimensions, no row or column,
            NaN or infinite values, ids that are not distinct or not one a row, or an option this format has not.
    """
    path = readable(path, ENDINGS)
    ending = path.suffix.lower()
    in_text = ids is not None and ids.lower().endswith(".txt")
    _check_options(ending, ids if not in_text else None, columns, key)
    names: tuple[str, ...] | None = None
    others: tuple[str, ...] = ()
    if ending == ".parquet":
        array, names, others = read_feature_columns(path, ids if not in_text else None, columns)
        x = as_tensor(array, str(path))
    else:
        x = read_npy(path) if ending == ".npy" else KEYED[ending](path, key)
    check_matrix(x, str(path))
    if ids is not None and in_text:
        names = read_ids(ids)
    if names is not None:
        check_ids(names, len(x), str(ids) if in_text else f"{path}, column {ids!r}")
    return FeatureTable(x, names, path, others)


def as_features(x: Tensor | NDArray[Any], ids: Iterable[Any] | None = None, *, name: str = "features") -> FeatureTable:
    """Check features given in Python, by the rules of `read_features`.

    Args:
        x: [N, D] real numbers.
        ids: one string or whole number a row; None: row numbers.
        name: what messages call the features.

    Raises:
        DataError: as for `read_features`.
    """
    tensor = as_tensor(x, name)
    check_matrix(tensor, name)
    names = python_ids(ids, f"{name}, ids") if ids is not None else None
    if names is not None:
        check_ids(names, len(tensor), f"{name}, ids")
    return FeatureTable(tensor, names, None)


def check_matrix(x: Tensor, place: str) -> None:
    """Refuse features that are not [N, D] finite numbers with at least one row and one column.

    Raises:
        DataError: with the shape, or with the number of rows that hold NaN or infinite values and the first of them.
    """
    if x.dim() != 2 or not x.numel():
        raise DataError(
            f"{place}: found the shape {tuple(x.shape)}, wanted two dimensions, one row an instance and one column a "
            "feature, at least one of each. Reshape the array, or flatten the features of an instance."
        )
    chunks = x.split(max(1, CHUNK // x.shape[1]))  # a whole mask would be large beside an array on disk
    bad = torch.cat([~torch.isfinite(chunk).all(dim=1) for chunk in chunks]).nonzero()[:, 0]
    if len(bad):
        raise DataError(
            f"{place}: found NaN or infinite values in {len(bad)} of {len(x)} rows, the first in row {int(bad[0])} "
            "(counted from 0); wanted finite numbers. Repair or remove these rows."
        )


def _check_options(ending: str, id_column: str | None, columns: Sequence[str] | None, key: str | None) -> None:
    """Refuse options that a format has not."""
    if key is not None and ending not in KEYED:
        raise DataError(
            f"key: found {key!r} for a {ending} file, wanted none, since only {', '.join(KEYED)} files hold arrays "
            "with names. Leave the key out."
        )
    if columns is not None and (ending != ".parquet" or not columns):
        raise DataError(
            f"columns: found {list(columns)} for a {ending} file, wanted names of columns of a .parquet file. "
            "Leave `columns` out, or name some."
        )
    if id_column is not None and ending != ".parquet":
        raise DataError(
            f"ids: found {id_column!r} for a {ending} file, wanted a text file with one id a line, ending in .txt. "
            "Only .parquet files have a column of ids."
        )
