"""Results by fold, and the difference of two models paired by fold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Protocol

import pyarrow as pa
from scipy import stats


@dataclass(frozen=True)
class Difference:
    """One model minus another, paired: the mean, and the ends of its 95 % interval (None for a single pair)."""

    peer: str
    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        return self.text()

    def text(self, digits: int = 4) -> str:
        """The mean and the ends, to so many digits."""
        ends = "" if self.low is None else f" [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"
        return f"{self.mean:+.{digits}f}{ends}"


_NUMBERS = [(name, pa.float64()) for name in ("mean", "low", "high")]
PARQUET = {  # types of columns by type of field
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    float | None: pa.float64(),
    Difference | None: pa.struct([("peer", pa.string()), *_NUMBERS]),
}


class ByFold(Protocol):
    """A row of results: it is of a fold."""

    @property
    def fold(self) -> int: ...  # noqa: D102


def fold_means(rows: Iterable[ByFold], metric: str) -> dict[int, float]:
    """Mean over seeds in each fold, by fold."""
    values: dict[int, list[float]] = {}
    for row in rows:
        values.setdefault(row.fold, []).append(getattr(row, metric))
    return {fold: mean(values[fold]) for fold in sorted(values)}


def paired_difference(model: Sequence[float], peer: Sequence[float], name: str = "") -> Difference:
    """Mean of the paired differences d with its 95 % t-interval, mean(d) ± t(.975, n - 1) · sd(d) / √n."""
    d = [ours - theirs for ours, theirs in zip(model, peer, strict=True)]
    if len(d) < 2:
        return Difference(name, mean(d), None, None)
    half = float(stats.t.ppf(0.975, len(d) - 1)) * stdev(d) / len(d) ** 0.5
    return Difference(name, mean(d), mean(d) - half, mean(d) + half)
