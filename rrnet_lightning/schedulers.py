"""Learning-rate schedules over shares of the training; all others are torch's.

Torch's schedulers count steps, and how many there will be follows from the data, the batch size and the epochs: a
config cannot say it. These count in shares of the training instead, and the module tells them its length. Nor can a
config chain torch's (``SequentialLR``): each would need the optimiser.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class TrainingShareLR(LambdaLR, ABC):
    """Base: the share of the full rate follows from the share of training done, after a warm-up in a straight line.

    Step t of T is done at the share (t + 1/2) / T. The rate stays at its start until :meth:`start` has been told T.

    Args:
        optimizer: whose rate changes.
        warmup: share of the training in which the rate rises from 0 to what it is then, 0 to 1.

    Raises:
        ValueError: a share outside 0 to 1.
    """

    steps: float = math.inf

    def __init__(self, optimizer: Optimizer, warmup: float = 0.0) -> None:
        check_share("warmup", warmup)
        self.warmup = warmup
        super().__init__(optimizer, lambda step: self._factor(min(1.0, (step + 0.5) / self.steps)))

    @abstractmethod
    def decay(self, progress: float) -> float:
        """Return the share of the full rate, warm-up apart, at a share of the training."""

    def start(self, steps: float) -> None:
        """Say how many steps the training takes, before the first."""
        self.steps = steps
        self._last_lr = [base * factor(0) for base, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        """Return the state without the length of the training: a resumed run may be given more epochs."""
        return {name: value for name, value in super().state_dict().items() if name != "steps"}

    def _factor(self, progress: float) -> float:
        return self.decay(progress) * (min(1.0, progress / self.warmup) if self.warmup else 1.0)


class WarmupCosineLR(TrainingShareLR):
    """Half a cosine wave from the full rate to 0, over what the warm-up leaves of the training.

    Its arguments are those of :class:`TrainingShareLR`.
    """

    def decay(self, progress: float) -> float:
        """Half a wave."""
        if self.warmup == 1:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * max(0.0, progress - self.warmup) / (1 - self.warmup)))


class WarmupMultiStepLR(TrainingShareLR):
    """The full rate, and a tenth of it from each milestone on.

    Args:
        optimizer: see :class:`TrainingShareLR`.
        milestones: shares of the training, 0 to 1.
        warmup: see :class:`TrainingShareLR`.
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[float], warmup: float = 0.0) -> None:
        for milestone in milestones:
            check_share("milestones", milestone)
        self.milestones = list(milestones)
        super().__init__(optimizer, warmup)

    def decay(self, progress: float) -> float:
        """A tenth for each milestone passed."""
        return float(0.1 ** sum(progress > milestone for milestone in self.milestones))


def check_share(name: str, value: float) -> None:
    """Raise ValueError if a value is no share, 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: found {value}, wanted a share, 0 to 1")
