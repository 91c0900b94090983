"""RawDataModule: samples as they are, waveforms or pixels, for backbones that leave some folds out of training."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, Protocol

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rrnet_lightning.datamodules.draws import Draw, ResumableLoader, SeedBatches, overfitted
from rrnet_lightning.datamodules.learnt import LearntDataModule
from rrnet_lightning.errors import DataError

Batch = tuple[Tensor, Tensor, Tensor]  # samples, label [B] long, row in the data set [B] long
Part = Literal["train", "val", "test", "predict"]


class RawSamples(Protocol):
    """N labelled samples in folds."""

    @property
    def label(self) -> Tensor:
        """[N] long, row in ``names``."""

    @property
    def fold(self) -> Tensor:
        """[N] long."""

    @property
    def names(self) -> tuple[str, ...]:
        """C class names."""

    @property
    def ids(self) -> list[str]:
        """N names of the samples."""

    def samples(self, rows: Tensor) -> Tensor:
        """Return some samples, float, as a backbone takes them."""


class RawDataModule(LearntDataModule):
    """Base of the raw data sets: a data set says how it is read; this class does folds and batches.

    Trained on are the folds not left out; ``val_fold`` validates, ``test_fold`` tests, and ``predict`` takes all rows.

    Args:
        classes: number of classes wanted.
        left_out: folds that the backbone must not see.
        val_fold: the one among them to validate on; null: none.
        test_fold: the one among them to test on; null: none.
        batch_size: samples a step; a last batch of fewer is left out in training.
        num_workers: processes that prepare batches.

    Batch order follows from ``seed_everything`` and the epoch alone, also where training is resumed in mid-epoch.

    Raises:
        DataError: an argument outside its values; in ``setup``, a fold that is not there, nothing left to train on, a
            class without a training sample, another number of classes than wanted, or what the reader refuses.
    """

    dataset: str
    rate: int | None = None
    edge_dim = 0

    def __init__(
        self,
        *,
        classes: int,
        left_out: Sequence[int],
        val_fold: int | None,
        test_fold: int | None,
        batch_size: int,
        num_workers: int,
    ) -> None:
        super().__init__()
        for option, number, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
            if number < least:
                raise DataError(f"{option}: found {number}, wanted at least {least}")
        self.left_out = tuple(left_out)
        for option, fold in (("val_fold", val_fold), ("test_fold", test_fold)):
            if fold is not None and fold not in self.left_out:
                raise DataError(
                    f"{option}: found {fold}, wanted one of left_out, {list(left_out)}: the others are learnt"
                )
        self.classes, self.val_fold, self.test_fold = classes, val_fold, test_fold
        self.batch_size, self.num_workers = batch_size, num_workers
        self._raw: RawSamples | None = None

    @abstractmethod
    def read(self) -> RawSamples:
        """Read the data set."""

    @property
    @abstractmethod
    def source_dim(self) -> int:
        """Numbers in a raw sample."""

    @property
    def target_dim(self) -> int:
        """Number of classes."""
        return self.classes

    @property
    def raw(self) -> RawSamples:
        """The samples; there after ``setup``."""
        assert self._raw is not None, "call setup() first"
        return self._raw

    @property
    def names(self) -> tuple[str, ...]:
        """Class names; there after ``setup``."""
        return self.raw.names

    def learnt_rows(self) -> Iterable[object]:
        """Return the samples that train and validate, with their labels."""
        ids = self.sample_ids()
        for part in ("train", "val"):
            for row in self.rows(part).tolist():
                yield part, ids[row], int(self.raw.label[row])

    def sample_ids(self) -> Sequence[str]:
        """Return what tells samples apart wherever they lie, N; their names unless a data set knows better."""
        return self.raw.ids

    def setup(self, stage: str) -> None:
        """Read the data and check that they can be trained on."""
        if self._raw is not None:
            return
        raw = self.read()
        if len(raw.names) != self.classes:
            raise DataError(
                f"{self.dataset}: found {len(raw.names)} classes, wanted {self.classes}. Get the data set again, or "
                f"if it is your own, set --data.classes {len(raw.names)}"
            )
        known = raw.fold.unique().tolist()
        lost = [fold for fold in self.left_out if fold not in known]
        if lost:
            raise DataError(f"left_out: found fold {lost[0]}, wanted some of {known}, the folds of {self.dataset}")
        self._raw = raw
        rows = self.rows("train")
        if not len(rows):
            raise DataError(f"left_out: found {list(self.left_out)}, all folds there are, wanted some left to train on")
        missing = (raw.label[rows].bincount(minlength=self.classes) == 0).nonzero()
        if len(missing):
            raise DataError(
                f"{self.dataset}: found no training sample of class {raw.names[int(missing[0])]!r} outside the folds "
                f"{list(self.left_out)}, wanted one at least. Leave fewer folds out, or get the data set again."
            )
        rank_zero_info(f"{self.dataset}: {len(rows)} of {len(raw.label)} samples to train on, {self.classes} classes")

    def rows(self, part: Part) -> Tensor:
        """Return the rows of a part, ascending."""
        fold = self.raw.fold
        if part == "predict":
            return torch.arange(len(fold))
        if part == "train":
            return (~torch.isin(fold, torch.tensor(self.left_out, dtype=torch.long))).nonzero()[:, 0]
        chosen = self.val_fold if part == "val" else self.test_fold
        return (fold == chosen).nonzero()[:, 0] if chosen is not None else torch.arange(0)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the folds not left out, in a new order each epoch."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Batches of the validation fold, if there is one."""
        return [] if self.val_fold is None else self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test fold."""
        if self.test_fold is None:
            raise DataError("left_out: found no fold to test on, wanted one at least")
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Batches of all samples."""
        return self._loader("predict")

    def _loader(self, part: Part) -> DataLoader[Batch]:
        seed = torch.initial_seed()
        draws = RowBatches(self.rows(part), self.batch_size, shuffle=part == "train", seed=seed)
        draws.fixed = overfitted(self.trainer, part, len(draws))
        return ResumableLoader(
            RawBatches(self.raw),
            batch_size=None,
            sampler=draws,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(seed),  # of its own: the network's random stream goes on unread
        )


class RawBatches(Dataset[Batch]):
    """``self[(step seed, rows)]``: the samples of these rows, read at once."""

    def __init__(self, raw: RawSamples) -> None:
        self.raw = raw

    def __getitem__(self, draw: Draw) -> Batch:
        """Return samples, labels and rows."""
        rows = draw[1]
        return self.raw.samples(rows), self.raw.label[rows], rows


class RowBatches(SeedBatches):
    """Rows of each batch; in training of full batches only, as normalisation and mixing over one sample go wrong."""

    batch_size: int

    def __iter__(self) -> Iterator[Any]:
        """Yield (step seed, rows)."""
        yield from islice(super().__iter__(), len(self) - self.start)

    def __len__(self) -> int:
        """Return the number of batches of this process; at least one, of however few rows there are."""
        share = -(-len(self.seeds) // self.num_replicas)
        return max(1, share // self.batch_size) if self.shuffle else super().__len__()
