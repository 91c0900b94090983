"""Which of its candidate targets does a source map to?"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MeanMetric, MetricCollection

from rrnet_lightning.objectives.base import Asked, Objective
from rrnet_lightning.objectives.segments import cross_entropy, log_softmax, per_node


class MappingObjective(Objective):
    """Which of its candidate targets does a source map to? y = 1 on true pairs, 0 on the others. Equation (9).

    Args:
        readout: ``per_edge`` binary cross entropy, every pair by itself (probabilities by sigmoid); ``per_source``
            cross entropy of the softmax over a source's candidates. A source without a true candidate has no softmax
            target and teaches ``per_source`` nothing; it counts as an error in every metric.
        recall_at: the k of the recall@k metrics: the share of sources with a true target among their k best.
    """

    def __init__(
        self, readout: Literal["per_edge", "per_source"] = "per_source", recall_at: Sequence[int] = (5,)
    ) -> None:
        super().__init__()
        if any(k < 1 for k in recall_at):
            raise ValueError(f"MappingObjective: found recall_at={list(recall_at)}, wanted numbers of at least 1")
        self.readout, self.recall_at = readout, list(recall_at)

    def loss(self, logits: Tensor, asked: Asked) -> Tensor:
        """Cross entropy, per edge or per source."""
        if self.readout == "per_edge":
            return F.binary_cross_entropy_with_logits(logits, asked.y) if len(asked.y) else logits.sum()
        total, sources = cross_entropy(logits, asked.y, asked.ends[0])
        return total / sources.clamp(min=1)

    def units(self, asked: Asked) -> Tensor:
        """Edges, or sources with a true candidate."""
        per_source = self.readout == "per_source"
        return (per_node(asked.y, asked.ends[0]) > 0).sum() if per_source else super().units(asked)

    def options(self) -> dict[str, Any]:
        """The arguments."""
        return {"readout": self.readout, "recall_at": self.recall_at}

    def predict(self, logits: Tensor, asked: Asked) -> Tensor:
        """Probability of each pair."""
        return logits.sigmoid() if self.readout == "per_edge" else log_softmax(logits, asked.ends[0]).exp()

    def measured(self, logits: Tensor, asked: Asked) -> Tensor:
        """The logits, which rank as probabilities do; two large ones are not both rounded to 1."""
        return logits

    def metrics(self, prefix: str) -> MetricCollection:
        """Accuracy, recall@k and ``candidate_recall``, the ceiling that the choice of candidates sets."""
        ks: dict[str, float] = {
            "accuracy": 1,
            **{f"recall@{k}": k for k in self.recall_at},
            "candidate_recall": torch.inf,
        }
        return MetricCollection({name: HitRate(k) for name, k in ks.items()}, prefix=prefix, compute_groups=False)


class HitRate(MeanMetric):
    """Share of sources with a true target among their ``k`` best candidates; ties (and NaN) count against the model."""

    def __init__(self, k: float = 1) -> None:
        super().__init__()
        self.k = k

    def update(self, preds: Tensor, target: Tensor, source: Tensor) -> None:  # type: ignore[override]
        """Add the sources of one batch."""
        true = target > 0
        best = per_node(torch.where(true, preds, -torch.inf), source, "amax")
        rivals = ~true & ~(preds < best.index_select(0, source))
        hit = (per_node(target, source) > 0) & (per_node(rivals.float(), source) < self.k)
        super().update(hit[torch.unique(source)].float())
