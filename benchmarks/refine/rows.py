"""The result of one way to use the features on one fold with one seed."""

import math
from dataclasses import dataclass

from benchmarks.common.jobs import Key


@dataclass(frozen=True)
class Result:
    """The result of a job.

    Attributes:
        config: digest of peers or config, of overrides and features, see :mod:`benchmarks.refine.plan`.
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
    def key(self) -> Key:
        """That of its job, see :class:`benchmarks.common.jobs.Job`."""
        return self.model, self.fold, self.seed, self.config
