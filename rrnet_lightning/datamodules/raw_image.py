"""Pixels of CIFAR-10 and CIFAR-100, for backbones."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.data.image.cifar import Images, read_cifar, read_cifar_tiles
from rrnet_lightning.datamodules.raw import RawDataModule

TRAIN_FOLD, HELD_FOLD, VAL_FOLD, TEST_FOLD = range(4)  # as in configs and feature files
CLASSES = {"cifar10": 10, "cifar100": 100}


@dataclass(frozen=True, eq=False)
class RawImages:
    """N images in folds: 0 trains the backbone, 1 is held out to train RR-Net on, 2 validates both, 3 tests.

    Attributes:
        images: [N, 3, 32, 32] uint8. label, fold: [N] long. names: C class names. ids: N names of the images.
    """

    images: Tensor
    label: Tensor
    fold: Tensor
    names: tuple[str, ...]
    ids: list[str]

    def samples(self, rows: Tensor) -> Tensor:
        """Return some images, [B, 3, 32, 32] float32, 0 to 1."""
        return self.images[rows].float() / 255


class RawImageDataModule(RawDataModule):
    """Images of 32 x 32 pixels, [B, 3, 32, 32] float32, 0 to 1, in four folds.

    Fold 3 is the data set's test part. Of the others, a tenth is fold 1, held out to train RR-Net on, a fortieth is
    fold 2, to choose on, and the rest is fold 0, to train the backbone; drawn by class, by a seed that never changes.
    Of the tiles of CIFAR-10 these are 35,000, 4,000, 1,000 and 10,000 images.

    Args:
        dataset: ``cifar10`` or ``cifar100``, in the folder of that name under ``root``: tiles if there are any
            (``train_NN.webp``), else torchvision's files.
        root: folder of the data sets; default: ``RRNET_DATA``, ``../shared/data`` if it exists, ``~/.cache/rrnet``.
        download: fetch torchvision's files where they are missing.
        left_out: folds that the backbone must not see. Fold 3 tests where it is among them.
        val_fold: the one among them to validate on; null: none.
        batch_size: samples a step; a last batch of fewer is left out in training.
        num_workers: processes that prepare batches.
        classes: number of classes, where it is not that of the data set named.
    """

    def __init__(
        self,
        dataset: Literal["cifar10", "cifar100"] = "cifar10",
        root: str | None = None,
        download: bool = False,
        left_out: Sequence[int] = (HELD_FOLD, VAL_FOLD, TEST_FOLD),
        val_fold: int | None = VAL_FOLD,
        batch_size: int = 256,
        num_workers: int = 0,
        classes: int | None = None,
    ) -> None:
        super().__init__(
            classes=CLASSES[dataset] if classes is None else classes,
            left_out=left_out,
            val_fold=val_fold,
            test_fold=TEST_FOLD if TEST_FOLD in left_out else None,
            batch_size=batch_size,
            num_workers=num_workers,
        )
        self.dataset, self.root, self.download = dataset, root, download

    @property
    def source_dim(self) -> int:
        """Numbers of an image."""
        return 3 * 32 * 32

    def prepare_data(self) -> None:
        """Fetch the images if asked to."""
        if self.download and not self._tiles():
            read_cifar(self._name, self.root, download=True)

    def read(self) -> RawImages:
        """Read all images into memory and part them."""
        images = (
            read_cifar_tiles(data_root(self.root) / self.dataset)
            if self._tiles()
            else read_cifar(self._name, self.root)
        )
        return RawImages(images.images, images.label, folds(images), images.names, images.ids)

    def sample_ids(self) -> Sequence[str]:
        """Return digests of the pixels: an image's name is its place in the files."""
        assert isinstance(self.raw, RawImages)
        return [hashlib.sha256(image).hexdigest() for image in self.raw.images.numpy()]

    @property
    def _name(self) -> Literal["cifar10", "cifar100"]:
        return "cifar10" if self.dataset == "cifar10" else "cifar100"

    def _tiles(self) -> bool:
        return any((data_root(self.root) / self.dataset).glob("train_*.webp"))


def folds(images: Images) -> Tensor:
    """Return [N] long, the fold of every image: each tenth of those sorted by class is held, in random order within."""
    order = torch.randperm(len(images.label), generator=torch.Generator().manual_seed(0))
    order = order[~images.test[order]]
    order = order[images.label[order].argsort(stable=True)]
    fold = torch.full((len(images.label),), TEST_FOLD)
    fold[order] = TRAIN_FOLD
    fold[order[::10]], fold[order[5::40]] = HELD_FOLD, VAL_FOLD
    return fold
