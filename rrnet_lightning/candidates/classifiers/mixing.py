"""Between-class learning: two sounds mixed so that the mix is heard in the ratio of its label."""

import torch
import torch.nn.functional as F
from torch import Tensor

# No frequency is weighted less, and no clip counts as quieter, than this many dB.
_LEAST = -80.0


def a_weights(rate: int, n_fft: int, device: torch.device | None = None) -> Tensor:
    """Return [n_fft // 2 + 1] A-weights of IEC 61672-1 in dB, 0 at 1 kHz, at least -80, of a spectrum's frequencies."""
    square = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64).square()
    response = 12194**2 * square**2 / (square + 20.6**2) / (square + 12194**2)
    response = response / ((square + 107.7**2) * (square + 737.9**2)).sqrt()
    return (20 * response.log10() + 2.0).clamp(min=_LEAST).to(device, torch.float32)


def a_weighted_level(x: Tensor, rate: int) -> Tensor:
    """Return [B] levels in dB of [B, T] waveforms: the loudest window's A-weighted power, at least -80 dB.

    As in Tokozume, Ushiku and Harada (ICLR 2018): Hann windows of 2,048 samples (4,096 above 32 kHz) that overlap by
    half, of which what fills no window is not heard; a clip shorter than one window is filled up with zeros. Levels are
    relative to each other: only differences between them mean something.
    """
    n_fft = 4096 if rate > 32000 else 2048
    x = F.pad(x.float(), (0, max(0, n_fft - x.shape[1])))
    with torch.autocast(x.device.type, enabled=False):
        frames = x.unfold(1, n_fft, n_fft // 2) * torch.hann_window(n_fft, device=x.device)
        # real and imaginary parts side by side: squares times weights sum up the power in one product
        parts = torch.view_as_real(torch.fft.rfft(frames)).flatten(-2)
        power = parts.square() @ (10 ** (a_weights(rate, n_fft, x.device) / 10)).repeat_interleave(2)
    return 10 * power.amax(1).clamp(min=10 ** (_LEAST / 10)).log10()


def bc_mix(x1: Tensor, x2: Tensor, r: Tensor, level1: Tensor, level2: Tensor) -> Tensor:
    """Mix two waveforms [B, T] in the ratio r : 1 - r as heard.

    p = 1 / (1 + 10^((G1 - G2) / 20) (1 - r) / r), x = (p x1 + (1 - p) x2) / sqrt(p² + (1 - p)²)

    Args:
        x1: [B, T] waveforms.
        x2: [B, T] waveforms to mix in.
        r: [B] share of x1 in the mix, 0 to 1.
        level1: [B] level G1 of x1 in dB, by `a_weighted_level`.
        level2: [B] level G2 of x2 in dB.
    """
    # The same p, without a division by r = 0.
    p = (r / (r + 10 ** ((level1 - level2) / 20) * (1 - r)))[:, None]
    return (p * x1 + (1 - p) * x2) / (p.square() + (1 - p).square()).sqrt()


def other_class_partner(target: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each of [B, C] one-hot targets another of a different class, drawn evenly, and whether there is one.

    Returns:
        Rows [B] of the partners (its own row's number means nothing where there is none), and [B] booleans.
    """
    label = target.argmax(1)
    differs = label[:, None] != label
    chance = torch.rand(differs.shape, device=target.device).masked_fill(~differs, -1)
    return chance.argmax(1), differs.any(1)
