"""What a benchmark is asked to run: one job for each model, fold and seed, and where each keeps its files."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
Key = tuple[str, int, int, str]  # model, fold, seed, config


class BenchmarkError(ValueError):
    """A benchmark that cannot be run as asked; the message says what to do."""


@dataclass(frozen=True)
class Job:
    """One run.

    Attributes:
        model: name in the table; what follows the first word are options, see ``benchmarks.ratings``.
        data: key of the data set.
        folds, fold, fold_seed: the split.
        seed: of the model.
        config: short digest of what the result depends on: config file or peers, overrides, data, split. Code of
            rrnet_lightning is not part of it.
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
    def key(self) -> Key:
        """What makes a run the same run."""
        return self.model, self.fold, self.seed, self.config


class Keyed(Protocol):
    """A row of results: it has the key of its job."""

    @property
    def key(self) -> Key: ...  # noqa: D102


def missing(jobs: Sequence[Job], rows: Iterable[Keyed]) -> list[Job]:
    """Jobs that no row answers."""
    done = {row.key for row in rows}
    return [job for job in jobs if job.key not in done]


def check_seeds(seeds: Sequence[int]) -> None:
    """BenchmarkError unless every random generator takes them."""
    if not all(0 <= seed < 2**32 for seed in seeds):
        raise BenchmarkError(f"--seeds: found {seeds}, wanted whole numbers from 0 to 2**32 - 1")


def job_folder(job: Job, runs: Path) -> Path:
    """Where a job keeps its log, and its run folder with the checkpoints."""
    name = re.sub(r"[^\w.]+", "-", job.model)[:60]
    return runs / job.data / f"{name}-{job.config}" / f"fold{job.fold}-seed{job.seed}"


def digest(values: Sequence[object], *contents: bytes) -> str:
    """Ten hexadecimal digits that change with any of the values and contents."""
    parts = [json.dumps(values).encode(), *contents]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:10]
