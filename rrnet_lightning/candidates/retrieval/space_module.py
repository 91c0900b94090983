"""SpaceModule: what modules share that train a common space on paired mini-batches."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanMetric

from rrnet_lightning.candidates.retrieval.contrast import known_in_batch
from rrnet_lightning.candidates.retrieval.trained import TrainedSpace
from rrnet_lightning.checkpoints import Predictions
from rrnet_lightning.trainable import TrainableModule

Batch = Sequence[Tensor]  # source_x [B, D_s], target_x [B, D_t], source_row [B], target_row [B], and classes, if any
PREDICTED = 100
"""Best targets of a source that ``predict`` keeps."""


class SpaceModule(TrainableModule, ABC):
    """Train, validate, test and predict with a :class:`.trained.TrainedSpace` on batches of known pairs.

    A batch is ``(source_x, target_x, source_row, target_row, ...)``: features of both ends of B pairs, their rows in
    the two tables, and what else a subclass reads. ``predict`` takes batches of B sources and M targets, and keeps the
    100 best targets of each source.

    Before the first step the training batches are read once for the mean and the deviation of every feature, which are
    kept with the weights. A run that starts from a checkpoint has them already.

    Logs ``train/loss`` and ``val|test/{loss,recall@1}``: the share of a batch's sources and targets, both ways, whose
    best other end in the batch is known to be theirs. It depends on the batch size; ``search.rank_of`` does not.
    """

    space: TrainedSpace
    standardized: Tensor
    measured: ClassVar[tuple[str, ...]] = ("recall@1",)
    """Names of what :meth:`measure` returns."""

    def prepare(
        self,
        space: TrainedSpace,
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None,
        standardize: bool = True,
    ) -> None:
        """Keep what is trained and how; ``standardize``: features are standardised over the training pairs."""
        self.space, self.optimizer, self.scheduler = space, optimizer, scheduler
        self.register_buffer("standardized", torch.tensor(not standardize))
        names = ("loss", *self.measured)
        stages = {stage: nn.ModuleDict({name: MeanMetric() for name in names}) for stage in ("val", "test")}
        self.metrics = nn.ModuleDict(stages)

    @abstractmethod
    def learn(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss of a batch and the ends of its pairs in the space, [B, H] each, of unit length."""

    def measure(self, batch: Batch, scores: Tensor) -> dict[str, Tensor]:
        """Return metrics, values of any shape to take the mean of, from the scores [B, B] of a batch's ends."""
        known = known_in_batch(batch[2], batch[3])
        ways = (known, scores), (known.T, scores.T)
        return {"recall@1": torch.stack([mask.gather(1, way.argmax(1, keepdim=True)) for mask, way in ways]).float()}

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the scores of all pairs of source features [N, D_s] and target features [M, D_t]: [N, M]."""
        return self.space.source(source) @ self.space.target(target).T

    def on_train_start(self) -> None:
        """Read mean and deviation of the features from the training batches, if wanted and not from a checkpoint."""
        if bool(self.standardized):
            return
        with torch.random.fork_rng(devices=[]):
            sums = moments(self.trainer.train_dataloader or (), self.space.source_dim, self.space.target_dim)
        total = self.trainer.strategy.reduce(sums.to(self.device), reduce_op="sum")
        assert isinstance(total, Tensor)
        count, first, second = total[0, :1], *total[1:].double()
        mean = first / count
        spread = (second / count - mean.square()).clamp(min=0).sqrt()
        scale = torch.where(spread <= 1e-6 * mean.abs(), 1.0, spread)
        cut = self.space.source_dim
        self.space.standardize("source", mean[:cut], scale[:cut])
        self.space.standardize("target", mean[cut:], scale[cut:])
        self.standardized.fill_(True)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        loss, _, _ = self.learn(batch)
        size = len(batch[0])
        self.log("train/loss", loss, batch_size=size, on_step=False, on_epoch=True, prog_bar=True)
        return self.mean_over_processes(loss, size)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the metrics."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the metrics."""
        self._evaluate(batch, "test")

    def predict_step(self, batch: Batch, batch_idx: int) -> Predictions:
        """Return the best targets of each source: their rows, the cosine as ``score``, and ``y``, which is unknown."""
        source, target, source_row, target_row = batch[:4]
        score, column = self(source, target).float().topk(min(PREDICTED, len(target)), dim=1)
        rows = source_row[:, None].expand_as(column).reshape(-1)
        score = score.reshape(-1)
        found = {"source": rows, "target": target_row[column].reshape(-1), "score": score}
        return {**found, "y": torch.full_like(score, torch.nan)}

    def _evaluate(self, batch: Batch, stage: str) -> None:
        loss, source, target = self.learn(batch)
        with torch.autocast(source.device.type, enabled=False):
            found = self.measure(batch, source.detach().float() @ target.detach().float().T)
        metrics, size = self.metrics[stage], len(batch[0])
        assert isinstance(metrics, nn.ModuleDict)
        for name, value in (found | {"loss": loss.detach().expand(size)}).items():
            metric = metrics[name]
            assert isinstance(metric, MeanMetric)
            metric.update(value)
            self.log(f"{stage}/{name}", metric, batch_size=size, on_step=False, on_epoch=True, prog_bar=True)


def moments(batches: Iterable[Batch], source_dim: int, target_dim: int) -> Tensor:
    """Return count, sum and sum of squares of every feature, source before target: [3, D_s + D_t] float64."""
    sums = torch.zeros(3, source_dim + target_dim, dtype=torch.float64)
    for source, target, *_ in batches:
        ends = torch.cat([source.detach().cpu(), target.detach().cpu()], 1).double()
        sums += torch.stack([torch.full_like(ends[0], len(ends)), ends.sum(0), ends.square().sum(0)])
    return sums
