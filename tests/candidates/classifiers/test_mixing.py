"""Between-class learning's formula and target, augmentation of waveforms, and the crops of the test."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.classifiers.mixing import a_weighted_level, a_weights, bc_mix
from rrnet_lightning.candidates.classifiers.sound_augment import SoundAugment, ten_crops


def tone(hertz: float, rate: int, seconds: float = 1.0, amplitude: float = 1.0) -> Tensor:
    return amplitude * torch.sin(2 * math.pi * hertz * torch.arange(int(seconds * rate)) / rate)


def one_hot(*label: int, classes: int = 3) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(label), classes).float()


def test_a_weights_of_the_standard() -> None:
    # IEC 61672-1, table 3; bins of 1 Hz
    weights = a_weights(44100, 44100)
    assert len(weights) == 22051 and weights[0] == -80
    for hertz, wanted in {50: -30.2, 100: -19.1, 250: -8.6, 1000: 0.0, 2500: 1.3, 10000: -2.5}.items():
        assert weights[hertz].item() == pytest.approx(wanted, abs=0.3)


@pytest.mark.parametrize(("rate", "n_fft"), [(16000, 2048), (20000, 2048), (44100, 4096)])
def test_level_is_that_of_the_loudest_window(rate: int, n_fft: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, rate // 2) * torch.linspace(0, 1, rate // 2)
    wanted = []
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    f = np.linspace(0, rate / 2, n_fft // 2 + 1)[1:]
    a = 12194**2 * f**4 / ((f**2 + 20.6**2) * (f**2 + 12194**2) * np.sqrt((f**2 + 107.7**2) * (f**2 + 737.9**2)))
    for clip in x.double().numpy():
        starts = range(0, len(clip) - n_fft + 1, n_fft // 2)
        spectra = [np.abs(np.fft.rfft(window * clip[s : s + n_fft]))[1:] ** 2 for s in starts]
        wanted.append(max(10 * np.log10((p * (a * 10**0.1) ** 2).sum()) for p in spectra))
    assert a_weighted_level(x, rate).tolist() == pytest.approx(wanted, abs=0.01)


def test_level_follows_gain_hearing_and_silence() -> None:
    loud, quiet = tone(1000, 16000), tone(1000, 16000, amplitude=0.1)
    low = tone(100, 16000)
    level = a_weighted_level(torch.stack([loud, quiet, low, torch.zeros(16000)]), 16000)
    assert (level[0] - level[1]).item() == pytest.approx(20, abs=0.01)
    assert (level[0] - level[2]).item() == pytest.approx(19.1, abs=0.3)
    assert level[3].item() == pytest.approx(-80)
    assert a_weighted_level(torch.ones(1, 100), 16000).isfinite().all()


def test_bc_mix_by_its_formula() -> None:
    rng = np.random.default_rng(0)
    x1, x2 = rng.normal(size=(4, 50)), rng.normal(size=(4, 50))
    r, g1, g2 = rng.uniform(size=4), rng.uniform(-60, 0, 4), rng.uniform(-60, 0, 4)
    wanted = np.empty_like(x1)
    for i in range(4):
        p = 1 / (1 + 10 ** ((g1[i] - g2[i]) / 20) * (1 - r[i]) / r[i])
        wanted[i] = (p * x1[i] + (1 - p) * x2[i]) / math.sqrt(p**2 + (1 - p) ** 2)
    mixed = bc_mix(*(torch.from_numpy(value) for value in (x1, x2, r, g1, g2)))
    np.testing.assert_allclose(mixed.numpy(), wanted)


def test_bc_mix_at_its_ends_and_halfway() -> None:
    # halfway, a tone that is 40 dB louder must not be heard louder than the other
    x1, x2 = tone(440, 16000)[None], tone(3000, 16000, amplitude=0.01)[None]
    level1, level2 = a_weighted_level(x1, 16000), a_weighted_level(x2, 16000)
    assert torch.equal(bc_mix(x1, x2, torch.zeros(1), level1, level2), x2)
    assert torch.equal(bc_mix(x1, x2, torch.ones(1), level1, level2), x1)
    spectrum = torch.fft.rfft(bc_mix(x1, x2, torch.full((1,), 0.5), level1, level2)[0]).abs()
    weight = 10 ** (a_weights(16000, 16000) / 20)
    assert (spectrum[440] * weight[440] / (spectrum[3000] * weight[3000])).item() == pytest.approx(1, abs=0.02)


def test_mixed_targets_pair_classes_in_the_ratio_of_their_levels() -> None:
    torch.manual_seed(0)
    tones = [tone(hertz, 16000, 0.25) for hertz in (400, 400, 1200, 2400)]
    x, target = SoundAugment()(torch.stack(tones), one_hot(0, 0, 1, 2))
    assert x.shape == (4, 4000)
    torch.testing.assert_close(target.sum(1), torch.ones(4))
    assert ((target > 0).sum(1) == 2).all()  # never a clip with its own class
    heard = torch.fft.rfft(x).abs()[:, [100, 300, 600]] * 10 ** (a_weights(16000, 4000)[[100, 300, 600]] / 20)
    torch.testing.assert_close(heard / heard.sum(1, keepdim=True), target, atol=0.01, rtol=0)


def test_a_batch_of_one_class_and_silence_stay_whole() -> None:
    x, target = torch.randn(3, 4000), one_hot(1, 1, 1)
    mixed, mixed_target = SoundAugment()(x, target)
    assert torch.equal(mixed, x) and torch.equal(mixed_target, target)
    silent, _ = SoundAugment(3000, time_scale=1.25, gain_db=6, roll=True, pad=True)(
        torch.zeros(3, 4000), one_hot(0, 1, 2)
    )
    assert torch.equal(silent, torch.zeros(3, 3000))


def ramp(batch: int, length: int) -> Tensor:
    return torch.arange(1.0, length + 1).repeat(batch, 1)


def test_crops_are_windows_at_places_of_their_own() -> None:
    torch.manual_seed(0)
    x, target = SoundAugment(10, mix="none")(ramp(200, 15), one_hot(*[0] * 200))
    assert torch.equal(target, one_hot(*[0] * 200))
    assert torch.equal(x - x[:, :1], torch.arange(10.0).repeat(200, 1))
    assert set(x[:, 0].tolist()) == {1, 2, 3, 4, 5, 6}


def test_padded_crops_reach_half_a_window_beyond_the_sound() -> None:
    torch.manual_seed(0)
    clip = torch.nn.functional.pad(ramp(500, 5), (20, 30))  # exact zeros are not a part of the clip
    x, _ = SoundAugment(8, mix="none", pad=True)(clip, one_hot(*[0] * 500))
    first = (x > 0).int().argmax(1) - x.gather(1, (x > 0).int().argmax(1, keepdim=True))[:, 0]
    assert x.shape == (500, 8) and (x.max(1).values > 0).all()
    # the sound's first sample lies from the middle of the window to 1 before its start (5 samples, 4 zeros a side)
    assert set((first + 1).tolist()) == {4, 3, 2, 1, 0, -1}


def test_roll_gain_and_time_scale() -> None:
    torch.manual_seed(0)
    target = one_hot(*[0] * 50)
    rolled, _ = SoundAugment(mix="none", roll=True)(ramp(50, 9), target)
    assert torch.equal(rolled.sort(1).values, ramp(50, 9)) and len(set(rolled[:, 0].tolist())) == 9
    louder, _ = SoundAugment(mix="none", gain_db=6)(torch.ones(50, 4), target)
    gain = 20 * louder[:, 0].log10()
    assert gain.abs().max() <= 6 and gain.min() < -4 and gain.max() > 4
    counts = []
    for _ in range(20):
        scaled, _ = SoundAugment(mix="none", time_scale=1.25)(tone(1000, 16000)[None], one_hot(0))
        assert scaled.shape == (1, 16000)
        counts.append(int(torch.fft.rfft(scaled[0]).abs().argmax()))
    assert 790 < min(counts) < 950 and 1050 < max(counts) < 1260


def test_a_clip_shorter_than_the_window_is_filled_up() -> None:
    x, _ = SoundAugment(9, mix="none")(ramp(1, 4), one_hot(0))
    assert x.tolist() == [[0, 0, 1, 2, 3, 4, 0, 0, 0]]


def test_same_seed_same_augmentation() -> None:
    augment = SoundAugment(3000, time_scale=1.25, gain_db=6, roll=True, pad=True)
    x, target = torch.randn(4, 4000), one_hot(0, 1, 2, 0)
    torch.manual_seed(3)
    first = augment(x, target)
    torch.manual_seed(3)
    again = augment(x, target)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], augment(x, target)[0])


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"window": 0}, "window"),
        ({"time_scale": 0.5}, "time_scale"),
        ({"gain_db": -1}, "gain_db"),
        ({"mix": "x"}, "mix"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=f"SoundAugment: {field}: found"):
        SoundAugment(**options)  # type: ignore[arg-type]


def test_ten_crops_are_evenly_spaced() -> None:
    crops = ten_crops(ramp(2, 28), 10)
    assert crops.shape == (2, 10, 10)
    assert crops[1, :, 0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19] and crops[0, 9, 9] == 28
    assert ten_crops(ramp(1, 28), 10, crops=1)[0, 0, 0] == 10
    with pytest.raises(ValueError, match="crops: found 0"):
        ten_crops(ramp(1, 28), 10, crops=0)


def test_ten_crops_padded_by_half_a_window() -> None:
    crops = ten_crops(torch.nn.functional.pad(ramp(1, 9), (5, 0)), 4, pad=True)[0]
    assert crops[0].tolist() == [0, 0, 1, 2] and crops[9].tolist() == [8, 9, 0, 0]
