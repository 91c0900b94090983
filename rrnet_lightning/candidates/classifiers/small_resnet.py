"""SmallResNet: residual network for 32-pixel images that trains on two cores."""

from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.images import CIFAR, ImageBackbone


class SmallResNet(ImageBackbone):
    """ResNet-9 at half its width (D. Page, "How to train your ResNet", 2018).

    95 M multiply-adds for an image of 32 x 32 and 1.65 M weights; widths (24, 48, 96, 192) take 54 M and 0.93 M.

    Layers at 32 x 32 with the default widths; every convolution is 3 x 3, without bias, with batch norm and ReLU:

    | layer                               | output         |
    |-------------------------------------|----------------|
    | normalised image                    | [B, 3, 32, 32] |
    | prep: conv                          | [B, 32, 32, 32]|
    | stage 1: conv, max-pool 2, residual | [B, 64, 16, 16]|
    | stage 2: conv, max-pool 2           | [B, 128, 8, 8] |
    | stage 3: conv, max-pool 2, residual | [B, 256, 4, 4] |
    | global max-pool = features          | [B, 256]       |
    | linear, times `scale` = logits      | [B, C]         |

    Any size from 8 x 8 up will do.

    Args:
        classes: number of classes, C.
        widths: channels of prep and of the three stages; the last is the width of the features, D.
        scale: factor on the logits. A global maximum over ReLU is large, and 1/8 keeps early softmaxes soft.

    Raises:
        ValueError: not four positive widths.
    """

    def __init__(
        self, classes: int, widths: tuple[int, int, int, int] = (32, 64, 128, 256), scale: float = 0.125
    ) -> None:
        if len(widths) != 4 or min(widths) < 1:
            raise ValueError(f"widths: found {widths}, wanted four positive numbers")
        super().__init__(classes, widths[-1], CIFAR, smallest=8)
        prep, first, second, third = widths
        self.scale = scale
        self.prep = _conv(3, prep)
        self.stage1 = nn.Sequential(_conv(prep, first, pool=True), Residual(first))
        self.stage2 = _conv(first, second, pool=True)
        self.stage3 = nn.Sequential(_conv(second, third, pool=True), Residual(third))
        self.head = nn.Linear(third, classes, bias=False)

    def features(self, x: Tensor) -> Tensor:
        """Return [B, D] features of [B, 3, H, W] images, 0 to 1: the largest response of each channel."""
        x = self.prep(self.normalise(x))
        x = self.stage3(self.stage2(self.stage1(x)))
        return x.amax(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor:
        """Return [B, C] scaled logits of [B, D] features."""
        logits: Tensor = self.head(features) * self.scale
        return logits


class Residual(nn.Module):
    """x + two convolutions of x. Shapes: [B, W, H, H] -> [B, W, H, H]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(_conv(width, width), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum, [B, W, H, H]."""
        out: Tensor = x + self.convs(x)
        return out


def _conv(inputs: int, outputs: int, pool: bool = False) -> nn.Sequential:
    """3 x 3 convolution, batch norm, ReLU; the pool comes before the norm, which then costs a quarter."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    pools = [nn.MaxPool2d(2)] if pool else []
    return nn.Sequential(conv, *pools, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
