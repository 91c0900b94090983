"""The table of an ESC data set: which clip is of which class and fold, and which file holds it."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rrnet_lightning.data.files.columns import read_text
from rrnet_lightning.data.sound.audio import SUFFIXES
from rrnet_lightning.errors import DataError, reason

CSV_FILES = ("meta/esc50.csv", "esc50.csv", "meta/esc10.csv", "esc10.csv")
COLUMNS = ("filename", "fold", "target", "category")


class Row(NamedTuple):
    """A line of the csv: number, file name as written, name without ending, fold, class number and name, in ESC-10."""

    line: int
    file: str
    id: str
    fold: int
    target: int
    name: str
    esc10: bool


def read_rows(path: Path) -> list[Row]:
    """Rows of an ESC csv, checked."""
    reader = csv.DictReader(read_text(path).split("\n"))
    try:
        columns = reader.fieldnames or ()
        missing = [name for name in COLUMNS if name not in columns]
        if missing:
            raise DataError(
                f"{path}, line 1: found the columns {', '.join(columns) or 'none'}, wanted also {', '.join(missing)}. "
                "Get the official file of the data set."
            )
        rows = [_row(path, reader.line_num, values) for values in reader]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num + 1}: found no csv ({error}). Get the official file."
        ) from error
    if not rows:
        raise DataError(f"{path}, line 2: found no clips, wanted one a line. Get the official file of the data set.")
    _check_unique(path, rows)
    return rows


def _check_unique(path: Path, rows: Sequence[Row]) -> None:
    """Every clip stands there once, and targets and categories pair one to one."""
    seen: dict[tuple[str, str], Row] = {}
    for row in rows:
        for what, mine in (("clip", row.id), ("target", str(row.target)), ("category", row.name)):
            first = seen.setdefault((what, mine), row)
            same = (first.target, first.name) == (row.target, row.name)
            if first is not row and (what == "clip" or not same):
                raise DataError(
                    f"{path}, line {row.line}: found {what} {mine!r} as in line {first.line}"
                    f"{'' if same else ', of another target or category'}; wanted each clip once, and one target for "
                    "each category. Correct one of these lines, or get the official file."
                )


def find_sounds(path: Path, rows: Sequence[Row], sounds: Sequence[Path]) -> list[Path]:
    """The file of every row: of the name written, else with another ending. DataError names the first without one."""
    by_name = {file.name: file for file in sounds}
    found = [
        next((by_name[name] for name in (row.file, *(row.id + end for end in SUFFIXES)) if name in by_name), None)
        for row in rows
    ]
    lost = [row for row, file in zip(rows, found, strict=True) if file is None]
    if lost:
        raise DataError(
            f"{path}, line {lost[0].line}: found no file {lost[0].file} in audio/, nor one that "
            f"ends in {', '.join(SUFFIXES)}, wanted one for every row; {len(lost)} of {len(rows)} rows have none. Get "
            "these files, or remove their rows."
        )
    return [file for file in found if file is not None]


def _row(path: Path, line: int, values: dict[str | Any, Any]) -> Row:
    where = f"{path}, line {line}"
    for name in COLUMNS:
        if not (values[name] or "").strip():
            raise DataError(f"{where}: found no {name}, wanted one. Correct this line, or get the official file.")
    if None in values:
        raise DataError(f"{where}: found more values than columns, wanted as many. Correct this line.")
    file, fold, target, name = (values[column].strip() for column in COLUMNS)
    if Path(file).name != file or "\\" in file:
        raise DataError(f"{where}: found filename {file!r}, wanted a name without folders. Correct this line.")
    for column, number, least in (("fold", fold, 1), ("target", target, 0)):
        if not (number.isascii() and number.isdigit() and len(number) < 10 and int(number) >= least):
            raise DataError(
                f"{where}: found {column} {number!r}, wanted a whole number from {least}. Correct this line."
            )
    return Row(line, file, Path(file).stem, int(fold), int(target), name, (values.get("esc10") or "").strip() == "True")


def find_csv(folder: Path) -> Path:
    """The one csv of a data set; DataError when there is none, or several."""
    found = [folder / name for name in CSV_FILES if (folder / name).is_file()]
    if len(found) != 1:
        raise DataError(
            f"{folder}: found {', '.join(file.relative_to(folder).as_posix() for file in found) or 'no csv'}, wanted "
            f"exactly one of {', '.join(CSV_FILES)}, beside audio/. Check the path."
        )
    return found[0]


def list_sounds(folder: Path) -> list[Path]:
    """Sound files of a folder, sorted; DataError when it cannot be listed."""
    try:
        return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({reason(error)}). Put the sound files there.") from error
