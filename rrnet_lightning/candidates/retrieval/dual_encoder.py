"""Dual encoder: one small network for each table, trained so that known pairs meet in the common space."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rrnet_lightning.candidates.retrieval.contrast import info_nce, known_by
from rrnet_lightning.candidates.retrieval.trained import Known, Plan, TrainedGenerator, TrainedSpace
from rrnet_lightning.errors import DataError
from rrnet_lightning.schedulers import WarmupCosineLR


class DualEncoderSpace(TrainedSpace):
    """Two networks that do not share weights: standardise, Linear, GELU, dropout, Linear.

    Args:
        source_dim: widths D_s and D_t.
        target_dim: see ``source_dim``.
        hidden: width of the hidden layers.
        dim: H.
        dropout: share of the hidden units, and of the input, that are dropped in training.
        temperature: τ of the loss, or where it starts.
        learn_temperature: whether τ is learnt, too.

    Raises:
        DataError: an option outside its values.
    """

    def __init__(
        self,
        source_dim: int,
        target_dim: int,
        hidden: int = 512,
        dim: int = 128,
        dropout: float = 0.1,
        temperature: float = 0.1,
        learn_temperature: bool = False,
    ) -> None:
        super().__init__(source_dim, target_dim)
        if min(source_dim, target_dim, hidden, dim) < 1 or not 0 <= dropout < 1 or temperature < 0.01:
            found = f"hidden {hidden}, dim {dim}, dropout {dropout}, temperature {temperature}"
            raise DataError(f"DualEncoder: found {found}, wanted at least 1, at least 1, 0 to below 1, at least .01")
        for side, width in (("source", source_dim), ("target", target_dim)):
            layers = nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
            self.networks[side] = nn.Sequential(nn.Dropout(dropout), *layers)
        start = torch.tensor(temperature).log()
        self.log_temperature = nn.Parameter(start, requires_grad=learn_temperature)

    @property
    def temperature(self) -> Tensor:
        """Temperature τ of the loss, a scalar; at least .01, so that it cannot run away."""
        return self.log_temperature.exp().clamp(min=0.01)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        """Return what is learnt in two groups; parameters of one dimension and τ get no weight decay."""
        learnt = [parameter for parameter in self.parameters() if parameter.requires_grad]
        decayed = {"params": [p for p in learnt if p.dim() > 1], "weight_decay": weight_decay}
        return [decayed, {"params": [p for p in learnt if p.dim() < 2], "weight_decay": 0.0}]


@dataclass
class DualEncoder(TrainedGenerator[DualEncoderSpace]):
    """Fits a :class:`DualEncoderSpace` in memory, by AdamW on :func:`.contrast.info_nce` over in-batch negatives.

    No known pair serves as a negative. Each epoch cuts the pairs into mini-batches of about equal size, at random. The
    rate falls along half a cosine wave. The defaults were chosen by recall@1 on validation pairs of halves of digits;
    more dropout ranks better by class there. Cost: epochs · P · hidden · (D_s + D_t + 2 dim) multiplications.

    Args:
        hidden: see :class:`DualEncoderSpace`.
        dim: see ``hidden``.
        dropout: see ``hidden``.
        temperature: see ``hidden``.
        learn_temperature: see ``hidden``.
        epochs: passes over the known pairs.
        batch_size: pairs in a mini-batch, at most; each pair's negatives are in it.
        lr: of AdamW.
        weight_decay: see ``lr``.

    Raises:
        DataError: an option outside its values.
    """

    hidden: int = 512
    dim: int = 128
    dropout: float = 0.1
    temperature: float = 0.1
    learn_temperature: bool = False
    epochs: int = 60
    batch_size: int = 128
    lr: float = 3e-3
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2 or self.lr <= 0 or self.weight_decay < 0:
            found = (
                f"epochs {self.epochs}, batch_size {self.batch_size}, lr {self.lr}, weight_decay {self.weight_decay}"
            )
            raise DataError(f"DualEncoder: found {found}, wanted at least 1, at least 2, above 0, at least 0")
        with torch.random.fork_rng(devices=[]):
            self.empty(1, 1)

    @property
    def plan(self) -> Plan:
        """Epochs and mini-batches, in random order."""
        return Plan(self.epochs, self.batch_size)

    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> DualEncoderSpace:
        """Return networks of random weights."""
        options = self.hidden, self.dim, self.dropout, self.temperature, self.learn_temperature
        return DualEncoderSpace(source_dim, target_dim, *options).eval()

    def optimizer(self, space: DualEncoderSpace, steps: int) -> tuple[Optimizer, LRScheduler]:
        """Return AdamW, whose rate falls along half a cosine wave."""
        optimizer = torch.optim.AdamW(space.parameter_groups(self.weight_decay), lr=self.lr)
        scheduler = WarmupCosineLR(optimizer)
        scheduler.start(steps)
        return optimizer, scheduler

    def loss(self, space: DualEncoderSpace, known: Known, rows: Tensor) -> Tensor:
        """Return the contrastive loss; no known pair is a negative."""
        mask = known_by(known.pairs, *known.pairs[:, rows])
        ends = space.source(known.x[rows]), space.target(known.y[rows])
        return info_nce(*ends, space.temperature, mask, known.weight[rows])
