"""RRNetModule: the network, an objective and an optimiser behind Lightning's Trainer."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torchmetrics import MeanMetric, Metric, MetricCollection

from rrnet_lightning.checkpoints import Predictions, Resumable
from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET
from rrnet_lightning.nn.layers import Kernel
from rrnet_lightning.nn.ops import Aggregation
from rrnet_lightning.nn.rrnet import PAPER_SOUND, RRNet, Unit
from rrnet_lightning.objectives import MappingObjective, Objective, RatingObjective

Scored = tuple[Tensor, Tensor, Tensor]  # logits, y and source of the supervised edges


def paper_sgd(params: Any) -> torch.optim.Optimizer:
    """Return the paper's optimiser: SGD, learning rate .01, momentum .9, weight decay 5e-4."""
    return torch.optim.SGD(params, lr=0.01, momentum=0.9, weight_decay=5e-4)


class RRNetModule(Resumable):
    """Train, validate, test and predict with :class:`rrnet_lightning.nn.rrnet.RRNet` on cross-modal graph batches.

    Args:
        source_dim, target_dim, edge_dim: attribute widths; the command line links them to the data.
        hidden_dim, units, kernel, aggregation, edge_state, residual, norm, dropout, prior, linear: see ``RRNet``.
        objective: what a score means; the default is a mapping by softmax over each source's candidates.
        optimizer: parameters -> optimiser. Default: the paper's SGD.
        scheduler: optimiser -> learning-rate scheduler, stepped every epoch; None keeps the rate.
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
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        _keep_plain(self.hparams)
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
        )
        self.objective = objective or MappingObjective()
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
        """Return [E] logits of the batch's inter-edges."""
        logits: Tensor = self.network(batch)
        return logits

    def training_step(self, batch: HeteroData, batch_idx: int) -> Tensor:
        """Return the loss on the supervised edges."""
        return self._step(batch, "train")

    def validation_step(self, batch: HeteroData, batch_idx: int) -> None:
        """Log loss and metrics."""
        self._step(batch, "val")

    def on_validation_epoch_start(self) -> None:
        """Start the metrics anew: ``validate`` leaves them in inference tensors, which ``fit`` may not write to."""
        for metric in (*self.metrics["val"].children(), self.losses["val"]):
            assert isinstance(metric, Metric)
            metric.reset()

    def test_step(self, batch: HeteroData, batch_idx: int) -> Predictions:
        """Log loss and metrics; return the predictions as :meth:`predict_step` does."""
        scored = self._supervised(batch)
        self._step(batch, "test", scored)
        return self._rows(batch, scored)

    def _step(self, batch: HeteroData, stage: str, scored: Scored | None = None) -> Tensor:
        logits, y, source = scored or self._supervised(batch)
        loss = self.objective.loss(logits, y, source)
        size = len(y)
        if stage == "train":
            self.log("train/loss", loss, batch_size=max(size, 1), on_step=False, on_epoch=True)
        elif size:
            metrics, mean = self.metrics[stage], self.losses[stage]
            assert isinstance(metrics, MetricCollection) and isinstance(mean, MeanMetric)
            mean.update(loss.detach(), size)
            self.log(f"{stage}/loss", mean, batch_size=size, on_step=False, on_epoch=True)
            metrics.update(preds=self.objective.measured(logits.detach(), source), target=y, source=source)
            self.log_dict(metrics, batch_size=size, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def predict_step(self, batch: HeteroData, batch_idx: int) -> Predictions:
        """Return the supervised pairs: rows ``source`` and ``target`` in the full data, ``score``, and ``y`` (truth).

        ``y`` is NaN where the truth is not known.
        """
        return self._rows(batch, self._supervised(batch))

    def _rows(self, batch: HeteroData, scored: Scored) -> Predictions:
        logits, y, source = scored
        target = batch[INTER].edge_index[1, batch[INTER].supervised]
        return {
            "source": batch[SOURCE].n_id[source],
            "target": batch[TARGET].n_id[target],
            "score": self.objective.predict(logits, source),
            "y": y,
        }

    def _supervised(self, batch: HeteroData) -> Scored:
        inter = batch[INTER]
        chosen = inter.supervised
        return self(batch)[chosen], inter.y[chosen], inter.edge_index[0, chosen]

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the scheduler where one is asked for."""
        try:
            optimizer = self.optimizer(self.parameters())
        except (TypeError, ValueError) as error:
            raise MisconfigurationException(f"optimizer: {error}. Correct --model.optimizer") from error
        if self.scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "epoch"}}


def _keep_plain(hparams: Any) -> None:
    """Drop hyper-parameters that are objects: a checkpoint holds plain values and loads with ``weights_only=True``.

    The command line saves configuration, which is plain; a module built in Python with objects of its own is given them
    again: ``load_from_checkpoint(path, objective=...)``.
    """
    plain = (bool, int, float, str, list, tuple, dict, type(None))
    for name in [name for name, value in hparams.items() if not isinstance(value, plain)]:
        del hparams[name]
