"""One run of one model on one fold: what is asked (Job), what came out (Row), and the file that keeps the rows."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import NamedTuple

from rrnet_lightning.data.files.atomic import atomic


class BenchmarkError(ValueError):
    """A benchmark that cannot be run as asked; the message says what to do."""


class Slice(NamedTuple):
    """Errors on some of the ratings asked for: how many, and the sums of their absolute and squared errors."""

    size: int
    absolute: float
    squared: float


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        model: name in the table; what follows the first word are options, see ``benchmarks.ratings``.
        data: key of ``RATING_SETS``.
        folds, fold, fold_seed: the split, see ``fold_split``.
        seed: of the model.
        config: short digest of all else that the result depends on: config file or peers, overrides, data, split.
        file: config file of a model trained by the command line; None for a peer.
        overrides: further options of its command line.
        part: ``test``: learn from all ratings outside the fold, measure on the fold; ``val``: learn from the training
            ratings alone, measure on the validation ratings.
        members: trained with as many seeds, others for each ``seed``, whose predictions are averaged.
    """

    model: str
    data: str
    folds: int
    fold: int
    fold_seed: int
    seed: int
    config: str
    file: str | None = None
    overrides: tuple[str, ...] = ()
    part: str = "test"
    members: int = 1

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What makes a run the same run."""
        return self.model, self.fold, self.seed, self.config


@dataclass(frozen=True)
class Row:
    """The result of a job: errors in rating units, seconds of training, memory of the whole process.

    Attributes:
        slices: errors on the users and items of which little is known, by name.
        command: the benchmark command that ran it.
        date: UTC, ISO 8601.
    """

    model: str
    fold: int
    seed: int
    config: str
    mae: float
    rmse: float
    fit_seconds: float
    peak_mib: float
    slices: dict[str, Slice]
    command: str
    date: str

    @property
    def key(self) -> tuple[str, int, int, str]:
        """That of its job."""
        return self.model, self.fold, self.seed, self.config


def read_rows(path: Path) -> list[Row]:
    """Read the rows kept so far; none if there is no file.

    Raises:
        BenchmarkError: names the line that is not a row.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            values = json.loads(line)
            slices = {name: Slice(*entry) for name, entry in values.pop("slices").items()}
            plain = [field for field in fields(Row) if field.name != "slices"]
            row = Row(slices=slices, **{field.name: field.type(values.pop(field.name)) for field in plain})  # type: ignore
            if values or not all(map(math.isfinite, (row.mae, row.rmse, row.fit_seconds, row.peak_mib))):
                raise ValueError("unknown or not finite values")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BenchmarkError(
                f"{path}:{number}: found no result row ({error!r}), wanted a JSON object with "
                f"{', '.join(field.name for field in fields(Row))}. Remove the line (that run is done again), "
                "or, where an older version wrote them all, the file; or choose another --out"
            ) from error
        rows.append(row)
    return rows


def append_row(path: Path, row: Row) -> None:
    """Add a row to the file, which holds whole lines only at any time."""
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


def missing(jobs: Sequence[Job], rows: Iterable[Row]) -> list[Job]:
    """Jobs that no row answers."""
    done = {row.key for row in rows}
    return [job for job in jobs if job.key not in done]
