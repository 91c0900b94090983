"""Two small tables that say the same, each in its own words."""

import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval.space import Side, Space

Tables = tuple[Tensor, Tensor, Tensor]


def tables(rows: int = 60, known: int = 40, noise: float = 0.1, widths: tuple[int, int] = (6, 4)) -> Tables:
    """Source and target features of ``rows`` items that share three hidden numbers, and the pairs that are known."""
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    shared = normal(rows, 3)
    ends = [shared @ normal(3, width) + noise * normal(rows, width) + 2 * normal(width) for width in widths]
    return ends[0], ends[1], torch.arange(known).repeat(2, 1)


def labels(rows: int = 60) -> dict[Side, Tensor]:
    """Three classes of the items: the largest of the hidden numbers. The last item in ten has two."""
    draw = torch.Generator().manual_seed(0)
    member = torch.nn.functional.one_hot(torch.randn(rows, 3, generator=draw).argmax(1), 3).bool()
    member[9::10] |= member[8::10]
    return {"source": member, "target": member.clone()}


def scores(space: Space, source: Tensor, target: Tensor) -> Tensor:
    with torch.inference_mode():
        return space.source(source) @ space.target(target).T
