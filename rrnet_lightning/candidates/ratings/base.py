"""RatingBaseline: what all models that learn a vector for each user and item share. A model adds its equation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.ratings.tables import Table, TrainingRatings
from rrnet_lightning.checkpoints import Predictions
from rrnet_lightning.data.seeds import derive_seed
from rrnet_lightning.errors import DataError, OptionError
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET
from rrnet_lightning.metrics import rating_metrics
from rrnet_lightning.schedulers import TrainingShareLR
from rrnet_lightning.trainable import TrainableModule

Asked = tuple[Tensor, Tensor, Tensor]  # user [B], item [B], rating [B]


class RatingBaseline(TrainableModule, ABC):
    """Base of all rating models: trains, measures and predicts. A model adds its tables and its equation.

    The loss of a mini-batch is the mean squared error of its ratings + (penalties of all tables + :meth:`extra`) / R. R
    is the number of training ratings. The tables are made in :meth:`build`, the equation is :meth:`rate`.

    A model learns from the training ratings alone. It answers from its tables: ratings that a batch shows are not read.
    The datamodule's training batch is cut into mini-batches of the ratings that it asks for. Set the data's
    ``evidence: false``, so that it asks for all of them.

    Args:
        rank: width of the vectors.
        decay: weight λ of the penalties.
        batch_size: ratings in a mini-batch.
        optimizer: parameters -> optimiser.
        scheduler: optimiser -> learning-rate scheduler, see :class:`TrainableModule`; None keeps the rate.

    Logs ``train/loss`` (mean squared error, without penalties) and ``<stage>/mae``, ``<stage>/rmse``.

    Raises:
        DataError: data without ratings, more than one process, or an argument outside its values.
        OptionError: a precision of 16 bits alone, or a scheduler that watches a metric that is not there.
    """

    scale: Tensor

    def __init__(
        self,
        rank: int = 10,
        decay: float = 0.05,
        batch_size: int = 256,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        if rank < 1 or batch_size < 1 or decay < 0:
            found = f"rank {rank}, batch_size {batch_size}, decay {decay}"
            raise DataError(f"{type(self).__name__}: found {found}, wanted at least 1, 1 and 0")
        # the data's widths, which the command line adds for every model, are not this one's
        self.save_hyperparameters(ignore=["source_dim", "target_dim", "edge_dim", "support_dim"], logger=False)
        self.keep_plain()
        self.automatic_optimization = False
        self.rank, self.decay, self.batch_size = rank, decay, batch_size
        self.optimizer, self.scheduler = optimizer, scheduler
        self.metrics = nn.ModuleDict({stage: rating_metrics(f"{stage}/") for stage in ("val", "test")})
        self.num_ratings = 0

    @abstractmethod
    def build(self, train: TrainingRatings) -> None:
        """Make the tables, and all else that is computed once from the training ratings."""

    @abstractmethod
    def rate(self, user: Tensor, item: Tensor) -> Tensor:
        """Return [B] ratings of pairs, given as rows of the full data, [B] long each; not kept on the scale."""

    def extra(self) -> Tensor | float:
        """Return what the model adds to the penalties of its tables."""
        return 0.0

    def error(self, user: Tensor, item: Tensor, rating: Tensor) -> Tensor:
        """Return the mean squared error, a scalar."""
        return F.mse_loss(self.rate(user, item), rating)

    def penalty(self) -> Tensor:
        """Return all penalties, a scalar."""
        tables = [module.cost() for module in self.modules() if isinstance(module, Table)]
        return torch.stack(tables).sum() + self.extra()

    def configure_model(self) -> None:
        """Build the tables, once; their sizes are those of the trainer's data."""
        if self.num_ratings:
            return
        if self._trainer is None:
            raise DataError(f"{type(self).__name__}: found no trainer, wanted one with the data it was trained on")
        if self.trainer.world_size > 1:
            raise DataError(
                f"devices: found {self.trainer.world_size} processes, wanted 1: mini-batches follow in turn"
            )
        if self.trainer.precision in ("16-true", "bf16-true"):
            raise OptionError(
                f"--trainer.precision: found {self.trainer.precision}, wanted 32-true, 64-true or a mixed one: "
                f"{type(self).__name__} adds up terms that half precision rounds away"
            )
        train = TrainingRatings.of(getattr(self.trainer, "datamodule", None))
        self.build(train)
        self.register_buffer("scale", torch.tensor(train.scale), persistent=False)
        self.num_ratings = len(train.rating)

    def forward(self, batch: HeteroData) -> Tensor:
        """Return [E] ratings of the batch's inter-edges, kept on the scale."""
        user, item = batch[INTER].edge_index
        return self.rate(batch[SOURCE].n_id[user], batch[TARGET].n_id[item]).clamp(*self.scale)

    def training_step(self, batch: HeteroData, batch_idx: int) -> None:
        """Go once through the batch's supervised ratings, in an order that seed and step alone decide."""
        optimizer: Any = self.optimizers()
        ratings = self._asked(batch)
        seed = derive_seed(torch.initial_seed(), self.global_step)
        loss, size = self._pass(ratings, optimizer, self.manual_backward, seed), max(len(ratings[2]), 1)
        self.log("train/loss", loss, batch_size=size, on_step=False, on_epoch=True)

    def learn(self, train: TrainingRatings, epochs: int, seed: int) -> None:
        """Build the tables and fit them without a trainer. The same seed gives the same model."""
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.default_generator.manual_seed(seed)
            self.build(train)
            self.num_ratings = len(train.rating)
            optimizer = self.optimizer(self.parameters())
            scheduler: Any = self.scheduler(optimizer) if self.scheduler else None
            if isinstance(scheduler, TrainingShareLR):
                scheduler.start(epochs)
            for epoch in range(epochs):
                asked = train.user, train.item, train.rating
                loss = self._pass(asked, optimizer, Tensor.backward, derive_seed(seed, epoch))
                _step(scheduler, {"train/loss": loss})

    def _pass(self, ratings: Asked, optimizer: Any, backward: Callable[[Tensor], None], seed: int) -> Tensor:
        """Step once through the mini-batches; return the mean squared error on the way."""
        user, item, rating = ratings
        order = torch.randperm(len(rating), generator=torch.Generator().manual_seed(seed)).to(rating.device)
        total = torch.zeros((), device=rating.device)
        with torch.autocast(rating.device.type, enabled=False):  # sums of many small terms
            for rows in order.split(self.batch_size):
                error = self.error(user[rows], item[rows], rating[rows])
                optimizer.zero_grad()
                backward(error + self.penalty() / self.num_ratings)
                optimizer.step()
                total += error.detach() * len(rows)
        return total / max(len(rating), 1)

    def on_train_epoch_end(self) -> None:
        """Step the scheduler, which Lightning leaves to modules that step their own optimiser."""
        _step(self.lr_schedulers(), self.trainer.callback_metrics)

    def validation_step(self, batch: HeteroData, batch_idx: int) -> None:
        """Log the metrics."""
        self._evaluate(batch, "val")

    def test_step(self, batch: HeteroData, batch_idx: int) -> Predictions:
        """Log the metrics; return the predictions as :meth:`predict_step` does."""
        return self._evaluate(batch, "test")

    def predict_step(self, batch: HeteroData, batch_idx: int) -> Predictions:
        """Return the supervised pairs, rows of the full data, with ``score`` and ``y``, the truth (NaN: not known)."""
        user, item, rating = self._asked(batch)
        with torch.autocast(rating.device.type, enabled=False):
            rated = self.rate(user, item).clamp(*self.scale)
        return {"source": user, "target": item, "score": rated, "y": rating}

    def _evaluate(self, batch: HeteroData, stage: str) -> Predictions:
        rows, metrics = self.predict_step(batch, 0), self._metrics(stage)
        if len(rows["y"]):
            metrics.update(preds=rows["score"], target=rows["y"], source=rows["source"])
            self.log_dict(metrics, batch_size=len(rows["y"]), on_step=False, on_epoch=True, prog_bar=True)
        return rows

    def _asked(self, batch: HeteroData) -> Asked:
        """Users and items of the supervised edges, as rows of the full data, and their ratings."""
        inter = batch[INTER]
        user, item = inter.edge_index[:, inter.supervised]
        rating = inter.y[inter.supervised].to(self.scale.dtype)
        return batch[SOURCE].n_id[user], batch[TARGET].n_id[item], rating

    def _metrics(self, stage: str) -> Any:
        return self.metrics[stage]


def _step(scheduler: Any, metrics: Mapping[str, Tensor]) -> None:
    """Step a scheduler, if there is one, after an epoch; one that watches a metric is told it."""
    if not isinstance(scheduler, ReduceLROnPlateau):
        if scheduler is not None:
            scheduler.step()
        return
    monitor = getattr(scheduler, "monitor", "none")
    if monitor not in metrics:
        raise OptionError(f"scheduler: found monitor {monitor}, wanted one of {', '.join(metrics)}")
    scheduler.step(metrics[monitor].item())
