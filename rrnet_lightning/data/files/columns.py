"""Tables on disk: text files with a few columns, and matrices in MATLAB files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import DataError, reason

Ints = NDArray[np.int64]
Strings = NDArray[np.object_]
Floats = NDArray[np.float64]


def read_bytes(path: Path) -> bytes:
    """Content of a file; DataError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({reason(error)}). Check the path and its permissions.") from error


def read_text(path: Path) -> str:
    """Content of a UTF-8 text file with line ends as a bare newline; DataError names the line that is not text."""
    raw = read_bytes(path)
    wanted = "wanted UTF-8 text. Check that this is the right file, or convert it to UTF-8."
    if (zero := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, zero) + 1
        raise DataError(f"{path}, line {line}: found binary data (a zero byte), {wanted}")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: found byte 0x{raw[error.start]:02x}, {wanted}") from error


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a file as columns of strings.

    Attributes:
        columns: one [N] array of str per column.
        source: the file, and inside a MATLAB file the variable.
        numbers: [N] int, 1-based number of each row in the file, for messages.
        unit: what the file calls a row, "line" or "row".
    """

    columns: list[Strings]
    source: str
    numbers: Ints
    unit: str = "line"

    def where(self, row: int | np.intp) -> str:
        """Place of a row, for the start of a message."""
        return f"{self.source}, {self.unit} {self.numbers[row]}"

    def floats(self, column: int, what: str) -> Floats:
        """Column as finite numbers, [N] float64; DataError names the first row that holds anything else."""
        values = np.array([_number(text) for text in self.columns[column]], dtype=np.float64)
        with np.errstate(over="ignore"):  # a number too large for float32 becomes inf, which is refused below
            bad = np.flatnonzero(~np.isfinite(values.astype(np.float32)))
        if len(bad):
            raise DataError(
                f"{self.where(bad[0])}: found {what} {self.columns[column][bad[0]]!r}, wanted a finite number. "
                f"Correct or remove this {self.unit}{' (header lines are not read)' if bad[0] == 0 else ''}."
            )
        return values


def read_table(path: str | Path, wanted: str, widths: tuple[int, ...]) -> Table:
    """Read a text file of columns separated by white space, tabs or commas. Blank lines are skipped.

    Args:
        path: UTF-8 text.
        wanted: the columns in words, for messages: "user item rating".
        widths: allowed numbers of columns; every line must have as many as the first.

    Raises:
        DataError: unreadable, binary or empty file; a line with another number of columns.
    """
    path = user_path(path)
    lines = enumerate(read_text(path).split("\n"), start=1)
    rows = [(number, fields) for number, line in lines if (fields := line.replace(",", " ").split())]
    if not rows:
        raise DataError(f"{path}, line 1: found an empty file, wanted one `{wanted}` a line. Get the file again.")
    width = len(rows[0][1])
    for number, fields in rows:
        if len(fields) != width or width not in widths:
            shape = "the columns" if width not in widths else f"{width} columns as in the first line:"
            raise DataError(
                f"{path}, line {number}: found {len(fields)} columns, wanted {shape} `{wanted}`, "
                "separated by white space or commas. Correct this line or keep only these columns."
            )
    columns = [np.array(column, dtype=object) for column in zip(*(fields for _, fields in rows), strict=True)]
    return Table(columns, str(path), np.array([number for number, _ in rows]))


def read_matrix(path: str | Path, width: int) -> Table:
    """Read the one numeric matrix with `width` columns of a MATLAB file (version 4 to 7.2) as a table.

    Whole numbers become strings without a decimal point, so that ids stored as doubles read as ids.

    Raises:
        DataError: unreadable or damaged file; no such matrix or several; no rows.
    """
    from scipy.io import loadmat  # here: half a second that readers of text files need not pay

    path = user_path(path)
    read_bytes(path)
    try:
        content: dict[str, Any] = loadmat(path)
    except Exception as error:  # on a damaged file scipy raises almost anything: zlib.error, KeyError, TypeError ...
        raise DataError(
            f"{path}: not a readable MATLAB file ({type(error).__name__}: {reason(error)}). It may be cut short or "
            "of version 7.3 (HDF5), which is not supported. Get the file again, or save it with `save -v7`."
        ) from error
    arrays = {name: value for name, value in content.items() if isinstance(value, np.ndarray)}
    fits = [n for n, a in arrays.items() if a.ndim == 2 and a.shape[1] == width and a.dtype.kind in "iuf" and len(a)]
    if len(fits) != 1:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in arrays.items()) or "no variable"
        raise DataError(f"{path}: found {shapes}; wanted exactly one matrix of {width} columns. Check the file.")
    matrix = arrays[fits[0]]
    columns = [np.array([_text(value) for value in column], dtype=object) for column in matrix.T.tolist()]
    return Table(columns, f"{path}, variable {fits[0]}", np.arange(1, len(matrix) + 1), unit="row")


def _number(text: str) -> float:
    try:
        return float(text) if "_" not in text else float("nan")  # Python reads "1_0" as ten
    except ValueError:
        return float("nan")


def _text(value: float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
