import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rrnet_lightning.candidates.features import Features, keep_features, read_features
from rrnet_lightning.errors import DataError


def some_features(samples: int = 6, width: int = 3, classes: int = 2) -> Features:
    """Features of samples in folds 1, 2, 3, 1, ..."""
    generator = torch.Generator().manual_seed(0)
    return Features(
        features=torch.randn(samples, width, generator=generator),
        logits=torch.randn(samples, classes, generator=generator),
        label=torch.arange(samples) % classes,
        fold=torch.arange(samples) % 3 + 1,
        names=tuple(f"class {number}" for number in range(classes)),
        ids=[f"sample {number}" for number in range(samples)],
        left_out=(1, 3),
        backbone="Tiny",
        checksum="a1",
        recipe="b2",
        dataset="esc50",
    )


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    wanted = some_features()
    keep_features(tmp_path / "folder" / "x.npy", wanted)
    found = read_features(tmp_path / "folder" / "x.npy")
    for field, value in vars(wanted).items():
        ours = getattr(found, field)
        assert torch.equal(ours, value) if isinstance(value, torch.Tensor) else ours == value, field
    assert sorted(path.name for path in (tmp_path / "folder").iterdir()) == ["x.json", "x.npy"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": torch.tensor([0, 1, 0, 1, 0, 2])}, "label: found 2 in row 5"),
        ({"fold": torch.ones(5)}, "fold: found 5 rows, wanted 6"),
        ({"left_out": (1, 4)}, "left_out: found fold 4"),
        ({"names": ("only",)}, r"logits: found shape \[6, 2\], wanted \[6, 1\]"),
        ({"features": torch.full((6, 3), torch.nan)}, "features"),
    ],
)
def test_fields_that_do_not_fit_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(some_features(), **change)  # type: ignore[arg-type]


def as_format_1(note: Path) -> str:
    """Write the note as it was when its digest was of the numbers alone; returns the text."""
    values = json.loads(note.read_text())
    array = np.load(note.with_suffix(".npy"))
    note.write_text(json.dumps({**values, "format": 1, "content": hashlib.sha256(array.tobytes()).hexdigest()}))
    return note.read_text()


def test_format_1_is_read_still(tmp_path: Path) -> None:
    keep_features(tmp_path / "x.npy", some_features())
    as_format_1(tmp_path / "x.json")
    assert read_features(tmp_path / "x.npy").ids == some_features().ids


@pytest.mark.parametrize("field", ["label", "fold", "left_out", "ids", "recipe"])
def test_the_digest_covers_the_note(tmp_path: Path, field: str) -> None:
    keep_features(tmp_path / "x.npy", some_features())
    values = json.loads((tmp_path / "x.json").read_text())
    values[field] = values[field][::-1]
    (tmp_path / "x.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match="content"):
        read_features(tmp_path / "x.npy")


def test_damage_is_named(tmp_path: Path) -> None:
    file, note = tmp_path / "x.npy", tmp_path / "x.json"
    with pytest.raises(DataError, match=r"x\.json: cannot be read \(No such file"):
        read_features(file)
    keep_features(file, some_features())
    whole, text = file.read_bytes(), as_format_1(note)
    archive = io.BytesIO()
    np.savez(archive, x=np.zeros(3))
    for damaged, message in (
        (whole[:-4], r"x\.npy: cannot be read"),
        (b"", r"x\.npy: cannot be read"),
        (b"PK\3\4 junk", r"x\.npy: cannot be read"),
        (archive.getvalue(), "found an archive of arrays, wanted one array"),
        (whole.replace(b"<f4", b"<i4"), r"found int32 numbers \(6, 5\), wanted float32 any x any"),
        (whole.replace(b"<f4", b"|O "), r"x\.npy: cannot be read"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), r"content: .* not as they were written"),
    ):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=message):
            read_features(file)
    file.write_bytes(whole)
    for change, message in (
        ({"format": 0}, "format: found 0"),
        ({"feature_dim": 5}, "feature_dim: found 5, wanted 1 to 4"),
        ({"ids": ["one"]}, "ids: found 1 rows"),
    ):
        note.write_text(json.dumps(json.loads(text) | change))
        with pytest.raises(DataError, match=message):
            read_features(file)
    note.write_text("[]")
    with pytest.raises(DataError, match=r"x\.json: found a list"):
        read_features(file)
    note.write_text(json.dumps({name: value for name, value in json.loads(text).items() if name != "checksum"}))
    with pytest.raises(DataError, match="no 'checksum'"):
        read_features(file)


def test_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(DataError, match=r"x\.npy: cannot be written"):
        keep_features(tmp_path / "taken" / "x.npy", some_features())
    with pytest.raises(DataError, match=r"ends in '\.txt', wanted \.npy"):
        keep_features(tmp_path / "x.txt", some_features())
