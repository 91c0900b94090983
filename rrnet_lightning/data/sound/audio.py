"""Sound files to samples: WAV, FLAC and OGG, of any sample type, rate and number of channels."""

import os
from math import ceil, gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rrnet_lightning.errors import DataError, reason

SUFFIXES = (".wav", ".flac", ".ogg")  # in order of preference
MAX_PEAK = 4.0  # float files may go a little beyond full scale; more means that they hold other units
MAX_KERNEL = 50_000_000  # numbers in the filter bank of a resampling: 44,100 to 16,000 Hz needs 0.1 million
OGG_PAGE = 65_307  # bytes, at most
STREAMED = (0, 0xFFFFFFFF)  # RIFF sizes of writers that could not go back to fill them in

Samples = NDArray[np.float32]


class Clip(NamedTuple):
    """The beginning of a sound file.

    Attributes:
        samples: [T] float32, full scale is -1 to 1, the mean of the channels.
        rate: samples a second.
        channels: how many the file has.
        frames: length of the whole file in samples.
    """

    samples: Samples
    rate: int
    channels: int
    frames: int


def read_clip(path: Path, seconds: float) -> Clip:
    """Decode the first `seconds` of a sound file.

    Raises:
        DataError: not readable, not a sound file, damaged, cut short, without samples, or with samples that are not
            finite or far beyond full scale.
    """
    import soundfile  # here: readers of a cached set need not pay for it

    try:
        with path.open("rb") as raw:  # the library says of a file that may not be read only "System error"
            if not raw.read(1):
                raise _bad(path, "found an empty file, wanted a sound file")
        with soundfile.SoundFile(str(path)) as file:
            wanted = min(file.frames, ceil(seconds * file.samplerate))
            channels = file.read(wanted, dtype="float32", always_2d=True)
            clip = Clip(channels.mean(1), file.samplerate, file.channels, file.frames)
            cut = len(channels) < wanted or _is_cut(path, file.format)
    except OSError as error:
        raise _bad(path, f"cannot be read ({reason(error)})") from error
    except soundfile.SoundFileError as error:
        raise _bad(
            path, f"cannot be decoded ({reason(error).removeprefix('Error : ')}); damaged, or cut short"
        ) from error
    if cut:
        raise _bad(path, f"is cut short; found {clip.frames} samples and then the end of the file, wanted more")
    if not clip.frames:
        raise _bad(path, "found no samples, wanted some")
    peak = float(np.abs(channels).max())
    if not peak <= MAX_PEAK:
        raise _bad(path, f"found samples of size {peak:g}, wanted finite ones with full scale -1 to 1")
    return clip


def resample(clip: Clip, rate: int) -> Samples:
    """The clip at another rate, [ceil(T · rate / clip.rate)].

    A windowed sinc with a Kaiser window of 64 zero crossings, which is steeper than torchaudio's default. Measured from
    44.1 to 16 kHz: a tone of 7 kHz, which the new rate can hold, is kept whole (by default it loses 1.8 dB). One of
    9 kHz, which would come out as a false tone of 7 kHz, is weakened by 49 dB (by default by 17 dB).
    """
    if clip.rate == rate:
        return clip.samples
    from torchaudio import functional  # here: seconds that readers of a cached set need not pay

    samples: Samples = functional.resample(
        torch.from_numpy(clip.samples),
        clip.rate,
        rate,
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        resampling_method="sinc_interp_kaiser",
        beta=14.769656459379492,
    ).numpy()
    return samples


def check_rates(path: Path, found: int, rate: int) -> None:
    """Refuse rates without a simple ratio, whose filter bank would not fit into memory: a damaged header."""
    common = gcd(found, rate)
    if (found // common) * (rate // common) > MAX_KERNEL:
        raise _bad(path, f"found a rate of {found} Hz, wanted one with a simpler ratio to {rate} Hz")


def _is_cut(path: Path, kind: str) -> bool:
    """Whether WAV or OGG lacks its end. The library reads on silently in both; with FLAC it complains itself."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if kind in ("WAV", "WAVEX"):
            head = file.read(8)
            riff = int.from_bytes(head[4:], "big" if head.startswith(b"RIFX") else "little")
            return riff not in STREAMED and riff + 8 > size + 1  # some writers count a last pad byte they left out
        if kind != "OGG":
            return False
        file.seek(-min(size, OGG_PAGE), os.SEEK_END)
        tail = file.read()
    page = tail[max(tail.rfind(b"OggS"), 0) :]
    if len(page) < 27 or not page[5] & 4:  # 4: this page ends the stream
        return True
    return len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _bad(path: Path, what: str) -> DataError:
    return DataError(f"{path}: {what}. Get this file again, or remove it together with its row.")
