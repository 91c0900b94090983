"""LogMelCNN: a compact residual network on log-mel spectrograms that trains on two cores."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.errors import DataError

# An absolute floor under a level relative to the clip's own: silence stays finite, noise far below the sound is flat.
_FLOOR = 1e-4
# Widest band that is masked, as a share of the axis, and how many bands an axis.
_BAND = 6
_BANDS = 2


class _Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: [B, I, M, T] -> [B, O, ceil(M / stride), ceil(T / stride)]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        # The mean over what a stride skips. Rounding up as the padded convolution does, so that both sizes agree.
        layers: list[nn.Module] = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
        if inputs != outputs:
            layers += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.convolutions(x) + self.shortcut(x))


class LogMelCNN(Backbone):
    """Log-mel spectrogram -> strided stem -> residual stages -> mean over frequency, mean and max over time.

    The features come from the last ``levels`` stages, the last one first; the output layer reads the last one alone.
    Earlier stages say less about the class and more about the sound, and they differ less between training clips and
    new ones. Each stage's part is scaled to the length of the last one's, so that all count alike in a cosine.

    | layer       | kernel, stride | output, with M mels, frames N = T // hop + 1, widths w |
    |-------------|----------------|--------------------------------------------------------|
    | log-mel     |                | 1 x M x N                                              |
    | stem        | 5 x 7, `stem`  | w[0] x ceil(M / stem[0]) x ceil(N / stem[1])           |
    | stage i     | 3 x 3, 2       | w[i] x half of both, rounded up; `blocks` residual blocks |
    | pool        |                | 2 w[-1], 2 w[-2], ... of `levels` stages; together D   |
    | output      |                | C, of the first 2 w[-1]                                |

    The waveform is first divided by its own root mean square, so gain changes nothing and a silent clip stays finite.

    Args:
        classes: number of classes, C.
        widths: channels of the stem, then of each stage.
        stem: stride of the stem over mels and over frames.
        blocks: residual blocks in a stage; only the first one is strided.
        levels: stages that the features are of. It changes no weights.
        mels: mel bands, M.
        n_fft: samples in a frame of the spectrogram; the shortest clip accepted.
        hop: samples between frames.
        low: lowest frequency of the mel bands, in Hz.
        rate: samples a second of the clips, in Hz.
        dropout: chance that a feature is set to 0 before the output layer, in training.
        spec_augment: in training, set two random bands of frequency and two of time to 0 (the mean, after batch norm),
            each up to a sixth of its axis and drawn for each clip.

    Raises:
        ValueError: fewer than one width, an empty stage, or more levels than widths.
    """

    rate: int

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = (32, 64, 128, 256),
        stem: Sequence[int] = (2, 4),
        blocks: int = 1,
        levels: int = 1,
        mels: int = 64,
        n_fft: int = 512,
        hop: int = 320,
        low: float = 20.0,
        rate: int = 16000,
        dropout: float = 0.2,
        spec_augment: bool = True,
    ) -> None:
        if not 1 <= levels <= len(widths) or len(stem) != 2 or blocks < 1:
            raise ValueError(
                f"LogMelCNN: found widths {list(widths)}, stem {list(stem)}, blocks {blocks}, levels {levels}; "
                "wanted one width or more, two strides, one block or more, and 1 level to as many as widths"
            )
        from torchaudio.transforms import MelSpectrogram  # here: half a second that other tasks need not wait

        super().__init__(classes, 2 * sum(widths[-levels:]))
        self.levels, self._last = levels, 2 * widths[-1]
        self.rate, self.n_fft, self.spec_augment = rate, n_fft, spec_augment
        self.spectrogram = MelSpectrogram(rate, n_fft, hop_length=hop, f_min=low, n_mels=mels)
        self.norm = nn.BatchNorm1d(mels)
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], (5, 7), (stem[0], stem[1]), (2, 3), bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        self.stages = nn.Sequential(*(_stage(inputs, outputs, blocks) for inputs, outputs in pairwise(widths)))
        self.output = nn.Sequential(nn.Dropout(dropout), nn.Linear(self._last, classes))

    def features(self, x: Tensor) -> Tensor:
        """Return [B, D] features of [B, T] waveforms; DataError where T < n_fft."""
        mel: Tensor = self.norm(self._log_mel(x))
        if self.training and self.spec_augment:
            mel = mask_bands(mel)
        maps = [self.stem(mel[:, None])]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        rows = [level.mean(2) for level in maps[: -self.levels - 1 : -1]]
        last, *earlier = [torch.cat([row.mean(2), row.amax(2)], 1) for row in rows]
        length = last.norm(dim=1, keepdim=True)
        return torch.cat([last, *(F.normalize(level, dim=1) * length for level in earlier)], 1)

    def logits(self, features: Tensor) -> Tensor:
        """Return [B, C] from [B, D]."""
        logits: Tensor = self.output(features[:, : self._last])
        return logits

    @torch.no_grad()
    def _log_mel(self, x: Tensor) -> Tensor:
        """[B, M, N] logarithm of the mel power: in full precision, as powers span more than half precision does."""
        if x.ndim != 2 or x.shape[1] < self.n_fft:
            raise DataError(
                f"LogMelCNN: found waveforms of shape {list(x.shape)}, wanted [B, T] with T of {self.n_fft} or more: "
                "pad the clips with zeros"
            )
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            x = x / (x.square().mean(1, keepdim=True).sqrt() + _FLOOR)
            power: Tensor = self.spectrogram(x)
            return (power + _FLOOR).log()


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(_Residual(inputs, outputs, 2), *(_Residual(outputs, outputs, 1) for _ in range(blocks - 1)))


def mask_bands(mel: Tensor) -> Tensor:
    """Set two random bands of rows and two of columns to 0 in each of [B, M, N] (SpecAugment, Park et al. 2019)."""
    for _ in range(_BANDS):
        rows, columns = (_random_band(len(mel), mel.shape[axis], mel.device) for axis in (1, 2))
        mel = mel.masked_fill(rows[:, :, None] | columns[:, None], 0)
    return mel


def _random_band(batch: int, size: int, device: torch.device) -> Tensor:
    """[B, size], true in one band of 0 to size // 6 places a row, its width and its place drawn evenly."""
    width = torch.randint(0, size // _BAND + 1, (batch, 1), device=device)
    first = (torch.rand(batch, 1, device=device) * (size - width + 1)).long()
    place = torch.arange(size, device=device)
    return (place >= first) & (place < first + width)
