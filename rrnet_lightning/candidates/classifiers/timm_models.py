"""TimmModel: any image classifier of the timm library, an optional extra."""

from importlib import import_module
from types import ModuleType

from torch import nn

from rrnet_lightning.candidates.classifiers.images import IMAGENET, Colour, LibraryBackbone
from rrnet_lightning.errors import DataError


class TimmModel(LibraryBackbone):
    """timm's classifier `name`; the features are its pooled ones, [B, D], just before its own head.

    Sizes and layers are the network's own: most want images of 224 pixels. Needs `pip install rrnet-lightning[timm]`.

    Args:
        classes: number of classes, C.
        name: a name of `timm.list_models()`, such as "convnext_atto" or, with its weights' tag, "resnet18.a1_in1k".
        pretrained: start from timm's weights, downloaded once; the normalisation is the one they were trained with.

    Raises:
        DataError: timm is not installed, or the weights cannot be downloaded.
        ValueError: no such classifier.
    """

    def __init__(self, classes: int, name: str, pretrained: bool = False) -> None:
        timm = _timm()
        if not timm.is_model(name):
            raise ValueError(f"name: found {name!r}, wanted one of timm.list_models()")
        try:
            model = timm.create_model(name, pretrained=pretrained, num_classes=0)
        except (OSError, RuntimeError) as error:  # no network, or no weights of that name
            if not pretrained:
                raise
            raise DataError(
                f"pretrained: timm's weights of {name} could not be read: {error}. "
                "Try again with a network, name other weights, or set pretrained to false"
            ) from error
        # some networks widen the pooled features before their head
        feature_dim: int = getattr(model, "head_hidden_size", None) or model.num_features
        super().__init__(classes, model, feature_dim, _colours(model))


def _timm() -> ModuleType:
    """Imported on first use, so that the package works without it."""
    try:
        return import_module("timm")
    except ImportError as error:
        raise DataError(f"TimmModel needs timm ({error}): pip install rrnet-lightning[timm]") from error


def _colours(model: nn.Module) -> tuple[Colour, Colour]:
    """Mean and deviation that the network's weights were trained with."""
    config = getattr(model, "pretrained_cfg", None) or {}
    return config.get("mean", IMAGENET[0]), config.get("std", IMAGENET[1])
