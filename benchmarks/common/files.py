"""The files of results: one JSON object a line, kept as runs end; every file is seen whole or not at all."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.common.jobs import BenchmarkError
from rrnet_lightning.data.files.atomic import atomic

R = TypeVar("R")


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Read the rows kept so far, each a ``kind``, a dataclass that checks itself; none if there is no file.

    Raises:
        BenchmarkError: names the line that is not a row.
    """
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], start=1):
        try:
            rows.append(kind(**json.loads(line)))
        except (ValueError, TypeError, AttributeError) as error:
            names = ", ".join(field.name for field in fields(kind))  # type: ignore[arg-type]
            raise BenchmarkError(
                f"{path}:{number}: found no result row ({error}), wanted a JSON object with {names}. Remove the line "
                "(that run is done again), or, where an older version wrote them all, the file; or choose another --out"
            ) from error
    return rows


def append_row(path: Path, row: Any) -> None:
    """Add a dataclass to the file, which holds whole lines only at any time."""
    kept = path.read_bytes() if path.exists() else b""
    write_whole(path, kept + json.dumps(asdict(row)).encode() + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is seen complete or not at all.

    Raises:
        BenchmarkError: it cannot be written; nothing partial is left.
    """
    try:
        with atomic(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise BenchmarkError(f"{path}: cannot be written ({error}). Free the place, or choose another --out") from error


def with_ending(out: Path, ending: str) -> Path:
    """Return ``<out><ending>``; a dot in the name of ``out`` stays."""
    return out.with_name(out.name + ending)
