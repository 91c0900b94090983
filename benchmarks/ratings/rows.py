"""The result of one rating model on one fold with one seed."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.common.jobs import Key


class Slice(NamedTuple):
    """Errors on some of the ratings asked for: how many, and the sums of their absolute and squared errors."""

    size: int
    absolute: float
    squared: float


@dataclass(frozen=True)
class Row:
    """The result of a job: errors in rating units, seconds of training, memory of the whole process.

    Attributes:
        split: digest of the ratings and of how they are split. Rows of one split can be compared.
        slices: errors on the users and items of which little is known, by name.
        command: the benchmark command that ran it.
        date: UTC, ISO 8601.
    """

    model: str
    fold: int
    seed: int
    config: str
    split: str
    mae: float
    rmse: float
    fit_seconds: float
    peak_mib: float
    slices: dict[str, Slice]
    command: str
    date: str

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.mae, self.rmse, self.fit_seconds, self.peak_mib))):
            raise ValueError("mae, rmse, fit_seconds, peak_mib: wanted finite numbers")
        slices = {name: Slice(*entry) for name, entry in self.slices.items()}  # JSON gives lists
        object.__setattr__(self, "slices", slices)

    @property
    def key(self) -> Key:
        """That of its job."""
        return self.model, self.fold, self.seed, self.config
