"""What trained common spaces share: standardised features, a network for each table, mini-batches of known pairs."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rrnet_lightning.candidates.retrieval.linear import standardized
from rrnet_lightning.candidates.retrieval.space import SIDES, Side, Space, SpaceGenerator


class TrainedSpace(Space):
    """One network for each table, ``networks``, which a subclass makes; it reads standardised features.

    Args:
        source_dim: widths D_s and D_t.
        target_dim: see ``source_dim``.
    """

    def __init__(self, source_dim: int, target_dim: int) -> None:
        super().__init__()
        self.source_dim, self.target_dim = source_dim, target_dim
        self.networks = nn.ModuleDict()
        for side, width in (("source", source_dim), ("target", target_dim)):
            self.register_buffer(f"{side}_mean", torch.zeros(width))
            self.register_buffer(f"{side}_scale", torch.ones(width))

    def map(self, x: Tensor, side: Side) -> Tensor:
        """Return [N, H], before rows are brought to unit length."""
        mean, scale = getattr(self, f"{side}_mean"), getattr(self, f"{side}_scale")
        mapped: Tensor = self.networks[side]((x.to(mean.dtype) - mean) / scale)
        return mapped

    @torch.no_grad()
    def standardize(self, side: Side, mean: Tensor, scale: Tensor) -> None:
        """Keep mean [D] and standard deviation [D] of a table; 1 is written for the deviation of a constant column."""
        for name, value in ((f"{side}_mean", mean), (f"{side}_scale", scale)):
            getattr(self, name).copy_(value)


S = TypeVar("S", bound=TrainedSpace)


@dataclass(frozen=True, eq=False)
class Known:
    """The known pairs that a space is trained on.

    Attributes:
        x, y: [P, D_s] and [P, D_t] features of their ends. pairs: [2, P] long, rows in the tables.
        weight: [P] float, how much each counts. classes: [2, P, C] bool, of their ends; C is 0 without labels.
    """

    x: Tensor
    y: Tensor
    pairs: Tensor
    weight: Tensor
    classes: Tensor


class Plan(NamedTuple):
    """How known pairs come: how often, how many at most at a time, in random order or not, standardised or not."""

    epochs: int
    batch_size: int
    shuffle: bool = True
    standardize: bool = True


class TrainedGenerator(SpaceGenerator, Generic[S]):
    """Trains a new space in memory. Each epoch cuts the known pairs into mini-batches of about equal size."""

    @property
    @abstractmethod
    def plan(self) -> Plan:
        """How known pairs come."""

    @abstractmethod
    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> S:
        """Return networks of random weights."""

    @abstractmethod
    def optimizer(self, space: S, steps: int) -> tuple[Optimizer, LRScheduler | None]:
        """Return what takes ``steps`` steps, and what changes its rate after each."""

    @abstractmethod
    def loss(self, space: S, known: Known, rows: Tensor) -> Tensor:
        """Return the loss of a mini-batch: known pairs ``rows`` [B] long."""

    def fit_rows(self, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor, classes: Tensor, seed: int) -> Space:
        """Train new networks, on the CPU."""
        device, (x, y, pairs, weight, classes) = x.device, (part.cpu() for part in (x, y, pairs, weight, classes))
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.default_generator.manual_seed(seed)
            space = self.empty(x.size(1), y.size(1), classes.size(2))
            share = weight.double() / weight.double().sum()
            for side, rows in zip(SIDES, (x, y), strict=True):
                if self.plan.standardize:
                    mean, _, scale = standardized(rows, share, True)
                    space.standardize(side, mean, scale)
            self._train(space, Known(x, y, pairs, weight.float(), classes))
        space.zero_grad()
        return space.to(device)

    def _train(self, space: S, known: Known) -> None:
        size, plan = len(known.x), self.plan
        batches = -(-size // plan.batch_size)
        optimizer, scheduler = self.optimizer(space, plan.epochs * batches)
        space.train()
        for _ in range(plan.epochs):
            order = torch.randperm(size) if plan.shuffle else torch.arange(size)
            for rows in order.tensor_split(batches):
                loss = self.loss(space, known, rows)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if scheduler is not None:
                    scheduler.step()
