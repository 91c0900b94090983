"""Scale: shift and scale a column so that the samples asked in training have mean 0 and deviation 1 in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.evidence.hide import hide
from rrnet_lightning.graph.schema import INTER

SCALED = {"score", "nearest", "prototype"}  # columns with a scale of their own; labels and votes are of order one
STEPS = 50  # drawn to measure on, where each training step hides other labels

Columns = Callable[[HeteroData, Tensor], Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Scale:
    """Shift and scale that bring values to mean 0 and deviation 1."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "Scale":
        """Measure values of any shape; fewer than two stay as they are."""
        if values.numel() < 2:
            return cls(torch.tensor(0.0), torch.tensor(1.0))
        return cls(values.mean(), values.std().clamp(min=1e-6))

    @classmethod
    def columns(cls, values: Tensor) -> "Scale":
        """Measure each column of values [N, F] by itself; a column that never changes is only shifted."""
        if len(values) < 2:
            return cls.of(values)
        deviation = values.std(0)
        return cls(values.mean(0), deviation.where(deviation > 1e-6, 1.0))

    def __call__(self, values: Tensor) -> Tensor:
        """Shift and scale."""
        return (values - self.mean) / self.deviation


def measure(data: HeteroData, columns: Columns, share: float, group: Tensor) -> dict[str, Scale]:
    """Return the scale of each of the SCALED columns, over the pairs that training asks, as they are when asked.

    What a column holds depends on which labels are visible. So training steps are drawn as training draws them, from a
    seed that never changes, and each column is measured on the pairs asked in them.

    Args:
        data: the graph of the training stage, with ``observed`` and ``asked`` on its inter-edges.
        columns: (data, visible [E] bool) -> columns of [E] float by name, before scaling.
        share: of the observed answers among those asked, what a step hides.
        group: [E] long, edges whose answers are hidden together.
    """
    inter = data[INTER]
    first = columns(data, inter.observed)
    found = {"score": [first["score"][inter.asked]]}  # the same in all steps
    if SCALED & first.keys() > {"score"}:
        for visible, asked in _steps(inter.observed, inter.asked, share, group):
            for name, values in columns(data, visible).items():
                if name in SCALED - {"score"}:
                    found.setdefault(name, []).append(values[asked])
    return {name: Scale.of(torch.cat(values)) for name, values in found.items()}


def _steps(observed: Tensor, asked: Tensor, share: float, group: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield which answers are visible and which are asked, [E] bool each, of some training steps."""
    drawn = observed & asked
    if not drawn.any():  # those asked are never evidence: all steps are alike
        yield observed, asked
        return
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        hidden = hide(drawn, share, generator, group=group)
        yield observed & ~hidden, hidden | (asked & ~observed)
