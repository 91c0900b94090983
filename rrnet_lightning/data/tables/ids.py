"""Ids are strings, whatever a file stores: 1 and 1.0 are '1', while '01' stays '01'."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrnet_lightning.data.files.columns import read_text
from rrnet_lightning.data.tables.places import readable
from rrnet_lightning.errors import DataError

EXACT = 2**53  # from here on a float does not name one whole number
WANTED = "wanted text or whole numbers"


def arrow_ids(column: Any, where: Callable[[int], str]) -> Any:
    """Turn a column of ids into strings: integers and whole floats lose their decimal point, text stays as it is.

    Args:
        column: [N] pyarrow.ChunkedArray.
        where: place of a row, for the start of a message.

    Returns:
        [N] pyarrow.ChunkedArray of strings without nulls.

    Raises:
        DataError: an empty cell, a float that is not whole, or a type that cannot be an id.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        row = pc.index(column.is_null(), True).as_py()
        raise DataError(f"{where(row)}: found an empty cell, {WANTED}. Fill it or remove this row.")
    kind = column.type
    if pa.types.is_floating(kind):
        values = column.cast(pa.float64()).to_numpy()
        bad = np.flatnonzero(~((values == np.floor(values)) & (np.abs(values) < EXACT)))
        if len(bad):
            raise DataError(f"{where(int(bad[0]))}: found the id {values[bad[0]]}, {WANTED}. Store the ids as text.")
        return column.cast(pa.float64()).cast(pa.int64()).cast(pa.string())
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (text or pa.types.is_integer(kind)):
        raise DataError(f"{where(0)}: found the type {kind}, {WANTED}. Store this column as text.")
    return column.cast(pa.string())


def python_ids(values: Iterable[Any], name: str) -> tuple[str, ...]:
    """Turn ids given in Python into strings, by the rules of `arrow_ids`.

    Args:
        values: strings or numbers; an array or a tensor will do.
        name: of the field, for messages.

    Raises:
        DataError: a float that is not whole, or an object that cannot be an id.
    """
    listed: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return tuple(_text(value, f"{name}, row {row}") for row, value in enumerate(listed))


def _text(value: Any, place: str) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{place}: found the id {value!r}, {WANTED}. Give the ids as strings.")


def read_ids(path: str | Path) -> tuple[str, ...]:
    """Read a text file with one id a line, UTF-8. Spaces belong to the id; empty lines at the end are left out.

    Raises:
        DataError: unreadable or binary file, or an empty line between others.
    """
    path = readable(path, (".txt",))
    lines = read_text(path).rstrip("\n").split("\n")
    if "" in lines:
        raise DataError(f"{path}, line {lines.index('') + 1}: found an empty line, wanted an id. Fill or remove it.")
    return tuple(lines)


def check_ids(ids: Sequence[str], rows: int, place: str) -> None:
    """Refuse ids that are not one a row, or not distinct.

    Raises:
        DataError: with both counts, or with the first id that comes again and both of its rows.
    """
    if len(ids) != rows:
        raise DataError(f"{place}: found {len(ids)} ids for {rows} rows, wanted one id a row. Check both files.")
    if len(set(ids)) < rows:
        first: dict[str, int] = {}
        row = next(row for row, name in enumerate(ids) if first.setdefault(name, row) != row)
        raise DataError(
            f"{place}: found the id {ids[row]!r} in rows {first[ids[row]]} and {row} (counted from 0), "
            "wanted distinct ids. Rename or remove one of them."
        )


def look_up(values: Any, ids: Sequence[str] | None, rows: int) -> NDArray[np.int64]:
    """Row of each value, [P] long; -1 where unknown.

    Args:
        values: [P] pyarrow.ChunkedArray of strings.
        ids: id of each row; None: the ids are the row numbers, counted from 0.
        rows: number of rows.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(np.arange(rows)).cast(pa.string()) if ids is None else pa.array(ids, pa.string())
    found = pc.index_in(values, value_set=known).fill_null(-1)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def looks(ids: Sequence[str] | None, rows: int, side: str) -> str:
    """Say how the ids of a table look."""
    return f"{side} rows are numbered 0 to {rows - 1}" if ids is None else f"{side} ids look like {ids[0]!r}"
