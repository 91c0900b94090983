"""EnvNet and EnvNet-v2: convolutions on the waveform, then on the map of filters by time that they draw."""

from collections import OrderedDict

from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.errors import DataError


def conv_block(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1), padding: int = 0
) -> nn.Sequential:
    """Convolution without bias (He's normal initial weights), batch norm, ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def one_window(x: Tensor, backbone: Backbone) -> Tensor:
    """Return [B, 1, 1, T] of [B, T] waveforms, T the backbone's window; ValueError at any other shape."""
    if x.ndim != 2 or x.shape[1] != backbone.window:
        name, window = type(backbone).__name__, backbone.window
        raise DataError(
            f"{name}: found waveforms of shape {list(x.shape)}, wanted [B, {window}]: crop them to the window "
            f"(SoundAugment(window={window}) in training, ten_crops(x, {window}) in test)"
        )
    return x[:, None, None]


class _Swap(nn.Module):
    """[B, F, 1, T] -> [B, 1, F, T]: filters become the rows of a picture with one channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """Linear layer as the authors' framework starts it (LeCun's normal, bias 0): without batch norm, it matters."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    nn.init.zeros_(layer.bias)
    return layer


class _WaveNet(Backbone):
    """What both have in common: convolutions, two hidden layers with dropout, a linear output.

    Features are the second hidden layer's activations, [B, 4096], after ReLU and before dropout. Dropout of that layer
    belongs to `logits`, so what `features` returns in evaluation is what the output layer sees.
    """

    convolutions: nn.Sequential
    hidden: nn.Sequential
    output: nn.Sequential

    def __init__(self, classes: int, layers: list[tuple[str, nn.Module]], flat: int, dropout: float) -> None:
        super().__init__(classes, 4096)
        self.convolutions = nn.Sequential(OrderedDict(layers))
        self.hidden = nn.Sequential(
            nn.Flatten(), _linear(flat, 4096), nn.ReLU(), nn.Dropout(dropout), _linear(4096, 4096), nn.ReLU()
        )
        self.output = nn.Sequential(nn.Dropout(dropout), _linear(4096, classes))

    def features(self, x: Tensor) -> Tensor:
        """Return [B, 4096] features of [B, window] waveforms; ValueError at any other shape."""
        features: Tensor = self.hidden(self.convolutions(one_window(x, self)))
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Return [B, C] from [B, 4096]."""
        logits: Tensor = self.output(features)
        return logits


class EnvNet(_WaveNet):
    """EnvNet (Tokozume and Harada, ICASSP 2017) for 1.5 s at 16 kHz.

    | layer           | kernel | stride | output       |
    |-----------------|--------|--------|--------------|
    | input           |        |        | 1 x 1 x 24014 |
    | conv1           | 1 x 8  | 1      | 40 x 1 x 24007 |
    | conv2           | 1 x 8  | 1      | 40 x 1 x 24000 |
    | pool2           | 1 x 160 | 1 x 160 | 40 x 1 x 150 |
    | swap            |        |        | 1 x 40 x 150 |
    | conv3           | 8 x 13 | 1      | 50 x 33 x 138 |
    | pool3           | 3 x 3  | 3      | 50 x 11 x 46 |
    | conv4           | 1 x 5  | 1      | 50 x 11 x 42 |
    | pool4           | 1 x 3  | 1 x 3  | 50 x 11 x 14 |
    | hidden (two)    | 7700 -> 4096 -> 4096 | | 4096 |
    | output          | 4096 -> C | |         C |

    Every convolution has no bias and is followed by batch norm and ReLU; every hidden layer by ReLU and dropout.

    Args:
        classes: number of classes, C.
        dropout: chance that a hidden unit is set to 0 in training.
    """

    rate = 16000
    window = 24014

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        layers: list[tuple[str, nn.Module]] = [
            ("conv1", conv_block(1, 40, (1, 8))),
            ("conv2", conv_block(40, 40, (1, 8))),
            ("pool2", nn.MaxPool2d((1, 160))),
            ("swap", _Swap()),
            ("conv3", conv_block(1, 50, (8, 13))),
            ("pool3", nn.MaxPool2d((3, 3))),
            ("conv4", conv_block(50, 50, (1, 5))),
            ("pool4", nn.MaxPool2d((1, 3))),
        ]
        super().__init__(classes, layers, 50 * 11 * 14, dropout)


class EnvNetV2(_WaveNet):
    """EnvNet-v2 (Tokozume, Ushiku and Harada, ICLR 2018) for 1.5 s at 44.1 kHz.

    | layer           | kernel | stride | output       |
    |-----------------|--------|--------|--------------|
    | input           |        |        | 1 x 1 x 66650 |
    | conv1           | 1 x 64 | 1 x 2  | 32 x 1 x 33294 |
    | conv2           | 1 x 16 | 1 x 2  | 64 x 1 x 16640 |
    | pool2           | 1 x 64 | 1 x 64 | 64 x 1 x 260 |
    | swap            |        |        | 1 x 64 x 260 |
    | conv3, conv4    | 8 x 8  | 1      | 32 x 50 x 246 |
    | pool4           | 5 x 3  | 5 x 3  | 32 x 10 x 82 |
    | conv5, conv6    | 1 x 4  | 1      | 64 x 10 x 76 |
    | pool6           | 1 x 2  | 1 x 2  | 64 x 10 x 38 |
    | conv7, conv8    | 1 x 2  | 1      | 128 x 10 x 36 |
    | pool8           | 1 x 2  | 1 x 2  | 128 x 10 x 18 |
    | conv9, conv10   | 1 x 2  | 1      | 256 x 10 x 16 |
    | pool10          | 1 x 2  | 1 x 2  | 256 x 10 x 8 |
    | hidden (two)    | 20480 -> 4096 -> 4096 | | 4096 |
    | output          | 4096 -> C | |         C |

    Every convolution has no bias and is followed by batch norm and ReLU; every hidden layer by ReLU and dropout.

    Args:
        classes: number of classes, C.
        dropout: chance that a hidden unit is set to 0 in training.
    """

    rate = 44100
    window = 66650

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        layers: list[tuple[str, nn.Module]] = [
            ("conv1", conv_block(1, 32, (1, 64), (1, 2))),
            ("conv2", conv_block(32, 64, (1, 16), (1, 2))),
            ("pool2", nn.MaxPool2d((1, 64))),
            ("swap", _Swap()),
            ("conv3", conv_block(1, 32, (8, 8))),
            ("conv4", conv_block(32, 32, (8, 8))),
            ("pool4", nn.MaxPool2d((5, 3))),
            ("conv5", conv_block(32, 64, (1, 4))),
            ("conv6", conv_block(64, 64, (1, 4))),
            ("pool6", nn.MaxPool2d((1, 2))),
            ("conv7", conv_block(64, 128, (1, 2))),
            ("conv8", conv_block(128, 128, (1, 2))),
            ("pool8", nn.MaxPool2d((1, 2))),
            ("conv9", conv_block(128, 256, (1, 2))),
            ("conv10", conv_block(256, 256, (1, 2))),
            ("pool10", nn.MaxPool2d((1, 2))),
        ]
        super().__init__(classes, layers, 256 * 10 * 8, dropout)
