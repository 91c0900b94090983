"""Dual encoder: one small network for each table, trained so that known pairs meet in the common space."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rrnet_lightning.candidates.retrieval.contrast import info_nce, known_by
from rrnet_lightning.candidates.retrieval.linear import standardized
from rrnet_lightning.candidates.retrieval.space import Side, Space, SpaceGenerator
from rrnet_lightning.errors import DataError
from rrnet_lightning.schedulers import WarmupCosineLR


class DualEncoderSpace(Space):
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
        super().__init__()
        if min(source_dim, target_dim, hidden, dim) < 1 or not 0 <= dropout < 1 or temperature < 0.01:
            found = f"hidden {hidden}, dim {dim}, dropout {dropout}, temperature {temperature}"
            raise DataError(f"DualEncoder: found {found}, wanted at least 1, at least 1, 0 to below 1, at least .01")
        self.source_dim, self.target_dim = source_dim, target_dim
        self.networks = nn.ModuleDict()
        for side, width in (("source", source_dim), ("target", target_dim)):
            self.register_buffer(f"{side}_mean", torch.zeros(width))
            self.register_buffer(f"{side}_scale", torch.ones(width))
            layers = nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
            self.networks[side] = nn.Sequential(nn.Dropout(dropout), *layers)
        start = torch.tensor(temperature).log()
        self.log_temperature = nn.Parameter(start, requires_grad=learn_temperature)

    @property
    def temperature(self) -> Tensor:
        """Temperature τ of the loss, a scalar; at least .01, so that it cannot run away."""
        return self.log_temperature.exp().clamp(min=0.01)

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

    def parameter_groups(self, weight_decay: float) -> list[dict[str, object]]:
        """Return what is learnt in two groups; parameters of one dimension and τ get no weight decay."""
        learnt = [parameter for parameter in self.parameters() if parameter.requires_grad]
        decayed = {"params": [p for p in learnt if p.dim() > 1], "weight_decay": weight_decay}
        return [decayed, {"params": [p for p in learnt if p.dim() < 2], "weight_decay": 0.0}]


@dataclass
class DualEncoder(SpaceGenerator):
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

    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> DualEncoderSpace:
        """Return networks of random weights."""
        options = self.hidden, self.dim, self.dropout, self.temperature, self.learn_temperature
        return DualEncoderSpace(source_dim, target_dim, *options).eval()

    def fit_rows(self, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor, classes: Tensor, seed: int) -> Space:
        """Train two new networks, on the CPU."""
        device, (x, y, pairs, weight) = x.device, (tensor.cpu() for tensor in (x, y, pairs, weight))
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.default_generator.manual_seed(seed)
            space = self.empty(x.size(1), y.size(1))
            share = weight.double() / weight.double().sum()
            for side, rows in (("source", x), ("target", y)):
                mean, _, scale = standardized(rows, share, True)
                space.standardize("source" if side == "source" else "target", mean, scale)
            self._train(space, x, y, pairs, weight.float())
        space.zero_grad()
        return space.to(device)

    def _train(self, space: DualEncoderSpace, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor) -> None:
        batches = -(-len(x) // self.batch_size)
        optimizer = torch.optim.AdamW(space.parameter_groups(self.weight_decay), lr=self.lr)
        scheduler = WarmupCosineLR(optimizer)
        scheduler.start(self.epochs * batches)
        space.train()
        for _ in range(self.epochs):
            for rows in torch.randperm(len(x)).tensor_split(batches):
                known = known_by(pairs, *pairs[:, rows])
                source, target = space.source(x[rows]), space.target(y[rows])
                loss = info_nce(source, target, space.temperature, known, weight[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
