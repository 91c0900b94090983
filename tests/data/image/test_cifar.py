import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rrnet_lightning.data.files.root import dataset_folder
from rrnet_lightning.data.image.cifar import Images, read_cifar, read_cifar_tiles
from rrnet_lightning.errors import DataError
from tests.fake import cifar_images, write_cifar, write_cifar_batches


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cifar(tmp_path_factory.mktemp("tiles"))


def linked(folder: Path, to: Path) -> Path:
    """A copy whose files may be replaced without touching the original."""
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).symlink_to(file)
    return to


def replace(file: Path, content: bytes) -> None:
    file.unlink(missing_ok=True)
    file.write_bytes(content)


def check(found: Images, count: int) -> None:
    images, label = cifar_images(count, 3)
    assert found.images.dtype == torch.uint8 and found.images.is_contiguous()
    assert torch.equal(found.images, torch.from_numpy(images).permute(0, 3, 1, 2))
    assert found.label.tolist() == label and found.names == ("airplane", "cat", "dog")


def test_tiles(tiles: Path) -> None:
    images = read_cifar_tiles(tiles)
    check(images, 5000)
    assert images.test.tolist() == [False] * 4000 + [True] * 1000
    assert (images.ids[0], images.ids[4321], len(set(images.ids))) == ("train_00000", "train_04321", 5000)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "small", "grey"])
def test_corrupt_tile_is_named(tmp_path: Path, tiles: Path, damage: str) -> None:
    folder = linked(tiles, tmp_path / "c")
    file = folder / "train_03.webp"
    raw = file.read_bytes()
    told = r"train_03.webp: cannot be decoded .*get this tile again"
    if damage == "small":
        file.unlink()
        Image.fromarray(np.zeros((800, 1248, 3), np.uint8)).save(file, lossless=True, method=0)
        told = r"train_03.webp: found pixels \(800, 1248, 3\), wanted \(800, 1280, 3\)"
    elif damage == "grey":
        file.unlink()
        Image.fromarray(np.zeros((800, 1280), np.uint8)).save(file, "png")
        told = r"train_03.webp: found pixels \(800, 1280\), wanted \(800, 1280, 3\)"
    else:
        replace(file, {"empty": b"", "cut": raw[: len(raw) // 2], "text": b"not an image"}[damage])
    with pytest.raises(DataError, match=told):
        read_cifar_tiles(folder)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("labels_train.txt", b"0\n" * 4999, r"labels_train.txt: found 4999 labels beside 5 tiles of 1000"),
        ("labels_train.txt", b"0\n" * 5001, r"found 5001 labels beside 5 tiles"),
        ("labels_train.txt", b"0\n1\nx\n", r"labels_train.txt, line 3: found label 'x', wanted a class number"),
        ("labels_train.txt", b"0\n-1\n", r"labels_train.txt, line 2: found label '-1'"),
        ("labels_train.txt", b"0\n" + b"9" * 30, r"line 2: found label '9{30}'"),
        ("labels_train.txt", b"", r"labels_train.txt, line 1: found label ''"),
        ("labels_train.txt", b"2\n" * 4000 + b"3\n" * 1000, r"found label 3 of image 4001, wanted 0 to 2"),
        ("classes.txt", b"cat\ndog\ncat\n", r"classes.txt, line 3: found class 'cat', wanted a new name"),
        ("classes.txt", b"cat\n\ndog\n", r"classes.txt, line 2: found class ''"),
        ("train_06.webp", b"", r"train_05.webp: no such file, wanted tiles numbered from 00 without a gap"),
    ],
)
def test_wrong_labels_classes_and_gaps(tmp_path: Path, tiles: Path, file: str, content: bytes, told: str) -> None:
    folder = linked(tiles, tmp_path / "c")
    replace(folder / file, content)
    with pytest.raises(DataError, match=told):
        read_cifar_tiles(folder)


def test_tiles_absent_or_not_4_to_1(tmp_path: Path, tiles: Path) -> None:
    folder = linked(tiles, tmp_path / "c")
    (folder / "train_04.webp").unlink()
    replace(folder / "labels_train.txt", b"0\n" * 4000)
    with pytest.raises(DataError, match=r"4000 labels beside 4 tiles .*split 4 to 1"):
        read_cifar_tiles(folder)
    for file in folder.glob("*.webp"):
        file.unlink()
    with pytest.raises(DataError, match=r"train_00.webp: no such file"):
        read_cifar_tiles(folder)
    (folder / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"classes.txt: cannot be read"):
        read_cifar_tiles(folder)


def test_originals_by_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_cifar_batches(tmp_path)
    with pytest.raises(DataError, match=r"cifar10: no usable cifar10 \(.*corrupted.*set download; else put"):
        read_cifar("cifar10", tmp_path)  # the digests are not those of the originals
    import torchvision.datasets  # noqa: F401

    monkeypatch.setattr(sys.modules["torchvision.datasets.cifar"], "check_integrity", lambda *_: True)
    images = read_cifar("cifar10", tmp_path)
    check(images, 36)
    assert images.test.tolist() == [False] * 30 + [True] * 6
    assert (images.ids[29], images.ids[30]) == ("train_00029", "test_00000")
    (folder / "cifar-10-batches-py/test_batch").write_bytes(b"\x80")
    with pytest.raises(DataError, match=r"no usable cifar10"):
        read_cifar("cifar10", tmp_path)
    with pytest.raises(DataError, match=r"cifar100: no usable cifar100"):
        read_cifar("cifar100", tmp_path)


def test_originals_with_too_few_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision.datasets  # noqa: F401

    folder = write_cifar_batches(tmp_path)
    file = folder / "cifar-10-batches-py/data_batch_2"
    batch = pickle.loads(file.read_bytes())
    file.write_bytes(pickle.dumps({**batch, "labels": batch["labels"][1:]}))
    monkeypatch.setattr(sys.modules["torchvision.datasets.cifar"], "check_integrity", lambda *_: True)
    with pytest.raises(DataError, match=r"cifar10: found 35 labels of 36 images"):
        read_cifar("cifar10", tmp_path)


@pytest.mark.slow
def test_real_tiles() -> None:
    try:
        folder = dataset_folder("cifar10", ["labels_train.txt", "classes.txt", "train_00.webp", "train_49.webp"])
    except DataError as error:
        pytest.skip(f"real data absent: {error}")
    images = read_cifar_tiles(folder)
    assert images.images.shape == (50000, 3, 32, 32) and int(images.test.sum()) == 10000
    assert images.label.bincount().tolist() == [5000] * 10 and images.names[6] == "frog"
    assert images.label[:5].tolist() == [6, 9, 9, 4, 1]  # frog, truck, truck, deer, automobile
    assert images.images[0, :, 0, :2].T.tolist() == [[59, 62, 63], [43, 46, 45]]  # as in the originals
