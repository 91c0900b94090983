"""Backbone: what every network from raw samples to classes has in common."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Base of all classifiers: raw samples -> features -> one logit for each class.

    A network of your own needs :meth:`features` and :meth:`logits`; :class:`BackboneModule` trains and tests it.

    Attributes:
        classes: number of classes, C.
        feature_dim: width of the features, D.
        rate: for sounds, the sampling rate that the network is made for, in Hz. None for images.
        window: for sounds, the one length that the network takes, in samples. None if it takes any.
    """

    rate: int | None = None
    window: int | None = None

    def __init__(self, classes: int, feature_dim: int) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"classes: found {classes}, wanted at least 1")
        self.classes, self.feature_dim = classes, feature_dim

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Return [B, D] features of [B, T] waveforms, full scale -1 to 1, or of [B, 3, H, W] images, 0 to 1."""

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Return [B, C] from [B, D] features."""

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, C] logits of raw samples."""
        return self.logits(self.features(x))
