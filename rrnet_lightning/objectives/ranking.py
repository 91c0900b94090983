"""Which targets belong to a source, and which sources to a target?"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MetricCollection

from rrnet_lightning.metrics import retrieval_metrics
from rrnet_lightning.objectives.base import Asked, Objective
from rrnet_lightning.objectives.matching import assign, sinkhorn
from rrnet_lightning.objectives.segments import cross_entropy, log_softmax, per_node, share


class RankingObjective(Objective):
    """Retrieval both ways: sources rank their candidate targets, targets their candidate sources. y = 1 on true pairs.

    An edge takes part in the direction that asks it (``asks`` of the graph): a source's softmax and ranks run over the
    edges that sources ask, a target's over those that targets ask.

    Args:
        loss: ``softmax``: cross entropy of the softmax over a query's candidates, the mean over all queries of both
            directions; several true candidates share the target mass, and a query without one teaches nothing. Where
            batches are sampled, a target's softmax runs over the candidates that the batch holds. ``per_edge``: binary
            cross entropy, every pair by itself, for many-to-many pairs and for classes.
        class_share: share of a query's target mass that goes to candidates of its classes, with ``softmax``; the rest
            goes to its true pairs. It ranks classmates before strangers, in a model that is asked for pairs.
        temperature: divides the logits in the loss and in what is read out.
        k: the k of the recall@k metrics.
        map_at: how many of the best items count in mAP and nDCG; None: all.
        readout: ``softmax``: a pair's score depends on its source's candidates alone, or for ``per_edge`` on itself
            alone (a sigmoid). ``sinkhorn``: see :func:`sinkhorn`. ``assignment``: the pairs of the best one-to-one
            matching rank first, see :func:`assign`. Both are transductive: the queries of a batch answer together, so
            that what is said of one depends on the others and on how the batch was made.

    Raises:
        ValueError: ``temperature`` is not positive, or ``k`` or ``map_at`` holds a number below 1.
    """

    def __init__(
        self,
        loss: Literal["softmax", "per_edge"] = "softmax",
        temperature: float = 1.0,
        k: Sequence[int] = (1, 5, 10),
        map_at: int | None = None,
        readout: Literal["softmax", "sinkhorn", "assignment"] = "softmax",
        class_share: float = 0.0,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"RankingObjective: found temperature={temperature}, wanted more than 0")
        if any(at < 1 for at in (*k, map_at or 1)) or map_at == 0:
            raise ValueError(f"RankingObjective: found k={list(k)}, map_at={map_at}, wanted numbers of at least 1")
        self.kind, self.temperature, self.k = loss, temperature, list(k)
        if not 0 <= class_share < 1:
            raise ValueError(f"RankingObjective: found class_share={class_share}, wanted a share in [0, 1)")
        self.map_at, self.readout, self.class_share = map_at, readout, class_share

    def loss(self, logits: Tensor, asked: Asked) -> Tensor:
        """Cross entropy, of queries or of edges."""
        logits = logits / self.temperature
        if self.kind == "per_edge":
            return F.binary_cross_entropy_with_logits(logits, asked.y) if len(asked.y) else logits.sum()
        parts = [cross_entropy(logits[own], self._mass(asked, own, node), node) for own, node in _directions(asked)]
        total, queries = (torch.stack(values).sum() for values in zip(*parts, strict=True))
        return total / queries.clamp(min=1)

    def _mass(self, asked: Asked, own: Tensor | slice, node: Tensor) -> Tensor:
        """Target mass of the edges asked in one direction."""
        y = asked.y[own]
        if not self.class_share or asked.relevant is None:
            return y
        alike = asked.relevant[own].to(y.dtype)
        return (1 - self.class_share) * share(y, node) + self.class_share * share(alike, node)

    def units(self, asked: Asked) -> Tensor:
        """Queries with a candidate of any target mass, of both directions; or edges."""
        if self.kind == "per_edge":
            return super().units(asked)
        return torch.stack(
            [(per_node(self._mass(asked, own, node), node) > 0).sum() for own, node in _directions(asked)]
        ).sum()

    def options(self) -> dict[str, Any]:
        """The arguments."""
        options = {"temperature": self.temperature, "k": self.k, "map_at": self.map_at, "readout": self.readout}
        return {"loss": self.kind, "class_share": self.class_share, **options}

    def predict(self, logits: Tensor, asked: Asked) -> Tensor:
        """Probability of each pair: by softmax over all edges that its source asks, or sigmoid, or Sinkhorn.

        A pair that its target alone asks is one of that target's edges instead.

        With ``assignment`` half of it, and one half more for the pairs that are matched.
        """
        if self.readout == "sinkhorn":
            return self.measured(logits, asked).exp()
        scaled = logits / self.temperature
        score = scaled.sigmoid() if self.kind == "per_edge" else self._share(scaled, asked)
        return (score + assign(logits, asked.ends)) / 2 if self.readout == "assignment" else score

    def _share(self, logits: Tensor, asked: Asked) -> Tensor:
        if asked.asks is None:
            return log_softmax(logits, asked.ends[0]).exp()
        score = torch.empty_like(logits)
        for own, node in zip((asked.asks[:, 0], ~asked.asks[:, 0]), asked.ends, strict=True):
            score[own] = log_softmax(logits[own], node[own]).exp()
        return score

    def measured(self, logits: Tensor, asked: Asked) -> Tensor:
        """The logits, or Sinkhorn's log-scores, or the logits with those matched on top: they rank both directions."""
        if self.readout == "sinkhorn":
            return sinkhorn(logits / self.temperature, asked.ends)
        if self.readout == "assignment" and len(logits):
            return logits + assign(logits, asked.ends) * (1 + logits.max() - logits.min())
        return logits

    def metrics(self, prefix: str) -> MetricCollection:
        """Recall, ranks, mAP and nDCG both ways: see :class:`rrnet_lightning.metrics.retrieval.Retrieval`."""
        return retrieval_metrics(prefix, self.k, self.map_at)

    def update(self, metrics: MetricCollection, logits: Tensor, asked: Asked) -> None:
        """Add a batch's pairs."""
        true, none = asked.y > 0, asked.ends.new_zeros(0, 2)
        metrics.update(
            preds=self.measured(logits, asked),
            rows=asked.ends if asked.rows is None else asked.rows,
            target=true,
            relevant=true if asked.relevant is None else asked.relevant,
            asks=true.new_ones(len(true), 2) if asked.asks is None else asked.asks,
            missed=asked.missed or (none,) * 4,
        )


def _directions(asked: Asked) -> list[tuple[Tensor | slice, Tensor]]:
    """For sources, then for targets: the edges that they ask, and the node that asks each."""
    if asked.asks is None:
        return [(slice(None), node) for node in asked.ends]
    return [(own, node[own]) for own, node in zip(asked.asks.unbind(1), asked.ends, strict=True)]
