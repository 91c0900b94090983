"""How the learning rate changes while a backbone trains."""

import math
from collections.abc import Sequence
from typing import Literal

Schedule = Literal["constant", "cosine", "steps"]


def rate_factor(progress: float, schedule: Schedule, warmup: float, milestones: Sequence[float]) -> float:
    """Return the share of the full learning rate at a point of training.

    Args:
        progress: share of training done at the middle of a step, in (0, 1].
        schedule: after the warm-up, ``constant``; ``cosine``, half a wave from 1 to 0; ``steps``, a tenth from each
            milestone on.
        warmup: share of training in which the factor rises from 0, in a line, to what it is then.
        milestones: shares of training.
    """
    if schedule == "steps":
        factor = 0.1 ** sum(progress > milestone for milestone in milestones)
    elif schedule == "cosine" and warmup < 1:
        factor = 0.5 * (1 + math.cos(math.pi * max(0.0, progress - warmup) / (1 - warmup)))
    else:
        factor = 1.0
    return factor * min(1.0, progress / warmup) if warmup else factor
