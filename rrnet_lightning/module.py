"""RRNetModule: the network, an objective and an optimiser behind Lightning's Trainer."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import NodeStorage
from torchmetrics import MeanMetric, MetricCollection

from rrnet_lightning.checkpoints import Predictions
from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET
from rrnet_lightning.nn.layers import Kernel
from rrnet_lightning.nn.ops import Aggregation
from rrnet_lightning.nn.rrnet import PAPER_SOUND, RRNet, Unit
from rrnet_lightning.objectives import Asked, MappingObjective, Objective, RatingObjective, describe, rebuild
from rrnet_lightning.trainable import TrainableModule, wide

Scored = tuple[Tensor, Asked]  # logits of the supervised edges, and what they are


def paper_sgd(params: Any) -> torch.optim.Optimizer:
    """Return the paper's optimiser: SGD, learning rate .01, momentum .9, weight decay 5e-4."""
    return torch.optim.SGD(params, lr=0.01, momentum=0.9, weight_decay=5e-4)


class RRNetModule(TrainableModule):
    """Train, validate, test and predict with :class:`rrnet_lightning.nn.rrnet.RRNet` on cross-modal graph batches.

    Args:
        source_dim, target_dim, edge_dim, support_dim: attribute widths; the command line links them to the data.
        hidden_dim, units, kernel, aggregation, edge_state, residual, norm, dropout, prior, linear: see ``RRNet``.
        objective: what a score means; the default is a mapping by softmax over each source's candidates. A checkpoint
            keeps its class and options.
        optimizer: parameters -> optimiser. Default: the paper's SGD. It and the scheduler, given as objects, are not
            kept in checkpoints: to train on from one, give them again.
        scheduler: optimiser -> learning-rate scheduler, see :class:`TrainableModule`; None keeps the rate.
        compile: run the network through ``torch.compile`` (for full graphs: shapes of sampled batches change).

    Logs ``<stage>/loss`` and the objective's metrics, weighted by supervised edges. Metrics of several processes are
    joined before they are read. Resumed runs are exact: see :class:`Resumable`.
    """

    def __init__(
        self,
        source_dim: int,
        target_dim: int,
        edge_dim: int = 0,
        hidden_dim: int = 16,
        units: Sequence[Unit] = PAPER_SOUND,
        kernel: Kernel = "hadamard",
        aggregation: Aggregation = "mean",
        edge_state: bool = True,
        residual: bool = False,
        norm: bool = False,
        dropout: float = 0.0,
        prior: bool = False,
        linear: bool = False,
        objective: Objective | None = None,
        optimizer: OptimizerCallable = paper_sgd,
        scheduler: LRSchedulerCallable | None = None,
        compile: bool = False,
        support_dim: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.keep_plain()
        self.network = RRNet(
            source_dim,
            target_dim,
            edge_dim,
            hidden_dim,
            units,
            kernel=kernel,
            aggregation=aggregation,
            edge_state=edge_state,
            residual=residual,
            norm=norm,
            dropout=dropout,
            prior=prior,
            linear=linear,
            support_dim=support_dim,
        )
        # a checkpoint brings it as plain values
        self.objective = rebuild(objective) if isinstance(objective, Mapping) else objective or MappingObjective()
        if isinstance(objective, Objective) and "objective" not in self.hparams:
            self.hparams["objective"] = describe(objective)
        self.optimizer, self.scheduler = optimizer, scheduler
        self.metrics = nn.ModuleDict({stage: self.objective.metrics(f"{stage}/") for stage in ("val", "test")})
        # a metric, as Lightning's sync_dist rounds half the number of edges of two processes down to a whole one
        self.losses = nn.ModuleDict({stage: MeanMetric() for stage in ("val", "test")})
        if compile:
            self.network.compile(fullgraph=True)

    def setup(self, stage: str) -> None:
        """Refuse ratings that the objective cannot say.

        Raises:
            GraphError: the data's rating scale reaches outside the objective's, or with ``prior``, which is a place on
                the scale, is another one.
        """
        scale = getattr(getattr(self.trainer, "datamodule", None), "rating_scale", None)
        if scale is not None and isinstance(self.objective, RatingObjective):
            low, high = self.objective.low, self.objective.high
            fits = (low, high) == scale if self.network.prior else low <= scale[0] <= scale[1] <= high
            if not fits:
                found, wanted = (f"{ends[0]:g} to {ends[1]:g}" for ends in ((low, high), scale))
                fix = f"--data.scale [{low:g},{high:g}] if your ratings are on that scale"
                if scale[0] < scale[1]:
                    fix += f", or --model.objective.low {scale[0]:g} --model.objective.high {scale[1]:g}"
                raise GraphError.of("RatingObjective", found, f"the data's scale, {wanted}", fix)

    def forward(self, batch: HeteroData) -> Tensor:
        """Return [E] logits of the batch's inter-edges, whose numbers are first brought to the type of the weights."""
        logits: Tensor = self.network(in_type(batch, self.weight_dtype))
        return logits

    def training_step(self, batch: HeteroData, batch_idx: int) -> Tensor:
        """Return the loss on the supervised edges."""
        return self._step(batch, "train")

    def validation_step(self, batch: HeteroData, batch_idx: int) -> None:
        """Log loss and metrics."""
        self._step(batch, "val")

    def test_step(self, batch: HeteroData, batch_idx: int) -> Predictions:
        """Log loss and metrics; return the predictions as :meth:`predict_step` does."""
        scored = self._supervised(batch)
        self._step(batch, "test", scored)
        return self._rows(batch, scored)

    def _step(self, batch: HeteroData, stage: str, scored: Scored | None = None) -> Tensor:
        logits, asked = scored or self._supervised(batch)
        loss = self.objective.loss(logits, asked)
        size = len(logits)
        if stage == "train":
            self.log("train/loss", loss, batch_size=max(size, 1), on_step=False, on_epoch=True)
            return self.mean_over_processes(loss, self.objective.units(asked))
        if size or any(len(missed) for missed in asked.missed):
            metrics, mean = self.metrics[stage], self.losses[stage]
            assert isinstance(metrics, MetricCollection) and isinstance(mean, MeanMetric)
            mean.update(loss.detach(), size)
            self.log(f"{stage}/loss", mean, batch_size=max(size, 1), on_step=False, on_epoch=True)
            self.objective.update(metrics, logits.detach(), asked)
            for name, metric in metrics.items():  # log_dict, but the progress bar has no room for each direction's
                bar = name.count("/") == 1
                self.log(name, metric, batch_size=max(size, 1), on_step=False, on_epoch=True, prog_bar=bar)
        return loss

    def predict_step(self, batch: HeteroData, batch_idx: int) -> Predictions:
        """Return the supervised pairs: rows ``source`` and ``target`` in the full data, ``score``, and ``y`` (truth).

        ``y`` is NaN where the truth is not known. ``measured`` ranks as the metrics do, also where scores round to 1.
        """
        return self._rows(batch, self._supervised(batch))

    def _rows(self, batch: HeteroData, scored: Scored) -> Predictions:
        logits, asked = scored
        assert asked.rows is not None
        return {
            "source": asked.rows[0],
            "target": asked.rows[1],
            "score": self.objective.predict(logits, asked),
            "measured": self.objective.measured(logits, asked),
            "y": asked.y,
        }

    def _supervised(self, batch: HeteroData) -> Scored:
        logits = self(batch)[batch[INTER].supervised]
        dtype = wide(logits.dtype)  # bfloat16 would round ratings to other ratings
        return logits.to(dtype), asked_of(batch, dtype)


def asked_of(batch: HeteroData, dtype: torch.dtype) -> Asked:
    """Return what a batch asks, its answers as ``dtype``."""
    inter = batch[INTER]
    chosen = inter.supervised
    ends = inter.edge_index[:, chosen]
    asks, relevant = (inter[name][chosen] if name in inter else None for name in ("asks", "relevant"))
    by_class = "missed" if relevant is None else "missed_class"
    return Asked(
        ends,
        inter.y[chosen].to(dtype),
        asks,
        torch.stack([batch[SOURCE].n_id[ends[0]], batch[TARGET].n_id[ends[1]]]),
        relevant,
        tuple(_missed(batch[side], name) for side in (SOURCE, TARGET) for name in ("missed", by_class)),
    )


def _missed(store: NodeStorage, name: str) -> Tensor:
    """[N, R] ranks, -1 as padding -> [M, 2] row in the full data, rank."""
    rows: Tensor = store.n_id
    if name not in store:
        return rows.new_zeros(0, 2)
    ranks: Tensor = store[name]
    node, column = (ranks >= 0).nonzero(as_tuple=True)
    return torch.stack([rows[node], ranks[node, column]], 1)


def in_type(data: HeteroData, dtype: torch.dtype) -> HeteroData:
    """Return a graph whose floating-point fields are of one type; the given one stays as it is."""
    changed: HeteroData = copy.copy(data).apply(lambda value: value.to(dtype) if value.is_floating_point() else value)
    return changed
