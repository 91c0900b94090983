"""CIFAR-10 and CIFAR-100: small colour images, from torchvision's files or from tiles."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from rrnet_lightning.data.files.columns import read_bytes, read_text
from rrnet_lightning.data.files.root import data_root, user_path
from rrnet_lightning.errors import DataError, reason

SIZE = 32
TILE_ROWS, TILE_COLUMNS = 25, 40
TILE = TILE_ROWS * TILE_COLUMNS
LABELS, CLASSES = "labels_train.txt", "classes.txt"


@dataclass(frozen=True, eq=False)
class Images:
    """N images of 32 x 32 pixels.

    Attributes:
        images: [N, 3, 32, 32] uint8, red, green, blue.
        label: [N] long, row in `names`.
        test: [N] bool, the image belongs to the test part.
        names: C class names, in the official order.
        ids: N names: official part and number in it, such as "train_00000".
    """

    images: Tensor
    label: Tensor
    test: Tensor
    names: tuple[str, ...]
    ids: list[str]


def read_cifar(name: Literal["cifar10", "cifar100"], root: str | Path | None = None, download: bool = False) -> Images:
    """Read CIFAR by torchvision: 50,000 images to train and 10,000 to test, checked against their digests.

    Args:
        name: which; the 100 fine classes of CIFAR-100.
        root: the files lie in `<data root>/<name>`, as torchvision unpacks them; see `data_root`.
        download: fetch them unless they are there.

    Raises:
        DataError: unknown name, files absent or damaged, or the download failed.
    """
    from torchvision import datasets  # here: seconds that readers of other data need not pay

    known = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}
    if name not in known:
        raise DataError(f"data set: found {name!r}, wanted one of {', '.join(known)}.")
    folder = data_root(root) / name
    try:
        train, test = (known[name](str(folder), train=part, download=download) for part in (True, False))
    except Exception as error:  # RuntimeError when damaged, URLError without network, anything from unpickling
        raise DataError(
            f"{folder}: no usable {name} ({reason(error)}). With a network, set download; "
            f"else put the unpacked python version of {name} there."
        ) from error
    pixels = torch.from_numpy(np.concatenate([train.data, test.data]).transpose(0, 3, 1, 2).copy())
    label = torch.tensor([*train.targets, *test.targets])
    ids = [f"{part}_{row:05d}" for part, rows in (("train", train), ("test", test)) for row in range(len(rows))]
    return _checked(folder, Images(pixels, label, torch.arange(len(ids)) >= len(train), tuple(train.classes), ids))


def read_cifar_tiles(folder: str | Path) -> Images:
    """Read the official training images of CIFAR as tiles: `train_NN.webp`, `labels_train.txt`, `classes.txt`.

    A tile holds 1,000 images in 25 rows of 40. The last fifth of the tiles is the test part. Of CIFAR-10's 50 tiles
    these are the last 10: 40,000 images train and 10,000 test. Say so beside a figure, because published figures train
    on 50,000 images and test on the 10,000 official test images, which are not in these files.

    Args:
        folder: the data set.

    Raises:
        DataError: tiles absent, damaged or of another size; other than one label an image; labels that are no row of
            the class names.
    """
    folder = user_path(folder)
    names, label = _names(folder / CLASSES), _labels(folder / LABELS)
    files = _tiles(folder, len(label))
    pixels = torch.from_numpy(np.concatenate(list(_decode(files))))
    rows = torch.arange(len(label))
    ids = [f"train_{row:05d}" for row in range(len(label))]
    return _checked(folder / LABELS, Images(pixels, label, rows >= len(label) // 5 * 4, names, ids))


def _tiles(folder: Path, labels: int) -> list[Path]:
    """All tiles in order; DataError unless they are numbered without a gap, split 4 to 1, and have a label an image."""
    found = sorted(file.name for file in folder.glob("train_*.webp"))
    wanted = [f"train_{number:02d}.webp" for number in range(len(found))]
    if not found or found != wanted:
        odd = next((name for name in wanted if name not in found), "train_00.webp")
        raise DataError(f"{folder / odd}: no such file, wanted tiles numbered from 00 without a gap. Get it again.")
    if labels != len(found) * TILE or len(found) % 5:
        raise DataError(
            f"{folder / LABELS}: found {labels} labels beside {len(found)} tiles of {TILE} images, wanted one label an "
            "image, and tiles that split 4 to 1 into train and test. Get the labels, or the tiles that lack, again."
        )
    return [folder / name for name in found]


def _decode(files: Sequence[Path]) -> Iterator[NDArray[np.uint8]]:
    """The images of each tile, [1000, 3, 32, 32]."""
    from PIL import Image

    for file in track(files, f"decoding {len(files)} tiles", transient=True):
        raw = read_bytes(file)
        try:
            with Image.open(io.BytesIO(raw)) as tile:
                pixels = np.asarray(tile)
        except Exception as error:  # on a damaged file PIL raises OSError, SyntaxError, ValueError, EOFError ...
            raise DataError(
                f"{file}: cannot be decoded ({reason(error)}). It is damaged: get this tile again."
            ) from error
        wanted = (TILE_ROWS * SIZE, TILE_COLUMNS * SIZE, 3)
        if pixels.shape != wanted:
            raise DataError(f"{file}: found pixels {pixels.shape}, wanted {wanted}. Get this tile again.")
        parts = pixels.reshape(TILE_ROWS, SIZE, TILE_COLUMNS, SIZE, 3).transpose(0, 2, 4, 1, 3)
        yield parts.reshape(TILE, 3, SIZE, SIZE)


def _names(path: Path) -> tuple[str, ...]:
    names = [line.strip() for line in read_text(path).rstrip("\n").split("\n")]
    for number, name in enumerate(names, start=1):
        if not name or name in names[: number - 1]:
            raise DataError(f"{path}, line {number}: found class {name!r}, wanted a new name. Get this file again.")
    return tuple(names)


def _labels(path: Path) -> Tensor:
    lines = read_text(path).rstrip("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        if not (line.isascii() and line.isdigit() and len(line) < 10):
            raise DataError(f"{path}, line {number}: found label {line!r}, wanted a class number. Get this file again.")
    return torch.tensor([int(line) for line in lines])


def _checked(where: Path, images: Images) -> Images:
    """DataError unless there is one label an image, and every one is a row of the names."""
    label, count = images.label, len(images.names)
    if len(label) != len(images.images):
        raise DataError(f"{where}: found {len(label)} labels of {len(images.images)} images. Get the data set again.")
    wrong: Any = ((label < 0) | (label >= count)).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{where}: found label {int(label[row])} of image {row + 1}, wanted 0 to {count - 1}, rows of the {count} "
            "class names. Get the data set again."
        )
    return images
