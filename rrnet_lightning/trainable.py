"""TrainableModule: what all LightningModules here share: optimiser, scheduler, metrics, precision, processes."""

import copy
import math
from collections.abc import Iterable
from typing import Any, Self

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import Metric

from rrnet_lightning.checkpoints import Resumable
from rrnet_lightning.schedulers import TrainingShareLR

PLAIN = (bool, int, float, str, list, tuple, dict, type(None))


class TrainableModule(Resumable):
    """A module whose optimiser and scheduler are made by callables that a user gives, in Python or in a config.

    Torch's schedulers are stepped after every epoch. One that watches a metric names it by an attribute ``monitor``, as
    ``lightning.pytorch.cli.ReduceLROnPlateau`` does. Those of :mod:`rrnet_lightning.schedulers` are told how long the
    training is, and stepped after every step of the optimiser (after every epoch where a module steps its own).

    Metrics are kept in float32 at least, whatever the precision.

    Attributes:
        optimizer: parameters -> optimiser.
        scheduler: optimiser -> scheduler; None keeps the rate. Both are needed for training alone.
    """

    optimizer: OptimizerCallable
    scheduler: LRSchedulerCallable | None

    @property
    def weight_dtype(self) -> torch.dtype:
        """Type of the weights, which the trainer's precision chooses."""
        assert isinstance(self.dtype, torch.dtype)
        return self.dtype

    def trained_parameters(self) -> Iterable[Any]:
        """Return what the optimiser is made for: parameters, or groups of them."""
        return self.parameters()

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the scheduler where one is asked for.

        Raises:
            MisconfigurationException: the optimiser or the scheduler refuses its options, or has none that it needs.
        """
        optimizer = self.make_optimizer()
        if self.scheduler is None:
            return optimizer
        scheduler = self.make_scheduler(optimizer)
        by_step = isinstance(scheduler, TrainingShareLR) and self.automatic_optimization
        if isinstance(scheduler, TrainingShareLR):
            epochs = self.trainer.max_epochs or -1
            steps = self.trainer.estimated_stepping_batches if by_step else epochs if epochs > 0 else math.inf
            if math.isinf(steps):
                raise MisconfigurationException("scheduler: training has no end. Set --trainer.max_epochs")
            scheduler.start(steps)
        config = {"scheduler": scheduler, "interval": "step" if by_step else "epoch"}
        monitor = getattr(scheduler, "monitor", None)
        return {"optimizer": optimizer, "lr_scheduler": config | ({"monitor": monitor} if monitor else {})}

    def make_optimizer(self) -> Optimizer:
        """Return the optimiser of :meth:`trained_parameters`."""
        try:
            return self.optimizer(self.trained_parameters())
        except (TypeError, ValueError) as error:
            raise MisconfigurationException(f"optimizer: {error}. Correct --model.optimizer") from error

    def make_scheduler(self, optimizer: Optimizer) -> Any:
        """Return the scheduler; one is asked for."""
        assert self.scheduler is not None
        try:
            scheduler = self.scheduler(optimizer)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise MisconfigurationException(f"scheduler: {error}. Correct --model.scheduler") from error
        if isinstance(scheduler, ReduceLROnPlateau) and not getattr(scheduler, "monitor", None):
            raise MisconfigurationException(
                "scheduler: found torch's ReduceLROnPlateau, which does not say what it watches. Use "
                "lightning.pytorch.cli.ReduceLROnPlateau with monitor, val/loss for instance"
            )
        return scheduler

    def on_validation_epoch_start(self) -> None:
        """Start the metrics anew: ``validate`` leaves them in inference tensors, which ``fit`` may not write to."""
        self._reset_metrics()

    def on_test_epoch_start(self) -> None:
        """Start the metrics anew."""
        self._reset_metrics()

    def _reset_metrics(self) -> None:
        for module in self.modules():
            if isinstance(module, Metric):
                module.to(wide(self.weight_dtype))  # a half-precision trainer narrows them too: bfloat16 counts to 256
                module.reset()

    def mean_over_processes(self, loss: Tensor, count: int | Tensor) -> Tensor:
        """Scale a mean over ``count`` units so that several processes follow the mean over the units of all.

        Their gradients are averaged as if all had the same number of units. In one process nothing changes.
        """
        if self._trainer is None or self.trainer.world_size == 1:
            return loss
        own = torch.as_tensor(count, device=loss.device)
        total = self.trainer.strategy.reduce(own.clone(), reduce_op="sum")
        assert isinstance(total, Tensor)
        return loss * (own * self.trainer.world_size / total.clamp(min=1))

    def keep_plain(self) -> None:
        """Drop hyper-parameters that are objects: a checkpoint holds plain values and loads with ``weights_only``.

        What the command line saves is configuration, which is plain.
        """
        for name in [name for name, value in self.hparams.items() if not isinstance(value, PLAIN)]:
            del self.hparams[name]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy all but the optimiser's and the scheduler's makers: the command line's hold on to the whole of it."""
        memo |= {id(maker): maker for name in ("optimizer", "scheduler") if (maker := vars(self).get(name))}
        new = type(self).__new__(type(self))
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return new


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the type that losses and metrics are computed in: float32 at least."""
    return torch.promote_types(dtype, torch.float32)
