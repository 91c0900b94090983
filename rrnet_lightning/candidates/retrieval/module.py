"""DualEncoderModule: the dual encoder for the command line, trained on paired mini-batches."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from rrnet_lightning.candidates.retrieval.contrast import info_nce, known_in_batch
from rrnet_lightning.candidates.retrieval.dual_encoder import DualEncoderSpace
from rrnet_lightning.candidates.retrieval.space_module import Batch, SpaceModule
from rrnet_lightning.schedulers import WarmupCosineLR


def adamw(params: Any) -> torch.optim.Optimizer:
    """Return AdamW, learning rate .003, as :class:`.dual_encoder.DualEncoder` uses it."""
    return torch.optim.AdamW(params, lr=3e-3)


class DualEncoderModule(SpaceModule):
    """A :class:`SpaceModule` of a :class:`DualEncoderSpace`.

    The loss is :func:`.contrast.info_nce`; what :func:`.contrast.known_in_batch` finds is no negative.

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

    Raises:
        DataError: an option outside its values, or features of another width.
    """

    space: DualEncoderSpace

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
        space = DualEncoderSpace(source_dim, target_dim, hidden, dim, dropout, temperature, learn_temperature)
        self.weight_decay = weight_decay
        self.prepare(space, optimizer, scheduler)

    def trained_parameters(self) -> Iterable[Any]:
        """Return the parameters in two groups; those of one dimension get no weight decay."""
        return self.space.parameter_groups(self.weight_decay)

    def learn(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return the contrastive loss, and the ends of the pairs."""
        source, target, *rows = batch[:4]
        ends = self.space.source(source), self.space.target(target)
        with torch.autocast(source.device.type, enabled=False):
            return info_nce(*ends, self.space.temperature, known_in_batch(*rows)), *ends
