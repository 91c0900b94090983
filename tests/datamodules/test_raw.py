from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.data.image.cifar import Images
from rrnet_lightning.datamodules.raw_image import RawImageDataModule, folds
from rrnet_lightning.datamodules.raw_sound import RawSoundDataModule
from rrnet_lightning.errors import DataError
from tests.fake import write_cifar, write_cifar_batches, write_esc


def sounds(root: Path, **options: Any) -> RawSoundDataModule:
    """A miniature ESC-50, 3 classes, 2 clips a class and fold."""
    given = {"dataset": "esc50", "root": str(root), "rate": 8000, "classes": 3, "batch_size": 4, **options}
    return RawSoundDataModule(**given)


def rows(batches: Iterable[Any]) -> list[list[int]]:
    return [batch[2].tolist() for batch in batches]


def test_folds_left_out_are_never_trained_on(tmp_path: Path) -> None:
    write_esc(tmp_path, folds=3)
    data = sounds(tmp_path, left_out=[3, 1], val_fold=1)
    data.setup("fit")
    by_part = {part: set(data.rows(part).tolist()) for part in ("train", "val", "test", "predict")}
    assert {part: set(data.raw.fold[sorted(found)].tolist()) for part, found in by_part.items()} == {
        "train": {2},
        "val": {1},
        "test": {3},
        "predict": {1, 2, 3},
    }
    assert len(by_part["predict"]) == 18 and (data.source_dim, data.target_dim, data.edge_dim) == (40000, 3, 0)
    x, label, row = next(iter(data.test_dataloader()))
    assert x.shape == (4, 40000) and x.dtype == torch.float32 and 0 < float(x.abs().max()) <= 1
    assert torch.equal(label, data.raw.label[row]) and torch.equal(x, data.raw.samples(row))


def test_training_batches_are_full_and_change_with_the_epoch_alone(tmp_path: Path) -> None:
    write_esc(tmp_path, folds=3)
    data = sounds(tmp_path, left_out=[1], batch_size=5)
    data.setup("fit")
    L.seed_everything(1)
    loader = data.train_dataloader()
    first = rows(loader)
    assert len(loader) == 2 and [len(batch) for batch in first] == [5, 5] and rows(loader) == first
    loader.sampler.set_epoch(1)  # type: ignore[attr-defined]
    assert rows(loader) != first
    torch.rand(5)
    L.seed_everything(1)
    assert rows(data.train_dataloader()) == first
    assert sorted(row for batch in rows(data.predict_dataloader()) for row in batch) == list(range(18))
    data.batch_size = 50
    assert [len(batch) for batch in rows(data.train_dataloader())] == [12]


def test_esc10_is_found_inside_esc50(tmp_path: Path) -> None:
    write_esc(tmp_path)
    data = sounds(tmp_path, dataset="esc10", classes=2)
    data.prepare_data()
    data.setup("fit")
    assert data.names == ("dog", "rooster")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"left_out": [1, 4]}, r"left_out: found fold 4, wanted some of \[1, 2\]"),
        ({"left_out": [1, 2]}, "wanted some left to train on"),
        ({"val_fold": 2}, r"val_fold: found 2, wanted one of left_out, \[1\]"),
        ({"classes": 50}, "found 3 classes, wanted 50"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"rate": 0}, "rate: found 0"),
        ({"dataset": "esc10", "root": "nowhere"}, "Download it with --data.download true"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_esc(tmp_path)
    with pytest.raises(DataError, match=message):
        sounds(Path(options.pop("root", tmp_path)), **options).setup("fit")


def test_class_that_only_a_left_out_fold_has_is_named(tmp_path: Path) -> None:
    folder = write_esc(tmp_path)
    table = folder / "meta/esc50.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if ",2,10,rain" not in line))
    with pytest.raises(DataError, match="no training sample of class 'rain' outside the folds"):
        sounds(tmp_path, left_out=[1]).setup("fit")


def test_images_are_parted_by_class() -> None:
    label = torch.arange(5000) % 10
    images = Images(torch.zeros(5000, 3, 32, 32, dtype=torch.uint8), label, torch.arange(5000) >= 4000, ("",) * 10, [])
    fold = folds(images)
    assert fold.bincount().tolist() == [3500, 400, 100, 1000] and bool((fold[4000:] == 3).all())
    counts = torch.stack([label[fold == part].bincount() for part in (0, 1, 2)])
    assert counts.unique(dim=1).T.tolist() == [[350, 40, 10]]
    assert torch.equal(fold, folds(images))


@pytest.mark.parametrize("write", [write_cifar, write_cifar_batches])
def test_images_come_from_tiles_or_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any) -> None:
    write(tmp_path)
    if write is write_cifar_batches:
        monkeypatch.setattr("torchvision.datasets.CIFAR10._check_integrity", lambda self: True)
        monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    data = RawImageDataModule(root=str(tmp_path), classes=3, batch_size=8)
    data.prepare_data()
    data.setup("fit")
    x, label, row = next(iter(data.train_dataloader()))
    assert x.shape[1:] == (3, 32, 32) and float(x[:, :, 1, 2].min()) == 1
    assert torch.allclose(x[:, 2, 0, 0] * 255, 20.0 * label) and torch.equal(data.raw.fold[row], 0 * row)


@pytest.mark.skipif(not (data_root() / "cifar10").is_dir(), reason="CIFAR-10 is not in the data root")
def test_real_cifar_has_the_protocols_parts() -> None:
    data = RawImageDataModule()
    data.setup("fit")
    assert data.raw.fold.bincount().tolist() == [35000, 4000, 1000, 10000]
