"""What a batch asks, and what an objective says of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from rrnet_lightning.errors import CheckpointError


@dataclass(frozen=True)
class Asked:
    """The supervised inter-edges of a batch.

    All supervised edges of a source are in one batch; those of a target may be spread over several.

    Shapes:
        ends: [2, E] long, source and target nodes of the batch. y: [E] float, what the edge's score should say.
        asks: [E, 2] bool, the edge's source asks it, its target does; None: both ask all edges.
        rows: [2, E] long, the ends as rows of the full data; None: the nodes are the rows.
        relevant: [E] bool, the two share a class; None: where y > 0.
        missed: four of [M, 2] long, row of a query and rank of a relevant item that is no candidate: of sources by
            pair, of sources by class, of targets by pair, of targets by class; empty: there are none.
    """

    ends: Tensor
    y: Tensor
    asks: Tensor | None = None
    rows: Tensor | None = None
    relevant: Tensor | None = None
    missed: tuple[Tensor, ...] = ()


class Objective(nn.Module, ABC):
    """Loss, metrics and readout over the supervised inter-edges of a batch.

    Shapes of every method:
        logits: [E] float, of the edges that ``asked`` describes.
    """

    @abstractmethod
    def loss(self, logits: Tensor, asked: Asked) -> Tensor:
        """Return the mean loss, a scalar; zero (with a gradient) where there is nothing to learn from."""

    def units(self, asked: Asked) -> Tensor:
        """Return how many units :meth:`loss` is the mean of, a scalar: edges, unless an objective says otherwise."""
        return torch.tensor(len(asked.y), device=asked.y.device)

    def options(self) -> dict[str, Any] | None:
        """Return the plain arguments that make this objective anew; None where a checkpoint cannot hold them."""
        return None

    @abstractmethod
    def predict(self, logits: Tensor, asked: Asked) -> Tensor:
        """Return [E] scores as a user reads them: probabilities, or ratings on the data's scale. Reads no answer."""

    @abstractmethod
    def metrics(self, prefix: str) -> MetricCollection:
        """Return fresh metrics, for :meth:`update`."""

    def measured(self, logits: Tensor, asked: Asked) -> Tensor:
        """Return the [E] scores that the metrics read: those of :meth:`predict`. Reads no answer."""
        return self.predict(logits, asked)

    def update(self, metrics: MetricCollection, logits: Tensor, asked: Asked) -> None:
        """Add a batch to what :meth:`metrics` returned."""
        metrics.update(preds=self.measured(logits, asked), target=asked.y, source=asked.ends[0])


def describe(objective: Objective) -> dict[str, Any]:
    """Return an objective's class and options as plain values, as a config says them, for a checkpoint to hold."""
    return {"class_path": _path(type(objective)), "init_args": objective.options()}


def rebuild(described: Mapping[str, Any]) -> Objective:
    """Return the objective that :func:`describe` described. A class of your own must have been imported.

    Raises:
        CheckpointError: it is not known here, or the checkpoint could not hold its options.
    """
    name, options = described["class_path"], described.get("init_args", {})
    classes = _subclasses(Objective)
    known = {path: cls for cls in classes for path in (_path(cls), f"{cls.__module__}.{cls.__qualname__}")}
    if name not in known or options is None:
        found = "which does not say its options()" if name in known else "which is not imported"
        raise CheckpointError(
            f"objective: found {name}, {found}, wanted one that can be made anew. Give it: "
            "load_from_checkpoint(path, objective=...)"
        )
    objective: Objective = known[name](**options)
    return objective


def _path(cls: type[Any]) -> str:
    """Where a class is imported from; ours from the package, in whichever file of it they are."""
    package = __name__.rpartition(".")[0]
    module = package if cls.__module__.startswith(f"{package}.") else cls.__module__
    return f"{module}.{cls.__qualname__}"


def _subclasses(cls: type[Any]) -> list[type[Any]]:
    return [found for sub in cls.__subclasses__() for found in (sub, *_subclasses(sub))]
