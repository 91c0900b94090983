"""Environmental sounds: ESC-10 and ESC-50, five-second clips in official folds."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from rrnet_lightning.data.files.arrays import keep_array, open_array
from rrnet_lightning.data.files.columns import read_bytes
from rrnet_lightning.data.files.root import cache_root, user_path
from rrnet_lightning.data.sound.audio import check_rates, read_clip, resample
from rrnet_lightning.data.sound.esc_table import find_csv, find_sounds, list_sounds, read_rows
from rrnet_lightning.errors import DataError

SECONDS = 5
FULL_SCALE = 32768
CACHE_FORMAT = 1  # count up when the same files give other waveforms
COUNTS = (
    "clips of several channels (mean taken)",
    "clips shorter than 5 s (zeros added)",
    "clips longer than 5 s (cut)",
    "clips beyond full scale (set to it)",
    "silent clips (kept)",
    "sound files without a row (left out)",
)


@dataclass(frozen=True, eq=False)
class EscClips:
    """N clips of T = 5 · rate samples.

    Attributes:
        waveforms: [N, T] int16, memory-mapped, read only: 32,768 is full scale. `samples` gives floats.
        label: [N] long, row in `names`.
        fold: [N] long, the official fold, from 1. Clips cut from one recording share a fold.
        names: C class names, in the order of the official class numbers.
        ids: N file names without their ending, in the order of the csv.
        rate: samples a second.
        counts: how many clips and files were treated in which special way, see `read_esc`.
        digest: changes when the csv, a sound file, the rate or the choice of clips changes.
    """

    waveforms: NDArray[np.int16]
    label: Tensor
    fold: Tensor
    names: tuple[str, ...]
    ids: list[str]
    rate: int
    counts: dict[str, int]
    digest: str

    def samples(self, rows: Sequence[int] | Tensor | slice) -> Tensor:
        """Copy of some clips, [B, T] float32 with full scale -1 to 1."""
        part = self.waveforms[rows.numpy() if isinstance(rows, Tensor) else rows]
        return torch.from_numpy(np.multiply(part, np.float32(1 / FULL_SCALE), dtype=np.float32))


def read_esc(
    folder: str | Path, rate: int, cache: str | Path | None = None, *, esc10: bool = False, classes: int | None = None
) -> EscClips:
    """Read ESC-10 or ESC-50. The first call decodes all clips and keeps them; later calls open what was kept.

    The folder holds `audio/` and a csv file (`meta/esc50.csv`, `esc10.csv`, ...) with the columns filename, fold,
    target and category. Where the csv names a `.wav`, the file may also be a `.flac` or `.ogg`. Labels are numbered
    from 0 in the order of the targets.

    Clips are kept as 16-bit whole numbers. Originals of up to 16 bit keep every bit if they are not resampled. For
    others the rounding error lies 98 dB below full scale. The kept file is half the size of one of float32.

    These are treated in a special way, and counted in `counts`:
        - A clip shorter than 5 s gets zeros at its end; a longer one is cut.
        - Of several channels the mean is taken.
        - Samples beyond full scale are set to full scale.
        - Silent clips stay.
        - Sound files without a row in the csv are left out.

    Args:
        folder: the data set.
        rate: samples a second of the result. Clips of another rate are resampled.
        cache: folder for decoded clips, 2 · 5 · rate bytes a clip. Default: `esc` in `cache_root()`. Any file there may
            be removed at any time; it is made again when it is needed.
        esc10: keep only the clips that the column esc10 calls True.
        classes: wanted number of classes; None takes those found.

    Raises:
        DataError: no csv or several; missing column or value; repeated clip; class numbers and names that do not match;
            another number of classes than wanted; a row without its file; a file that `read_clip` refuses; no place to
            keep the clips.
    """
    if rate < 1:
        raise DataError(f"rate: found {rate}, wanted samples a second, such as 16000")
    folder = user_path(folder)
    table, sounds = find_csv(folder), list_sounds(folder / "audio")
    digest = _digest(table, sounds, rate, esc10)
    file = (user_path(cache) if cache is not None else cache_root() / "esc") / f"{table.stem}-{rate}-{digest[:32]}.npy"
    clips = _open(file, rate, digest)
    if clips is None:
        _decode(file, table, sounds, rate, esc10, digest)
        clips = _open(file, rate, digest)
    if clips is None:
        raise DataError(f"{file}: cannot be read back. Set the environment variable RRNET_CACHE to another folder.")
    if classes is not None and len(clips.names) != classes:
        raise DataError(
            f"{table}: found {len(clips.names)} classes, wanted {classes}. Get the whole file again, or check that "
            f"this is the data set you mean{'' if esc10 else '; ESC-10 inside ESC-50 is chosen with esc10'}."
        )
    return clips


def _digest(table: Path, sounds: Sequence[Path], rate: int, esc10: bool) -> str:
    """Of everything the kept clips depend on; times too, since all five-second WAV files have one size."""
    files = [(file.name, stat.st_size, stat.st_mtime_ns) for file in sounds for stat in [file.stat()]]
    settings = [CACHE_FORMAT, rate, esc10, hashlib.sha256(read_bytes(table)).hexdigest(), files]
    return hashlib.sha256(repr(settings).encode()).hexdigest()


def _open(file: Path, rate: int, digest: str) -> EscClips | None:
    try:
        waveforms, note = open_array(file, (None, SECONDS * rate), np.int16)
    except DataError:  # absent or damaged: made again
        return None
    if note.get("digest") != digest:
        return None
    label, fold = torch.tensor(note["label"]), torch.tensor(note["fold"])
    return EscClips(waveforms, label, fold, tuple(note["names"]), note["ids"], rate, note["counts"], digest)


def _decode(file: Path, table: Path, sounds: Sequence[Path], rate: int, esc10: bool, digest: str) -> None:
    rows = read_rows(table)
    paths = find_sounds(table, rows, sounds)
    chosen = [(row, path) for row, path in zip(rows, paths, strict=True) if row.esc10 or not esc10]
    if not chosen:
        raise DataError(f"{table}: found no row with esc10 True, wanted those of ESC-10. Get the csv of ESC-50.")
    numbers = sorted({row.target for row, _ in chosen})
    named = {row.target: row.name for row, _ in chosen}
    counts = Counter({name: 0 for name in COUNTS})
    counts[COUNTS[-1]] = len(sounds) - len(set(paths))
    note = {
        "digest": digest,
        "rate": rate,
        "names": [named[number] for number in numbers],
        "ids": [row.id for row, _ in chosen],
        "label": [numbers.index(row.target) for row, _ in chosen],
        "fold": [row.fold for row, _ in chosen],
        "counts": counts,
    }
    waveforms = _waveforms([path for _, path in chosen], rate, counts)
    keep_array(file, waveforms, (len(chosen), SECONDS * rate), np.int16, note)


def _waveforms(paths: Sequence[Path], rate: int, counts: Counter[str]) -> Iterator[NDArray[np.int16]]:
    """Each clip as it is kept, [T]; counts what was special about it."""
    for path in track(paths, f"decoding {len(paths)} clips", transient=True):
        clip = read_clip(path, SECONDS)
        check_rates(path, clip.rate, rate)
        scaled = np.round(resample(clip, rate)[: SECONDS * rate] * FULL_SCALE)
        row = np.zeros(SECONDS * rate, np.int16)
        row[: len(scaled)] = scaled.clip(-FULL_SCALE, FULL_SCALE - 1)
        length = SECONDS * clip.rate
        special = (
            clip.channels > 1,
            clip.frames < length,
            clip.frames > length,
            bool((np.abs(scaled) > FULL_SCALE).any()),
            not row.any(),
        )
        counts.update(name for name, true in zip(COUNTS, special, strict=False) if true)
        yield row
