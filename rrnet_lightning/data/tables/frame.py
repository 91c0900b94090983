"""Columns of a CSV or Parquet file with names, read as ids, numbers or text."""

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrnet_lightning.data.files.columns import read_text
from rrnet_lightning.data.tables.ids import arrow_ids
from rrnet_lightning.data.tables.places import check_names, readable
from rrnet_lightning.errors import DataError, reason

MANY = 10**6  # rows from which reading shows its progress
BLOCK = 1 << 24  # bytes read at a time; no row may be longer


@dataclass(frozen=True, eq=False)
class Frame:
    """Columns of one file.

    Attributes:
        path: the file.
        columns: one [N] pyarrow.ChunkedArray for each name. Those of a CSV file are all strings: '01' stays '01'.
    """

    path: Path
    columns: dict[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def where(self, row: int | np.integer[Any]) -> str:
        """Place of a row, for a message: its line in a CSV file, its row from 0 in a Parquet file."""
        if self.path.suffix.lower() == ".parquet":
            return f"{self.path}, row {row}"
        with suppress(csv.Error):  # a field too long for Python's reader
            for number, (line, _) in enumerate(_records(self.path)):
                if number == row + 1:
                    return f"{self.path}, line {line}"
        return f"{self.path}, row {row}"

    def ids(self, name: str) -> Any:
        """Column as ids, [N] pyarrow.ChunkedArray of strings; DataError where a cell cannot be an id."""
        return arrow_ids(self.columns[name], lambda row: f"{self.where(row)}, column {name!r}")

    def positive(self, name: str) -> NDArray[np.float32]:
        """Column as numbers above 0, [N] float32.

        Raises:
            DataError: names the first row with a number that is negative, 0 or not finite, or with no number.
        """
        narrow = self._narrow(name)
        self._refuse(
            name,
            ~(np.isfinite(narrow) & (narrow > 0)),
            "a finite number above 0. Correct it; to say that the two do not belong together, leave the pair out.",
        )
        return narrow

    def finite(self, name: str) -> NDArray[np.float32]:
        """Column as finite numbers, [N] float32; DataError names the first row with any other."""
        narrow = self._narrow(name)
        self._refuse(name, ~np.isfinite(narrow), "a finite number. Correct it, or leave the row out.")
        return narrow

    def _narrow(self, name: str) -> NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            return _numbers(self.columns[name]).astype(np.float32)

    def _refuse(self, name: str, bad: NDArray[np.bool_], wanted: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise DataError(f"{self.where(row)}: found {name} {self.columns[name][row].as_py()!r}, wanted {wanted}")


def read_frame(path: str | Path, wanted: Sequence[str], optional: Sequence[str] = ()) -> Frame:
    """Read some columns of a CSV file (UTF-8, names in line 1, commas, quotes `"`) or of a Parquet file.

    Args:
        path: ends in `.csv` or `.parquet`.
        wanted: names of columns that must be there.
        optional: names of columns that are read where they are there.

    Raises:
        DataError: unreadable or damaged file, a missing column, a line with another number of columns, no rows.
    """
    path = readable(path, (".csv", ".parquet"))
    read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
    frame = Frame(path, read(path, wanted, optional))
    if not len(frame):
        raise DataError(f"{path}: found no row below the names of the columns, wanted at least one. Check the file.")
    return frame


def open_parquet(path: Path) -> Any:
    """Open a Parquet file as a pyarrow.parquet.ParquetFile; DataError when it is damaged."""
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except Exception as error:  # on a damaged file Arrow raises ArrowInvalid, OSError ...
        raise DataError(f"{path}: cannot be read ({reason(error)}), wanted Parquet. Get the file again.") from error


def read_parquet_columns(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Columns of a Parquet file by name, [N] pyarrow.ChunkedArray each; DataError when it is damaged."""
    file = open_parquet(path)
    try:
        table = file.read(columns=list(names))
    except Exception as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}), wanted Parquet. Get the file again.") from error
    return {name: table.column(name) for name in names}


def _read_parquet(path: Path, wanted: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    names = open_parquet(path).schema_arrow.names
    check_names(path, wanted, names)
    return read_parquet_columns(path, [*wanted, *(name for name in optional if name in names)])


def _read_csv(path: Path, wanted: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    try:
        names = next((fields for _, fields in _records(path)), [])
        if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
            raise DataError(f"{path}, line 1: found {names[0]!r}, wanted names separated by commas. Save it so.")
        check_names(f"{path}, line 1", wanted, names)
        chosen = [*wanted, *(name for name in optional if name in names)]
        check_names(f"{path}, line 1", chosen, names)
        with path.open("rb") as file:
            reader = arrow_csv.open_csv(
                file,
                read_options=arrow_csv.ReadOptions(block_size=BLOCK),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=chosen, column_types=dict.fromkeys(chosen, pa.string())
                ),
            )
            batches = list(_with_progress(reader, file, path))
        table = pa.Table.from_batches(batches, reader.schema)
    except (UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise _damage(path, error) from error
    return {name: table.column(name) for name in chosen}


def _with_progress(reader: Any, file: Any, path: Path) -> Iterator[Any]:
    """Pass the batches of a reader on; with many rows a bar on the terminal says how much of the file is read."""
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True))
    task = progress.add_task(f"Reading {path.name}", total=os.fstat(file.fileno()).st_size)
    rows, started = 0, False
    try:
        for batch in reader:
            rows += batch.num_rows
            if rows > MANY and not started:
                progress.start()
                started = True
            progress.update(task, completed=file.tell())
            yield batch
    finally:
        if started:
            progress.stop()


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the first line and fields of each record of a CSV file, the names of the columns included."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader, line = csv.reader(file), 1
        for fields in reader:
            if fields:  # not an empty line
                yield line, fields
            line = reader.line_num + 1


def _damage(path: Path, error: Exception) -> DataError:
    """Say what is wrong with a CSV file that could not be read."""
    read_text(path)  # raises where the file is not UTF-8 text
    with suppress(csv.Error):
        records = _records(path)
        _, names = next(records)
        for line, fields in records:
            if len(fields) != len(names):
                return DataError(
                    f"{path}, line {line}: found {len(fields)} columns, wanted {len(names)} as in line 1. "
                    "Put quotes around a field that holds a comma, or correct this line."
                )
    return DataError(f"{path}: cannot be read ({reason(error)}), wanted columns separated by commas. Check the file.")


def _numbers(column: Any) -> NDArray[np.float64]:
    """Column as [N] float64, NaN where it holds no number."""
    import pyarrow as pa

    try:
        return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)
    except pa.ArrowException:
        return np.array([_number(value) for value in column.to_pylist()], dtype=np.float64)


def _number(value: Any) -> float:
    try:
        return float(value) if "_" not in str(value) else float("nan")  # Python reads "1_0" as ten
    except (TypeError, ValueError):
        return float("nan")
