"""Waveforms on their way into a backbone: random crop, time scale, gain and mix in training; even crops in test."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.mixing import a_weighted_level, bc_mix, other_class_partner


class SoundAugment(nn.Module):
    """Augment a batch of clips and its targets, in this order; meant for training only.

    1. `roll`: shift each clip circularly by a random amount.
    2. `time_scale` s: play the batch at length s^u of its own, u ~ U(-1, 1), by linear interpolation; one u a batch.
    3. `pad`, then crop `window` samples at a random place, by clip (see `crop_range`).
    4. `mix`: between-class learning. Each clip is mixed, in a ratio r ~ U(0, 1) of heard levels, with another one drawn
       evenly from the batch's clips of other classes: target r y1 + (1 - r) y2. A clip in a batch of one class alone
       stays as it is.
    5. `gain_db`: turn each clip up or down by up to as many dB.

    Random numbers come from torch's global generators. Between-class learning as published is `window`, `pad`; with
    strong augmentation also time_scale=1.25, gain_db=6.

    Args:
        window: samples to crop; None keeps the clips' length.
        mix: "between_class" or "none".
        rate: samples a second of the clips, in Hz, by which loudness is judged.
        time_scale: largest factor of length, at least 1; 1 for none.
        gain_db: largest change of gain, in dB; 0 for none.
        roll: whether to shift circularly.
        pad: whether a crop may reach beyond the clip, into zeros.

    Raises:
        ValueError: an option out of its range.
    """

    def __init__(
        self,
        window: int | None = None,
        mix: Literal["between_class", "none"] = "between_class",
        rate: int = 16000,
        time_scale: float = 1.0,
        gain_db: float = 0.0,
        roll: bool = False,
        pad: bool = False,
    ) -> None:
        super().__init__()
        wanted = {
            "window": (window, "1 or more, or None", window is None or window >= 1),
            "mix": (mix, "between_class or none", mix in ("between_class", "none")),
            "rate": (rate, "1 or more", rate >= 1),
            "time_scale": (time_scale, "1 or more", time_scale >= 1),
            "gain_db": (gain_db, "0 or more", gain_db >= 0),
        }
        for name, (found, want, fine) in wanted.items():
            if not fine:
                raise ValueError(f"SoundAugment: {name}: found {found}, wanted {want}")
        self.window, self.mix, self.rate = window, mix, rate
        self.time_scale, self.gain_db, self.roll, self.pad = time_scale, gain_db, roll, pad

    @torch.no_grad()
    def forward(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return [B, window] waveforms and [B, C] targets of [B, T] and one-hot [B, C]."""
        window = self.window or x.shape[1]
        if self.roll:
            shift = torch.randint(x.shape[1], (len(x),), device=x.device)
            x = _cut(torch.cat([x, x], 1), shift, x.shape[1])
        if self.time_scale > 1:
            x = _stretch(x, self.time_scale)
        x, first, span = crop_range(x, window, self.pad)
        x = _cut(x, first + (torch.rand(len(x), device=x.device) * (span + 1)).long(), window)
        if self.mix == "between_class":
            x, target = self._between_classes(x, target)
        if self.gain_db:
            x = x * 10 ** ((2 * torch.rand(len(x), 1, device=x.device) - 1) * self.gain_db / 20)
        return x, target

    def _between_classes(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        partner, found = other_class_partner(target)
        r = torch.rand(len(x), device=x.device).masked_fill(~found, 1)
        level = a_weighted_level(x, self.rate)
        x = bc_mix(x, x[partner], r, level, level[partner])
        return x, r[:, None] * target + (1 - r[:, None]) * target[partner]


def ten_crops(x: Tensor, window: int, crops: int = 10, pad: bool = False) -> Tensor:
    """Return [B, crops, window] of [B, T] waveforms: evenly spaced crops from the first possible to the last.

    One crop is the middle one. With `pad` as in `crop_range`. A clip's score is the mean of its crops' softmax.
    """
    if crops < 1:
        raise ValueError(f"crops: found {crops}, wanted 1 or more")
    x, first, span = crop_range(x, window, pad)
    order = torch.arange(crops, device=x.device)
    offset = order * span[:, None] // (crops - 1) if crops > 1 else span[:, None] // 2
    return x.unfold(1, window, 1)[torch.arange(len(x), device=x.device)[:, None], first[:, None] + offset]


def crop_range(x: Tensor, window: int, pad: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Say where a crop of `window` samples may start.

    Without `pad`: anywhere within the clip; a shorter clip first gets zeros on both sides. With `pad`, as EnvNet and
    ACDNet are published: exact zeros at both ends of a clip do not count as a part of it, and half a window of zeros
    is put on both sides of the rest.

    Returns:
        The waveforms [B, T'] with zeros around, first start [B], and how many samples later [B] the last one is.
    """
    batch, length = x.shape
    if not pad:
        missing = max(0, window - length)
        x = F.pad(x, (missing // 2, missing - missing // 2))
        first = torch.zeros(batch, dtype=torch.long, device=x.device)
        return x, first, torch.full_like(first, x.shape[1] - window)
    sounds = (x != 0).int()
    # An all-silent clip counts whole: argmax of zeros is 0.
    first, trailing = sounds.argmax(1), sounds.flip(1).argmax(1)
    half = window // 2
    # What of the clip lies before `first` is zeros too, so the zeros put around a clip serve all of its ends.
    return F.pad(x, (half, half)), first, length - trailing - first + 2 * half - window


def _cut(x: Tensor, start: Tensor, length: int) -> Tensor:
    """[B, length] of [B, T], each row from its own start [B]."""
    return x.unfold(1, length, 1)[torch.arange(len(x), device=x.device), start]


def _stretch(x: Tensor, most: float) -> Tensor:
    length = max(1, int(x.shape[1] * most ** (2 * torch.rand(()).item() - 1)))
    return F.interpolate(x[:, None], size=length, mode="linear", align_corners=False)[:, 0]
