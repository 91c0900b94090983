"""DualEncoderModule: the dual encoder for the command line, trained on paired mini-batches."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanMetric

from rrnet_lightning.candidates.retrieval.contrast import info_nce, known_in_batch
from rrnet_lightning.candidates.retrieval.dual_encoder import DualEncoderSpace
from rrnet_lightning.checkpoints import Predictions
from rrnet_lightning.schedulers import WarmupCosineLR
from rrnet_lightning.trainable import TrainableModule

Pairs = tuple[Tensor, Tensor, Tensor, Tensor]  # source_x [B, D_s], target_x [B, D_t], source_row [B], target_row [B]
PREDICTED = 100
"""Best targets of a source that ``predict`` keeps."""


def adamw(params: Any) -> torch.optim.Optimizer:
    """Return AdamW, learning rate .003, as :class:`.dual_encoder.DualEncoder` uses it."""
    return torch.optim.AdamW(params, lr=3e-3)


class DualEncoderModule(TrainableModule):
    """Train, validate, test and predict with a :class:`DualEncoderSpace` on batches of known pairs.

    A batch is ``(source_x, target_x, source_row, target_row)``: features of both ends of B pairs, and their rows in the
    two tables. The loss is :func:`.contrast.info_nce`; what :func:`.contrast.known_in_batch` finds is no negative.
    ``predict`` takes batches of B sources and M targets, and keeps the 100 best targets of each source.

    Before the first step the training batches are read once for the mean and the deviation of every feature, which are
    kept with the weights. A run that starts from a checkpoint has them already.

    Args:
        source_dim: widths D_s and D_t of the features.
        target_dim: see ``source_dim``.
        hidden: see :class:`DualEncoderSpace`.
        dim: see ``hidden``.
        dropout: see ``hidden``.
        temperature: see ``hidden``.
        learn_temperature: see ``hidden``.
        weight_decay: of the weight matrices; biases and temperature have none.
        optimizer: parameters -> optimiser.
        scheduler: optimiser -> learning-rate scheduler, see :class:`TrainableModule`; None keeps the rate.

    Logs ``train/loss`` and ``val|test/{loss,recall@1}``: the share of a batch's sources and targets, both ways, whose
    best other end in the batch is known to be theirs. It depends on the batch size; ``search.rank_of`` does not.

    Raises:
        DataError: an option outside its values, or features of another width.
    """

    standardized: Tensor

    def __init__(
        self,
        source_dim: int,
        target_dim: int,
        hidden: int = 512,
        dim: int = 128,
        dropout: float = 0.1,
        temperature: float = 0.1,
        learn_temperature: bool = False,
        weight_decay: float = 1e-2,
        optimizer: OptimizerCallable = adamw,
        scheduler: LRSchedulerCallable | None = WarmupCosineLR,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.keep_plain()
        self.space = DualEncoderSpace(source_dim, target_dim, hidden, dim, dropout, temperature, learn_temperature)
        self.optimizer, self.scheduler, self.weight_decay = optimizer, scheduler, weight_decay
        self.register_buffer("standardized", torch.tensor(False))
        stages = ("val", "test")
        self.losses = nn.ModuleDict({stage: MeanMetric() for stage in stages})
        self.recall = nn.ModuleDict({stage: MeanMetric() for stage in stages})

    def trained_parameters(self) -> Iterable[Any]:
        """Return the parameters in two groups; those of one dimension get no weight decay."""
        return self.space.parameter_groups(self.weight_decay)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the scores of all pairs of source features [N, D_s] and target features [M, D_t]: [N, M]."""
        return self.space.source(source) @ self.space.target(target).T

    def on_train_start(self) -> None:
        """Read mean and deviation of the features from the training batches, if no checkpoint brought them."""
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

    def training_step(self, batch: Pairs, batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        loss, _ = self._loss(batch)
        size = len(batch[0])
        self.log("train/loss", loss, batch_size=size, on_step=False, on_epoch=True, prog_bar=True)
        return self.mean_over_processes(loss, size)

    def validation_step(self, batch: Pairs, batch_idx: int) -> None:
        """Log the metrics."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Pairs, batch_idx: int) -> None:
        """Log the metrics."""
        self._evaluate(batch, "test")

    def predict_step(self, batch: Pairs, batch_idx: int) -> Predictions:
        """Return the best targets of each source: their rows, the cosine as ``score``, and ``y``, which is unknown."""
        source, target, source_row, target_row = batch
        score, column = self(source, target).float().topk(min(PREDICTED, len(target)), dim=1)
        rows = source_row[:, None].expand_as(column).reshape(-1)
        score = score.reshape(-1)
        found = {"source": rows, "target": target_row[column].reshape(-1), "score": score}
        return {**found, "y": torch.full_like(score, torch.nan)}

    def _loss(self, batch: Pairs) -> tuple[Tensor, Tensor]:
        """Return the loss and, for each way and pair, whether the best in the batch is known, [2, B]."""
        source, target, *rows = batch
        known, ends = known_in_batch(*rows), (self.space.source(source), self.space.target(target))
        with torch.autocast(source.device.type, enabled=False):
            loss = info_nce(*ends, self.space.temperature, known)
            scores = ends[0].detach().float() @ ends[1].detach().float().T
        hits = [mask.gather(1, way.argmax(1, keepdim=True)) for mask, way in ((known, scores), (known.T, scores.T))]
        return loss, torch.cat(hits, 1).T.float()

    def _evaluate(self, batch: Pairs, stage: str) -> None:
        loss, hits = self._loss(batch)
        losses, recall, size = self.losses[stage], self.recall[stage], len(batch[0])
        assert isinstance(losses, MeanMetric) and isinstance(recall, MeanMetric)
        losses.update(loss, size)
        recall.update(hits)
        logged = {f"{stage}/loss": losses, f"{stage}/recall@1": recall}
        self.log_dict(logged, batch_size=size, on_step=False, on_epoch=True, prog_bar=True)


def moments(batches: Iterable[Pairs], source_dim: int, target_dim: int) -> Tensor:
    """Return count, sum and sum of squares of every feature, source before target: [3, D_s + D_t] float64."""
    sums = torch.zeros(3, source_dim + target_dim, dtype=torch.float64)
    for source, target, *_ in batches:
        ends = torch.cat([source.detach().cpu(), target.detach().cpu()], 1).double()
        sums += torch.stack([torch.full_like(ends[0], len(ends)), ends.sum(0), ends.square().sum(0)])
    return sums
