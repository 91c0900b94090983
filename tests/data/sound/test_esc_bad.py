"""Poor clips and tables: a message that names the file and line, and nothing kept."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rrnet_lightning.data.sound.esc import read_esc
from rrnet_lightning.errors import DataError
from tests.fake import esc_clip

RATE = 8000
FIRST = "1-1002-A-0"


def cut(path: Path, share: float) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])


def other(format: str, subtype: str, share: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        soundfile.write(path, esc_clip(0, 7, RATE) / 32768, RATE, subtype, format=format)
        cut(path, share)

    return write


def samples(values: float, count: int = 100, rate: int = RATE) -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, np.full(count, float(values)), rate, "FLOAT")


BAD_CLIPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "found an empty file"),
    "text": (lambda path: path.write_text("hello"), "cannot be decoded .*not recognised"),
    "no samples": (samples(0, 0), "found no samples"),
    "cut WAV": (lambda path: cut(path, 0.6), "is cut short; found 23991 samples"),
    "cut FLAC": (other("FLAC", "PCM_16", 0.6), "cannot be decoded .*cut short"),
    "cut OGG": (other("OGG", "VORBIS", 0.6), "is cut short"),
    "cut last page": (other("OGG", "VORBIS", 0.999), "is cut short"),
    "nan": (samples(float("nan")), "found samples of size nan, wanted finite"),
    "infinite": (samples(float("inf")), "found samples of size inf"),
    "other units": (samples(20000), "found samples of size 20000, wanted .* full scale -1 to 1"),
    "odd rate": (samples(0.5, rate=99991), "found a rate of 99991 Hz, wanted one with a simpler ratio"),
}


@pytest.mark.parametrize("kind", BAD_CLIPS)
def test_bad_clip_is_named_and_nothing_kept(folder: Path, sound: Path, tmp_path: Path, kind: str) -> None:
    spoil, told = BAD_CLIPS[kind]
    spoil(sound)
    with pytest.raises(DataError, match=rf"{FIRST}.wav: .*{told}.*Get this file again"):
        read_esc(folder, RATE, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_streamed_wav_without_sizes_is_read(folder: Path, sound: Path, tmp_path: Path) -> None:
    raw = bytearray(sound.read_bytes())
    raw[4:8] = b"\xff" * 4
    sound.write_bytes(raw)
    assert (read_esc(folder, RATE, tmp_path / "c").waveforms[0] == esc_clip(0, 2, RATE)).all()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("filename,fold,", "filename,part,", r"line 1: found the columns filename, part, .*wanted also fold\. Get"),
        ("target,category", "a,b", r"line 1: .*wanted also target, category"),
        (f"{FIRST}.wav,1,0,dog", f"{FIRST}.wav,,0,dog", r"line 2: found no fold"),
        (f"{FIRST}.wav,1,0,dog", f"{FIRST}.wav,1,0, ", r"line 2: found no category"),
        (f"{FIRST}.wav,1,0,dog,True,1002,A", f"{FIRST}.wav,1", r"line 2: found no target"),
        (f"{FIRST}.wav,1,", f"{FIRST}.wav,0,", r"line 2: found fold '0', wanted a whole number from 1"),
        (f"{FIRST}.wav,1,", f"{FIRST}.wav,1.5,", r"line 2: found fold '1.5'"),
        (f"{FIRST}.wav,1,0", f"{FIRST}.wav,1,-1", r"line 2: found target '-1', wanted a whole number from 0"),
        (f"{FIRST}.wav,1,0", f"{FIRST}.wav,1,{'9' * 30}", r"line 2: found target '9{30}'"),
        (f"{FIRST}.wav", f"../{FIRST}.wav", r"line 2: found filename '../.*wanted a name without folders"),
        (f"{FIRST}.wav,1,0,dog", f"{FIRST}.wav,1,1,dog", r"line 3: found category 'dog' as in line 2, of another"),
        (f"{FIRST}.wav,1,0,dog", f"{FIRST}.wav,1,0,cat", r"line 3: found target '0' as in line 2, of another"),
        ("1-1003-A-0.wav", f"{FIRST}.flac", rf"line 3: found clip '{FIRST}' as in line 2; wanted each clip once"),
        ("A\n", "A,more\n", r"line 2: found more values than columns"),
        ("1-1003-A-0.wav", "9-9-A-0.wav", r"line 3: found no file 9-9-A-0.wav .*; 1 of 12 rows have none"),
        ("dog", "d\0g", r"line 2: found binary data"),
        ("dog", "x" * 200_000, r"line 2: found no csv"),
    ],
)
def test_bad_csv_is_named(folder: Path, tmp_path: Path, old: str, new: str, told: str) -> None:
    table = folder / "meta/esc50.csv"
    text = table.read_text()
    assert old in text
    table.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=rf"esc50.csv, {told}"):
        read_esc(folder, RATE, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_csv_or_sounds_absent(folder: Path, tmp_path: Path) -> None:
    table, header = folder / "meta/esc50.csv", "filename,fold,target,category,esc10,src_file,take\n"
    (folder / "esc10.csv").write_text(header)
    with pytest.raises(DataError, match=r"esc50: found meta/esc50.csv, esc10.csv, wanted exactly one of"):
        read_esc(folder, RATE)
    (folder / "esc10.csv").unlink()
    table.write_text(header)
    with pytest.raises(DataError, match=r"esc50.csv, line 2: found no clips"):
        read_esc(folder, RATE)
    table.unlink()
    with pytest.raises(DataError, match=r"esc50: found no csv, wanted exactly one of meta/esc50.csv"):
        read_esc(folder, RATE)
    table.write_text(header)
    (folder / "audio").rename(folder / "sounds")
    with pytest.raises(DataError, match=r"audio: cannot be listed .*Put the sound files there"):
        read_esc(folder, RATE)
    with pytest.raises(DataError, match=r"rate: found 0, wanted"):
        read_esc(folder, 0)
