"""What a score means: loss, metrics and readout.

A mapping (is this the pair?), a rating (how much?), or a ranking (which belong together, asked from both sides?).
"""

from rrnet_lightning.objectives.base import Asked, Objective, describe, rebuild
from rrnet_lightning.objectives.mapping import HitRate, MappingObjective
from rrnet_lightning.objectives.matching import assign, sinkhorn
from rrnet_lightning.objectives.ranking import RankingObjective
from rrnet_lightning.objectives.rating import RatingObjective
from rrnet_lightning.objectives.segments import log_softmax

__all__ = [
    "Asked",
    "HitRate",
    "MappingObjective",
    "Objective",
    "RankingObjective",
    "RatingObjective",
    "assign",
    "describe",
    "log_softmax",
    "rebuild",
    "sinkhorn",
]
