"""ACDNet: a small network on the waveform that ends in one map a class, without wide hidden layers."""

from collections import OrderedDict

from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.candidates.classifiers.envnet import conv_block, one_window

_WIDTHS = (32, 64, 128, 256, 512)


class ACDNet(Backbone):
    """ACDNet (Mohaimenuzzaman et al., arXiv 2103.03483) for 1.51 s at 20 kHz; 4.74 million weights with 50 classes.

    | layer          | kernel | stride | output        |
    |----------------|--------|--------|---------------|
    | input          |        |        | 1 x 1 x 30225 |
    | conv1          | 1 x 9  | 1 x 2  | 8 x 1 x 15109 |
    | conv2          | 1 x 5  | 1 x 2  | 64 x 1 x 7553 |
    | pool2          | 1 x 50 | 1 x 50 | 64 x 1 x 151: frames of 10 ms |
    | swap           |        |        | 1 x 64 x 151  |
    | conv3          | 3 x 3  | 1      | 32 x 64 x 151 |
    | pool3          | 2 x 2  | 2      | 32 x 32 x 75  |
    | conv4, conv5   | 3 x 3  | 1      | 64 x 32 x 75  |
    | pool5          | 2 x 2  | 2      | 64 x 16 x 37  |
    | conv6, conv7   | 3 x 3  | 1      | 128 x 16 x 37 |
    | pool7          | 2 x 2  | 2      | 128 x 8 x 18  |
    | conv8, conv9   | 3 x 3  | 1      | 256 x 8 x 18  |
    | pool9          | 2 x 2  | 2      | 256 x 4 x 9   |
    | conv10, conv11 | 3 x 3  | 1      | 512 x 4 x 9   |
    | pool11         | 2 x 2  | 2      | 512 x 2 x 4   |
    | conv12         | 1 x 1  | 1      | C x 2 x 4     |
    | mean           | 2 x 4  |        | C             |
    | output         | C -> C |        | C             |

    Every convolution has no bias and is followed by batch norm and ReLU; 3 x 3 ones keep the size (padding 1); dropout
    before conv12. Features are the flattened map of pool11, [B, 4096]: the widest place from which the logits follow
    exactly. `features.view(-1, 512, 8).mean(2)` makes 512 of them, the same wherever the sound lies in the window.

    Args:
        classes: number of classes, C.
        dropout: chance that a value of the last map is set to 0 in training.
    """

    rate = 20000
    window = 30225

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__(classes, 512 * 2 * 4)
        self.filters = nn.Sequential(
            OrderedDict(
                conv1=conv_block(1, 8, (1, 9), (1, 2)),
                conv2=conv_block(8, 64, (1, 5), (1, 2)),
                pool2=nn.MaxPool2d((1, 50)),
            )
        )
        self.frames = nn.Sequential(OrderedDict(_frame_layers()))
        self.output = nn.Sequential(
            nn.Unflatten(1, (512, 2, 4)),
            nn.Dropout(dropout),
            conv_block(512, classes, (1, 1)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(classes, classes),
        )

    def features(self, x: Tensor) -> Tensor:
        """Return [B, 4096] features of [B, 30225] waveforms; ValueError at any other shape."""
        # filters become the rows of a picture with one channel
        picture = self.filters(one_window(x, self)).transpose(1, 2)
        features: Tensor = self.frames(picture).flatten(1)
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Return [B, C] from [B, 4096]."""
        logits: Tensor = self.output(features)
        return logits


def _frame_layers() -> list[tuple[str, nn.Module]]:
    """conv3 to pool11: one convolution, then four pairs, each stage ended by a pool."""
    layers: list[tuple[str, nn.Module]] = []
    inputs, number = 1, 3
    for outputs in _WIDTHS:
        for _ in range(1 if number == 3 else 2):
            layers.append((f"conv{number}", conv_block(inputs, outputs, (3, 3), padding=1)))
            inputs, number = outputs, number + 1
        layers.append((f"pool{number - 1}", nn.MaxPool2d(2)))
    return layers
