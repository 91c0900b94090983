import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from rrnet_lightning.data.files.arrays import keep_array
from rrnet_lightning.data.files.root import dataset_folder
from rrnet_lightning.data.sound import esc
from rrnet_lightning.data.sound.esc import read_esc
from rrnet_lightning.data.sound.esc_table import find_sounds, list_sounds, read_rows
from rrnet_lightning.errors import DataError
from tests.fake import esc_clip, write_esc

RATE = 8000
FIRST = "1-1002-A-0"


def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, seconds: float) -> None:
        raise AssertionError(f"{path} decoded")

    monkeypatch.setattr(esc, "read_clip", refuse)


def special(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(("name", "suffix"), [("esc50", ".wav"), ("esc10", ".flac")])
def test_labels_folds_and_samples(tmp_path: Path, name: str, suffix: str) -> None:
    folder = write_esc(tmp_path, name, suffix)
    clips = read_esc(folder, RATE, tmp_path / "cache", classes=3)
    assert clips.waveforms.shape == (12, 5 * RATE) and clips.waveforms.dtype == np.int16 and clips.rate == RATE
    assert clips.names == ("dog", "rooster", "rain") and clips.label.tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert clips.fold.tolist() == [1] * 6 + [2] * 6 and clips.label.dtype == clips.fold.dtype == torch.long
    assert clips.ids[:3] == [FIRST, "1-1003-A-0", "1-1002-A-1"] and special(clips.counts) == {}
    assert (clips.waveforms[4] == esc_clip(10, 2, RATE)).all() and (clips.waveforms[1] == esc_clip(0, 3, RATE)).all()
    wanted = torch.from_numpy(esc_clip(10, 2, RATE)) / 32768
    for rows in ([4], torch.tensor([4]), slice(4, 5)):
        torch.testing.assert_close(clips.samples(rows), wanted[None].float(), rtol=0, atol=0)


def test_second_run_opens_what_was_kept(
    folder: Path, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_esc(folder, RATE, tmp_path / "c")
    with monkeypatch.context() as patch:
        no_decoding(patch)
        again = read_esc(folder, RATE, tmp_path / "c")
        assert isinstance(again.waveforms, np.memmap) and not again.waveforms.flags.writeable
        for rate, esc10 in ((4000, False), (RATE, True)):
            with pytest.raises(AssertionError, match="decoded"):
                read_esc(folder, rate, tmp_path / "c", esc10=esc10)
    assert (again.waveforms == first.waveforms).all() and again.digest == first.digest
    assert torch.equal(again.label, first.label) and torch.equal(again.fold, first.fold)
    assert (again.ids, again.names, again.counts) == (first.ids, first.names, first.counts)
    soundfile.write(sound, esc_clip(0, 99, RATE), RATE)  # of the same size
    new = read_esc(folder, RATE, tmp_path / "c")
    assert (new.waveforms[0] == esc_clip(0, 99, RATE)).all() and new.digest != first.digest
    kept = {path.suffix for path in (tmp_path / "c").iterdir()}
    assert kept == {".npy", ".json"} and len(list((tmp_path / "c").iterdir())) == 4


@pytest.mark.parametrize("damage", ["cut", "empty", "no note", "bad note", "other note", "other type"])
def test_damaged_cache_is_made_again(folder: Path, tmp_path: Path, damage: str) -> None:
    first = read_esc(folder, RATE, tmp_path / "c")
    waveforms = np.array(first.waveforms)
    array, note = (next((tmp_path / "c").glob(f"*{end}")) for end in (".npy", ".json"))
    if damage in ("cut", "empty"):
        raw = array.read_bytes()
        array.unlink()
        array.write_bytes(raw[: len(raw) - 1000] if damage == "cut" else b"")
    elif damage == "no note":
        note.unlink()
    elif damage == "other type":
        np.save(array, waveforms.astype(np.float32))
    else:
        note.write_text("{" if damage == "bad note" else json.dumps({"digest": "0"}))
    again = read_esc(folder, RATE, tmp_path / "c")
    assert (again.waveforms == waveforms).all() and again.ids == first.ids


@pytest.mark.parametrize(
    ("subtype", "format", "tolerance"),
    [("FLOAT", "WAV", 1), ("PCM_24", "WAV", 1), ("PCM_U8", "WAV", 256), ("PCM_24", "FLAC", 1), ("VORBIS", "OGG", 4000)],
)
def test_sample_types(folder: Path, sound: Path, tmp_path: Path, subtype: str, format: str, tolerance: int) -> None:
    samples = esc_clip(0, 7, RATE) / 32768
    sound.unlink()
    soundfile.write(sound.with_suffix(f".{format.lower()}"), samples, RATE, subtype, format=format)
    clips = read_esc(folder, RATE, tmp_path / "c")
    error = clips.samples([0])[0].numpy() * 32768 - samples * 32768
    assert np.abs(error).max() <= tolerance and np.std(error) < tolerance / 2 and special(clips.counts) == {}


def test_special_clips_are_counted(folder: Path, tmp_path: Path) -> None:
    paths = sorted((folder / "audio").iterdir())
    samples = esc_clip(0, 7, RATE, seconds=6) / 32768
    stereo = np.stack([samples[: 5 * RATE], np.zeros(5 * RATE)], axis=1)
    loud = np.where(np.arange(5 * RATE) == 9, 1.5, 0.25)
    contents = [stereo, samples[:1000], samples, loud, np.zeros(5 * RATE), np.full(5 * RATE, 1e-6)]
    for path, content in zip(paths, contents, strict=False):
        soundfile.write(path, content, RATE, "FLOAT")
    (folder / "audio/extra.ogg").write_bytes(b"never opened")
    (folder / "audio/notes.txt").touch()
    clips = read_esc(folder, RATE, tmp_path / "c")
    assert clips.counts == {
        "clips of several channels (mean taken)": 1,
        "clips shorter than 5 s (zeros added)": 1,
        "clips longer than 5 s (cut)": 1,
        "clips beyond full scale (set to it)": 1,
        "silent clips (kept)": 2,
        "sound files without a row (left out)": 1,
    }
    kept = {path.stem: clips.waveforms[clips.ids.index(path.stem)].astype(float) for path in paths}
    wanted = np.round(samples * 32768)
    of = [kept[path.stem] for path in paths]
    assert np.abs(of[0] - wanted[: 5 * RATE] / 2).max() <= 1
    assert (of[1][:1000] == wanted[:1000]).all() and not of[1][1000:].any()
    assert (of[2] == wanted[: 5 * RATE]).all()
    assert (of[3][8], of[3][9]) == (8192, 32767) and not of[4].any() and not of[5].any()


@pytest.mark.parametrize(("found", "rate"), [(16000, 8000), (11025, 8000), (8000, 16000)])
def test_resampling(folder: Path, sound: Path, tmp_path: Path, found: int, rate: int) -> None:
    """A tone that both rates hold stays, one that only the higher rate holds goes."""

    def tone(at: int, hertz: int) -> NDArray[np.float64]:
        samples: NDArray[np.float64] = 0.5 * np.sin(2 * np.pi * hertz * np.arange(5 * at) / at)
        return samples

    high = 0 if found < rate else 1
    soundfile.write(sound, tone(found, 1000) + high * tone(found, 5000), found)
    clips = read_esc(folder, rate, tmp_path / "c")
    assert clips.waveforms.shape == (12, 5 * rate) and clips.counts["clips shorter than 5 s (zeros added)"] == 0
    inside = slice(rate // 10, -rate // 10)  # the filter sees the ends
    error = clips.samples([0])[0].numpy()[inside] - tone(rate, 1000)[inside]
    assert np.abs(error).max() < 0.005


def test_esc10_inside_esc50_and_wrong_number_of_classes(folder: Path, tmp_path: Path) -> None:
    clips = read_esc(folder, RATE, tmp_path / "c", esc10=True, classes=2)
    assert (
        clips.names == ("dog", "rooster")
        and len(clips.ids) == 8
        and clips.counts["sound files without a row (left out)"] == 0
    )
    assert (clips.waveforms[4] == esc_clip(0, 4, RATE)).all() and clips.label.tolist() == [0, 0, 1, 1] * 2
    with pytest.raises(DataError, match=r"esc50.csv: found 3 classes, wanted 2.*chosen with esc10"):
        read_esc(folder, RATE, tmp_path / "c", classes=2)
    table = folder / "meta/esc50.csv"
    table.write_text(table.read_text().replace("True", "False"))
    with pytest.raises(DataError, match=r"esc50.csv: found no row with esc10 True"):
        read_esc(folder, RATE, tmp_path / "c", esc10=True)


def test_no_place_to_keep(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"a file, not a folder")
    with pytest.raises(DataError, match=r"esc50-8000-\w{32}.npy: cannot be written .*RRNET_CACHE"):
        read_esc(folder, RATE, tmp_path / "c")


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError(28, "No space left"), r"a.npy: cannot be written .*No space"), (KeyboardInterrupt(), "^$")],
)
def test_what_breaks_off_leaves_nothing(tmp_path: Path, error: BaseException, told: str) -> None:
    def rows() -> Iterator[NDArray[np.int16]]:
        yield np.zeros(2, np.int16)
        raise error

    with pytest.raises((DataError, KeyboardInterrupt), match=told):
        keep_array(tmp_path / "a.npy", rows(), (2, 2), np.int16, {})
    assert list(tmp_path.iterdir()) == []


def real(name: str, table: str) -> Path:
    try:
        return dataset_folder(name, [table, "audio"])
    except DataError as error:
        pytest.skip(f"real data absent: {error}")


def test_real_esc10(tmp_path: Path) -> None:
    clips = read_esc(real("esc10", "esc10.csv"), 16000, tmp_path, classes=10)
    assert clips.waveforms.shape == (400, 80000) and special(clips.counts) == {}
    assert set(Counter(zip(clips.fold.tolist(), clips.label.tolist(), strict=True)).values()) == {8}
    assert clips.names[0] == "dog" and clips.names[9] == "chainsaw"


def test_real_esc50_table_and_files() -> None:
    folder = real("esc50", "meta/esc50.csv")
    rows = read_rows(folder / "meta/esc50.csv")
    assert set(Counter((row.fold, row.target) for row in rows).values()) == {8} and len(rows) == 2000
    files = find_sounds(folder / "meta/esc50.csv", rows, list_sounds(folder / "audio"))
    assert [file.stem for file in files] == [row.id for row in rows] and {file.suffix for file in files} == {".flac"}
