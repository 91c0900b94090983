"""One model on one fold with one seed: the row that is kept, and the file that keeps the rows."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from benchmarks.common.rows import BenchmarkError, write_whole


@dataclass(frozen=True)
class Result:
    """The result of a job.

    Attributes:
        config: digest of all that the result depends on: peers or config, overrides, features.
        accuracy: share of 1. nll: nats, ece: share of 1; None where scores are no probabilities of all classes.
        seconds: of a peer: choosing and answering, without the search for neighbours; of RR-Net: the whole of ``fit``.
        correct: a digit a test sample, in the order of the features' rows: 1 where right.
        setting: JSON, what was chosen for a peer.
        command, commit, date: where it comes from.
    """

    model: str
    fold: int
    seed: int
    config: str
    accuracy: float
    nll: float | None
    ece: float | None
    seconds: float
    correct: str
    setting: str
    command: str
    commit: str | None
    date: str

    def __post_init__(self) -> None:
        if not self.correct or set(self.correct) - {"0", "1"}:
            raise ValueError("correct: wanted one 0 or 1 a sample")
        if not math.isclose(self.accuracy, self.correct.count("1") / len(self.correct), abs_tol=1e-6):
            raise ValueError(f"accuracy: found {self.accuracy}, wanted the share of 1 in correct")
        if not all(math.isfinite(value) for value in (self.nll, self.ece, self.seconds) if value is not None):
            raise ValueError("nll, ece, seconds: wanted finite numbers")

    @property
    def key(self) -> tuple[str, int, int, str]:
        """That of its job, see :class:`benchmarks.rows.Job`."""
        return self.model, self.fold, self.seed, self.config


def read_results(path: Path) -> list[Result]:
    """Read the rows kept so far; none if there is no file.

    Raises:
        BenchmarkError: names the line that is not a row.
    """
    results = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], start=1):
        try:
            results.append(Result(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise BenchmarkError(
                f"{path}:{number}: found no result row ({error}), wanted a JSON object with "
                f"{', '.join(field.name for field in fields(Result))}. Remove the line (that run is done again), "
                "or choose another --out"
            ) from error
    return results


def append_result(path: Path, result: Result) -> None:
    """Add a row to the file, which holds whole lines only at any time."""
    kept = path.read_bytes() if path.exists() else b""
    write_whole(path, kept + json.dumps(asdict(result)).encode() + b"\n")
