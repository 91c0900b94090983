"""Scale: what brings scores and similarities to one scale, measured on the samples asked in training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rrnet_lightning.candidates.samples import TRAIN
from rrnet_lightning.evidence.labels import prototype_cosine
from rrnet_lightning.evidence.view_graph import ViewGraph


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

    def __call__(self, values: Tensor) -> Tensor:
        """Shift and scale."""
        return (values - self.mean) / self.deviation


def measure(parts: Sequence[ViewGraph], role: int) -> dict[str, Scale]:
    """Return the scales of initial scores, neighbours' and prototypes' cosines of the samples of a role."""
    score, neighbour, prototype = [], [], []
    for part in parts:
        samples, asked = part.samples, part.samples.role == role
        pairs = part.pairs[:, asked[part.pairs[0]]]
        train = (samples.role == TRAIN).nonzero().squeeze(1)
        known = torch.stack([train, samples.label[train]])
        score.append(samples.log_probs[*pairs])
        neighbour.append(part.cosine[asked[part.intra[1]]])
        prototype.append(prototype_cosine(part.place, pairs, known, len(samples.names)))
    found = {"score": score, "neighbour": neighbour, "prototype": prototype}
    return {name: Scale.of(torch.cat(values)) for name, values in found.items()}
