"""What the networks for images share: the check of their input, its normalisation, a head on a library's network."""

import torch
from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.errors import DataError

Colour = tuple[float, float, float]
CIFAR: tuple[Colour, Colour] = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
IMAGENET: tuple[Colour, Colour] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ImageBackbone(Backbone):
    """Backbone of images, [B, 3, H, W] float from 0 to 1; the normalisation is part of the network.

    Args:
        classes: number of classes, C.
        feature_dim: width of the features, D.
        colours: mean and standard deviation of red, green and blue, on the scale 0 to 1.
        smallest: least height and width that the network's strides leave a pixel of.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, classes: int, feature_dim: int, colours: tuple[Colour, Colour], smallest: int = 1) -> None:
        super().__init__(classes, feature_dim)
        self.smallest = smallest
        # not persistent: constants of the class, not weights
        for name, values in zip(("mean", "std"), colours, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def normalise(self, x: Tensor) -> Tensor:
        """Return [B, 3, H, W] images with mean 0 and deviation 1 a colour.

        Raises:
            DataError: not [B, 3, H, W] float, or smaller than the network can take.
        """
        if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point():
            raise DataError(
                f"x: found {list(x.shape)} {x.dtype}, wanted [B, 3, H, W] float from 0 to 1; divide bytes by 255"
            )
        if min(x.shape[2:]) < self.smallest:
            raise DataError(
                f"x: found {x.shape[2]} x {x.shape[3]} pixels, {type(self).__name__} wants at least "
                f"{self.smallest} x {self.smallest}; enlarge the images or choose another backbone"
            )
        return (x - self.mean) / self.std


class LibraryBackbone(ImageBackbone):
    """A library's network that returns pooled features, and a new linear head on them.

    Args:
        classes: number of classes, C.
        model: [B, 3, H, W] images -> [B, D] features.
        feature_dim: width of the features, D.
        colours: mean and standard deviation that the network's weights were trained with.
    """

    def __init__(self, classes: int, model: nn.Module, feature_dim: int, colours: tuple[Colour, Colour]) -> None:
        super().__init__(classes, feature_dim, colours)
        self.model = model
        self.head = nn.Linear(feature_dim, classes)

    def features(self, x: Tensor) -> Tensor:
        """Return [B, D] features of [B, 3, H, W] images, 0 to 1.

        Raises:
            DataError: images of a kind or size that the network does not take.
        """
        x = self.normalise(x)
        try:
            features: Tensor = self.model(x)
        except AssertionError as error:  # how transformers of a fixed size refuse another
            raise DataError(
                f"x: found {x.shape[2]} x {x.shape[3]} pixels, {type(self.model).__name__} says: {error}; "
                "resize the images or choose another backbone"
            ) from error
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Return [B, C] logits of [B, D] features."""
        logits: Tensor = self.head(features)
        return logits
