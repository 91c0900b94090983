"""TorchvisionModel: any image classifier of torchvision, for ResNet and MobileNetV2 with a stem for 32-pixel images."""

from difflib import get_close_matches

from torch import nn

from rrnet_lightning.candidates.classifiers.images import IMAGENET, LibraryBackbone
from rrnet_lightning.errors import DataError

_TORCHVISION_CLASSES = 1000


class TorchvisionModel(LibraryBackbone):
    """torchvision's classifier `name`; the features are what enters its last linear layer.

    With `small_images`, a 32 x 32 image keeps its pixels at first, as usual for CIFAR; output of each group of layers:

    | layers             | ResNet18, 34    | ResNet50 and deeper | MobileNetV2                              |
    |--------------------|-----------------|---------------------|------------------------------------------|
    | stem               | [B, 64, 32, 32] | [B, 64, 32, 32]     | features[0]: [B, 32, 32, 32]             |
    | layer1             | [B, 64, 32, 32] | [B, 256, 32, 32]    | features[1], [2-3]: 16, 24 wide, 32 x 32 |
    | layer2             | [B, 128, 16, 16]| [B, 512, 16, 16]    | features[4-6]: [B, 32, 16, 16]           |
    | layer3             | [B, 256, 8, 8]  | [B, 1024, 8, 8]     | features[7-10], [11-13]: 64, 96 w., 8 x 8|
    | layer4             | [B, 512, 4, 4]  | [B, 2048, 4, 4]     | features[14-16], [17-18]: [B, 1280, 4, 4]|
    | mean = features    | [B, 512]        | [B, 2048]           | [B, 1280]                                |

    ResNets: the 7 x 7 stride-2 convolution becomes 3 x 3 stride 1 and the max-pool goes. MobileNetV2: the first
    convolution and the first 24-wide block get stride 1.

    Args:
        classes: number of classes, C.
        name: a name of `torchvision.models.list_models()`.
        small_images: the stem above; set false for images of the size that the network was designed for.
        pretrained: start from torchvision's default ImageNet weights, downloaded once (all but the head; with
            `small_images` a ResNet's stem too is drawn anew).

    Raises:
        ValueError: no such classifier, no linear head, or no 32-pixel stem for it.
        DataError: the weights cannot be downloaded.
    """

    def __init__(
        self, classes: int, name: str = "resnet18", small_images: bool = True, pretrained: bool = False
    ) -> None:
        model = _build(name, pretrained)
        if small_images:
            _small_stem(model, name)
        feature_dim = _drop_head(model, name)
        super().__init__(classes, model, feature_dim, IMAGENET)


def _build(name: str, pretrained: bool) -> nn.Module:
    """The network of that name with its own head, without auxiliary classifiers."""
    from torchvision import models  # here: seconds that other tasks need not wait

    known = models.list_models(module=models)
    if name not in known:
        near = ", ".join(get_close_matches(name, known)) or "resnet18, resnet50, mobilenet_v2"
        raise ValueError(
            f"name: found {name!r}, wanted a classifier of torchvision such as {near}; "
            "all: torchvision.models.list_models(module=torchvision.models)"
        )
    try:
        model: nn.Module = models.get_model(name, weights="DEFAULT" if pretrained else None)
    except (OSError, RuntimeError) as error:  # no network, or a download cut short
        if not pretrained:
            raise
        raise DataError(
            f"pretrained: torchvision's weights of {name} could not be read: {error}. "
            "Try again with a network, or set pretrained to false"
        ) from error
    if hasattr(model, "aux_logits"):  # GoogLeNet, Inception: in training they would return three outputs
        model.aux_logits = False  # type: ignore[assignment]  # a plain attribute there
        for auxiliary in ("aux1", "aux2", "AuxLogits"):
            if hasattr(model, auxiliary):
                setattr(model, auxiliary, None)
    return model


def _small_stem(model: nn.Module, name: str) -> None:
    """Keep the resolution of a 32-pixel image at the network's entry."""
    from torchvision import models

    if isinstance(model, models.ResNet):
        model.conv1 = nn.Conv2d(3, model.conv1.out_channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()
    elif isinstance(model, models.MobileNetV2):
        for block in (model.features[0], model.features[2]):
            strided = next(m for m in block.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2))
            strided.stride = (1, 1)
    else:
        raise ValueError(
            f"small_images: found true for {name}, wanted a ResNet or mobilenet_v2, which have a stem for 32 pixels; "
            "set small_images to false (and give images of the size that the network takes)"
        )


def _drop_head(model: nn.Module, name: str) -> int:
    """Replace the last linear layer by nothing; return the width of what enters it."""
    linear = [(path, layer) for path, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    if not linear or linear[-1][1].out_features != _TORCHVISION_CLASSES:
        raise ValueError(f"name: {name} does not end in a linear layer, wanted one that does, such as resnet18")
    path, head = linear[-1]
    model.set_submodule(path, nn.Identity())
    return head.in_features
