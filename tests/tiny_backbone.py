"""The least of backbones, for tests of what surrounds them."""

import torch
from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.base import Backbone


class TinySound(Backbone):
    """Power of the differences at four lags -> linear; any rate, any length or a window."""

    def __init__(self, classes: int, rate: int = 8000, window: int | None = None) -> None:
        super().__init__(classes, 4)
        self.rate, self.window = rate, window
        self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, classes)

    def features(self, x: Tensor) -> Tensor:
        assert self.window in (None, x.shape[1])
        power = torch.stack([(x[:, lag:] - x[:, :-lag]).square().mean(1) for lag in (1, 3, 7, 15)], 1)
        out: Tensor = self.norm((power + 1e-6).log())
        return out

    def logits(self, features: Tensor) -> Tensor:
        out: Tensor = self.head(features)
        return out
