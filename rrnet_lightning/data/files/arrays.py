"""Decoded data kept for later runs: one memory-mapped array with a note beside it, both complete or not there."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rrnet_lightning.data.files.atomic import atomic
from rrnet_lightning.errors import DataError, reason


def open_array(file: Path, shape: tuple[int | None, ...], dtype: DTypeLike) -> tuple[NDArray[Any], dict[str, Any]]:
    """Open what `keep_array` made: the array, memory-mapped to be read only, and its note.

    Args:
        file: name ending in `.npy`; the note lies beside it and ends in `.json`.
        shape: wanted shape; None for any length.
        dtype: wanted type of the numbers.

    Raises:
        DataError: array or note absent, damaged or of another shape or type; the message ends without a remedy.
    """
    about = file.with_suffix(".json")
    try:
        note = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{about}: cannot be read ({reason(error)}), wanted the note of {file.name}") from error
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # on a damaged file NumPy raises OSError, EOFError, ValueError, BadZipFile ...
        raise DataError(f"{file}: cannot be read ({reason(error)}), wanted an array") from error
    if not isinstance(note, dict):
        raise DataError(f"{about}: found a {type(note).__name__}, wanted an object of names and values")
    if not isinstance(array, np.ndarray):  # an .npz under another name
        raise DataError(f"{file}: found an archive of arrays, wanted one array")
    fits = len(array.shape) == len(shape) and all(want in (None, n) for n, want in zip(array.shape, shape, strict=True))
    if not fits or array.dtype != dtype:
        wanted = " x ".join("any" if length is None else str(length) for length in shape)
        raise DataError(f"{file}: found {array.dtype} numbers {array.shape}, wanted {np.dtype(dtype)} {wanted}")
    return array, note


def keep_array(
    file: Path,
    rows: Iterable[NDArray[Any]],
    shape: tuple[int, ...],
    dtype: DTypeLike,
    note: dict[str, Any],
) -> None:
    """Write rows as they come, never all in memory, and a note of them; `open_array` opens both.

    Rows are written, not assigned to a memory map: on a full disk a write is an error, a memory map kills the process.

    Args:
        file: name ending in `.npy`; its folder is made too.
        rows: parts along the first axis, together of this shape.
        shape: shape of the whole.
        dtype: type of the numbers.
        note: goes into JSON after the last row, so making the rows may still fill it in.

    Raises:
        DataError: the place cannot be written to; nothing is left there. What `rows` raises passes through.
    """
    try:
        # the note appears last: where it is, the array is
        with atomic(file.with_suffix(".json")) as about, atomic(file) as array:
            with array.open("wb") as out:
                descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
                header = {"descr": descr, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(out, header)
                for row in rows:
                    out.write(row.astype(dtype).tobytes())
            about.write_text(json.dumps(note), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{file}: cannot be written ({reason(error)}). Make room, or set the environment variable RRNET_CACHE "
            "to a folder with room that you may write to."
        ) from error
