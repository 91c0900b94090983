"""Features from the columns of a Parquet file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrnet_lightning.data.tables.frame import open_parquet, read_parquet_columns
from rrnet_lightning.data.tables.ids import arrow_ids
from rrnet_lightning.data.tables.places import check_names, listed
from rrnet_lightning.errors import DataError


def read_feature_columns(
    path: Path, id_column: str | None, columns: Sequence[str] | None
) -> tuple[NDArray[Any], tuple[str, ...] | None, tuple[str, ...]]:
    """Read features, ids and the names of the other columns.

    Args:
        path: a Parquet file.
        id_column: column of ids.
        columns: columns of features, of numbers or of lists of numbers, side by side in this order. None: the only
            column of lists of numbers, else all columns of numbers but the ids.

    Returns:
        [N, D] float32 or float64, the ids of the rows, and the names of the columns that are neither.

    Raises:
        DataError: damaged file, missing columns, no or several columns to choose from, empty cells, lists of unequal
            length, or a column that holds no numbers.
    """
    schema = open_parquet(path).schema_arrow
    wanted = [name for name in (*(columns or ()), id_column) if name is not None]
    check_names(path, wanted, schema.names)
    chosen = list(columns) if columns is not None else _choose(path, schema, id_column)
    if id_column in chosen:
        raise DataError(f"{path}: found {id_column!r} among the features and as ids, wanted one of the two.")
    table = read_parquet_columns(path, list(dict.fromkeys([*chosen, *wanted])))
    ids = None
    if id_column is not None:
        place = f"{path}, column {id_column!r}"
        ids = tuple(arrow_ids(table[id_column], lambda row: f"{place}, row {row}").to_pylist())
    others = tuple(name for name in schema.names if name not in (*chosen, id_column))
    return _matrix(path, [(name, table[name]) for name in chosen]), ids, others


def _choose(path: Path, schema: Any, id_column: str | None) -> list[str]:
    """Columns of features where none are named."""
    fields = [field for field in schema if field.name != id_column]
    lists = [field.name for field in fields if _is_list(field.type) and _is_number(field.type.value_type)]
    if len(lists) > 1:
        raise DataError(
            f"{path}: found {len(lists)} columns of lists, wanted one. Set `columns` to some of: {listed(lists)}."
        )
    chosen = lists or [field.name for field in fields if _is_number(field.type)]
    if not chosen:
        raise DataError(
            f"{path}: found columns {listed(schema.names)}, wanted columns of numbers, or of lists of numbers, besides "
            "the ids. Save the features in one of these forms."
        )
    check_names(path, chosen, schema.names)
    return chosen


def _matrix(path: Path, columns: list[tuple[str, Any]]) -> NDArray[Any]:
    """Columns side by side, [N, D]: float64 where one of them is, else float32."""
    parts = [_block(f"{path}, column {name!r}", column) for name, column in columns]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _block(place: str, column: Any) -> NDArray[Any]:
    """One column as [N, d] float32 or float64."""
    wanted = "wanted numbers or lists of numbers"
    is_list = _is_list(column.type)
    kind = column.type.value_type if is_list else column.type
    if not _is_number(kind):
        raise DataError(f"{place}: found the type {column.type}, {wanted}. Name other columns in `columns`.")
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise DataError(f"{place}, row {row}: found an empty cell, {wanted}. Fill it or remove this row.")
    values = _flat(place, column) if is_list else column
    if values.null_count:
        raise DataError(f"{place}: found an empty place in a list, {wanted}. Fill it or remove this row.")
    array: NDArray[Any] = values.to_numpy()
    return np.asarray(array, np.float64 if array.dtype == np.float64 else np.float32).reshape(
        len(column), -1 if len(column) else 1
    )


def _flat(place: str, column: Any) -> Any:
    """Values of a column of lists one after another; DataError where a list has another length than the first."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(column).to_numpy()
    uneven = np.flatnonzero(lengths != lengths[:1])
    if len(uneven):
        row = int(uneven[0])
        raise DataError(
            f"{place}, row {row}: found a list of {lengths[row]} numbers, wanted {lengths[0]} as in row 0. Correct it."
        )
    return pc.list_flatten(column)


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return any(check(kind) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
