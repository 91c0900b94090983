"""What a score means: loss, metrics and readout of a mapping (is this the pair?) or a rating (how much?)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection

from rrnet_lightning.errors import CheckpointError
from rrnet_lightning.metrics import rating_metrics


class Objective(nn.Module, ABC):
    """Loss, metrics and readout over the supervised inter-edges of a batch.

    Shapes of every method:
        logits: [E] float. y: [E] float, what the edge's score should say. source: [E] long, the edges' source nodes.
        All edges of a source whose edges are supervised are in one batch.
    """

    @abstractmethod
    def loss(self, logits: Tensor, y: Tensor, source: Tensor) -> Tensor:
        """Return the mean loss, a scalar; zero (with a gradient) where there is nothing to learn from."""

    def units(self, y: Tensor, source: Tensor) -> Tensor:
        """Return how many units :meth:`loss` is the mean of, a scalar: edges, unless an objective says otherwise."""
        return torch.tensor(len(y), device=y.device)

    def options(self) -> dict[str, Any] | None:
        """Return the plain arguments that make this objective anew; None where a checkpoint cannot hold them."""
        return None

    @abstractmethod
    def predict(self, logits: Tensor, source: Tensor) -> Tensor:
        """Return [E] scores as a user reads them: probabilities, or ratings on the data's scale."""

    @abstractmethod
    def metrics(self, prefix: str) -> MetricCollection:
        """Return fresh metrics, updated by ``(preds=measured(logits, source), target=y, source=source)``."""

    def measured(self, logits: Tensor, source: Tensor) -> Tensor:
        """Return the [E] scores that the metrics read: those of :meth:`predict`."""
        return self.predict(logits, source)


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

    def loss(self, logits: Tensor, y: Tensor, source: Tensor) -> Tensor:
        """Cross entropy, per edge or per source."""
        if self.readout == "per_edge":
            return F.binary_cross_entropy_with_logits(logits, y) if len(y) else logits.sum()
        positives = _per_source(y, source).index_select(0, source)
        answerable = positives > 0
        share = torch.where(answerable, y / positives.clamp(min=1), 0)
        sources = (y / positives.clamp(min=1)).sum().clamp(min=1)
        return -(share * log_softmax(logits, source)).sum() / sources

    def units(self, y: Tensor, source: Tensor) -> Tensor:
        """Edges, or sources with a true candidate."""
        return (_per_source(y, source) > 0).sum() if self.readout == "per_source" else super().units(y, source)

    def options(self) -> dict[str, Any]:
        """The arguments."""
        return {"readout": self.readout, "recall_at": self.recall_at}

    def predict(self, logits: Tensor, source: Tensor) -> Tensor:
        """Probability of each pair."""
        return logits.sigmoid() if self.readout == "per_edge" else log_softmax(logits, source).exp()

    def measured(self, logits: Tensor, source: Tensor) -> Tensor:
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


class RatingObjective(Objective):
    """How does a source rate a target? A logit becomes a rating as ``low + (high - low) * sigmoid(logit)``.

    Args:
        low, high: ends of the rating scale.
        loss: ``soft`` cross entropy of sigmoid(logit) against the rating mapped onto [0, 1]; ``mse``, or ``huber`` (in
            rating units, linear beyond ``delta``), of the rating itself.
        delta: where ``huber`` turns from squared to absolute, in rating units.

    Raises:
        ValueError: ``low`` is not below ``high``, or ``delta`` is not positive.
    """

    def __init__(
        self, low: float, high: float, loss: Literal["soft", "mse", "huber"] = "soft", delta: float = 0.5
    ) -> None:
        super().__init__()
        if not low < high:
            raise ValueError(f"RatingObjective: found the scale low={low}, high={high}, wanted low < high")
        if not delta > 0:
            raise ValueError(f"RatingObjective: found delta={delta}, wanted more than 0")
        self.low, self.high, self.kind, self.delta = low, high, loss, delta

    def loss(self, logits: Tensor, y: Tensor, source: Tensor) -> Tensor:
        """Mean loss over the ratings."""
        if not len(y):
            return logits.sum()
        if self.kind == "soft":
            return F.binary_cross_entropy_with_logits(logits, (y - self.low) / (self.high - self.low))
        rating = self.predict(logits, source)
        return F.mse_loss(rating, y) if self.kind == "mse" else F.huber_loss(rating, y, delta=self.delta)

    def options(self) -> dict[str, Any]:
        """The arguments."""
        return {"low": self.low, "high": self.high, "loss": self.kind, "delta": self.delta}

    def predict(self, logits: Tensor, source: Tensor) -> Tensor:
        """Ratings on the scale."""
        return self.low + (self.high - self.low) * logits.sigmoid()

    def metrics(self, prefix: str) -> MetricCollection:
        """MAE and RMSE in rating units."""
        return rating_metrics(prefix)


def describe(objective: Objective) -> dict[str, Any]:
    """Return an objective's class and options as plain values, as a config says them, for a checkpoint to hold."""
    cls = type(objective)
    return {"class_path": f"{cls.__module__}.{cls.__qualname__}", "init_args": objective.options()}


def rebuild(described: Mapping[str, Any]) -> Objective:
    """Return the objective that :func:`describe` described. A class of your own must have been imported.

    Raises:
        CheckpointError: it is not known here, or the checkpoint could not hold its options.
    """
    name, options = described["class_path"], described.get("init_args", {})
    known = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in _subclasses(Objective)}
    if name not in known or options is None:
        found = "which does not say its options()" if name in known else "which is not imported"
        raise CheckpointError(
            f"objective: found {name}, {found}, wanted one that can be made anew. Give it: "
            "load_from_checkpoint(path, objective=...)"
        )
    objective: Objective = known[name](**options)
    return objective


def _subclasses(cls: type[Any]) -> list[type[Any]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *_subclasses(sub))]


class HitRate(MeanMetric):
    """Share of sources with a true target among their ``k`` best candidates; ties (and NaN) count against the model."""

    def __init__(self, k: float = 1) -> None:
        super().__init__()
        self.k = k

    def update(self, preds: Tensor, target: Tensor, source: Tensor) -> None:  # type: ignore[override]
        """Add the sources of one batch."""
        true = target > 0
        best = _per_source(torch.where(true, preds, -torch.inf), source, "amax")
        rivals = ~true & ~(preds < best.index_select(0, source))
        hit = (_per_source(target, source) > 0) & (_per_source(rivals.float(), source) < self.k)
        super().update(hit[torch.unique(source)].float())


def log_softmax(logits: Tensor, source: Tensor) -> Tensor:
    """Log-softmax of [E] logits over the edges of each source, in float32 at least."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    shifted = logits - _per_source(logits.detach(), source, "amax").index_select(0, source)
    return shifted - _per_source(shifted.exp(), source).log().index_select(0, source)


def _per_source(values: Tensor, source: Tensor, reduce: Literal["sum", "amax"] = "sum") -> Tensor:
    """Reduce [E] values to one per source node, [max(source) + 1]; 0 (or -inf) where a source has no edge."""
    size = int(source.max()) + 1 if len(source) else 0
    start = values.new_full((size,), 0.0 if reduce == "sum" else -torch.inf)
    return start.scatter_reduce(0, source, values, reduce)
