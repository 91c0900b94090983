"""Known pairs of two tables in mini-batches, for a trained common space alone."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rrnet_lightning.candidates.retrieval.labels import known_classes
from rrnet_lightning.candidates.retrieval.space import Side
from rrnet_lightning.data.tables.split import Part
from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.datamodules.draws import Draw, resumable
from rrnet_lightning.datamodules.tables.base import SplitTables
from rrnet_lightning.datamodules.tables.blocks import PREDICTED
from rrnet_lightning.datamodules.tables.files import TableContent
from rrnet_lightning.datamodules.tables.view import members
from rrnet_lightning.errors import DataError

Batch = tuple[Tensor, ...]  # source_x [B, D_s], target_x [M, D_t], their rows [B] and [M], and their classes if known


class TablePairsDataModule(SplitTables):
    """Two tables of features and known pairs between their rows -> mini-batches for :class:`DualEncoderModule`.

    Files and split are those of :class:`TablesDataModule`: with the same options, pairs that train here train there.
    Weights of pairs are not read. ``predict`` asks all sources, 512 a batch, among all targets.

    Args:
        batch_size: known pairs of a batch; each pair's negatives are in it.
        tables: files and split, see :class:`.base.SplitTables`.

    Raises:
        DataError: bad files or options; the message names file and line, or the option.
    """

    member: dict[Side, Tensor] | None = None

    def __init__(self, *, batch_size: int = 128, **tables: Any) -> None:
        super().__init__(batch_size=batch_size, **tables)

    @property
    def source_dim(self) -> int:
        """Features of a source; reads the files."""
        self.setup()
        return self.tables["source"].shape[1]

    @property
    def target_dim(self) -> int:
        """Features of a target; reads the files."""
        self.setup()
        return self.tables["target"].shape[1]

    def train_dataloader(self) -> DataLoader[Batch]:
        """Training pairs in random order."""
        return self._loader("train", Part.TRAIN)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Validation pairs."""
        return self._loader("val", Part.VAL)

    def test_dataloader(self) -> DataLoader[Batch]:
        """Test pairs."""
        return self._loader("test", Part.TEST)

    def predict_dataloader(self) -> DataLoader[Batch]:
        """All sources, each batch with all targets."""
        sources = torch.arange(len(self.tables["source"]))
        return self._of("predict", _AllTargets(self), sources, PREDICTED)

    def _loader(self, stage: Stage, part: Part) -> DataLoader[Batch]:
        pairs = (self.part == part).nonzero().squeeze(1)
        if not len(pairs):
            raise DataError(f"{stage}: no known pair, the split leaves it empty. Change the split")
        return self._of(stage, _Pairs(self), pairs, self.batch_size)

    def _of(self, stage: Stage, batches: Dataset[Batch], rows: Tensor, size: int | None) -> DataLoader[Batch]:
        return resumable(batches, rows, size, stage, self.trainer, num_workers=self.num_workers)


class LabelledPairsDataModule(TablePairsDataModule):
    """As :class:`TablePairsDataModule`, with classes: mini-batches for :class:`DSCMRModule`.

    A batch of pairs ends with the classes of both ends, [B, C] bool each, in the columns that both tables have. Every
    training pair wants a class at both ends.

    Args:
        source_labels: CSV or Parquet of ``id`` and ``label``, one or several a row.
        target_labels: see ``source_labels``.
        batch_size: known pairs of a batch.
        tables: files and split, see :class:`.base.SplitTables`.

    Raises:
        DataError: bad files or options; the message names file and line, or the option.
    """

    def __init__(self, *, source_labels: str, target_labels: str, batch_size: int = 100, **tables: Any) -> None:
        super().__init__(batch_size=batch_size, **tables)
        self.files = replace(self.files, labels=(source_labels, target_labels))

    def take(self, content: TableContent) -> None:
        """Keep and split what was read."""
        super().take(content)
        self.member = members(content.labels)
        sizes = len(self.tables["source"]), len(self.tables["target"])
        known_classes(self.member, sizes, self.pairs.index[:, self.part == Part.TRAIN], "training")

    @property
    def num_classes(self) -> int:
        """Classes that both tables have; reads the files."""
        self.setup()
        assert self.member is not None
        return self.member["source"].shape[1]


class _Pairs(Dataset[Batch]):
    """``self[(step seed, numbers of pairs)]``: both ends of each, and their rows."""

    def __init__(self, data: TablePairsDataModule) -> None:
        self.tables, self.index, self.member = data.tables, data.pairs.index, data.member

    def __getitem__(self, draw: Draw) -> Batch:
        source, target = self.index[:, draw[1]]
        ends = self.tables["source"][source], self.tables["target"][target], source, target
        return ends if self.member is None else (*ends, self.member["source"][source], self.member["target"][target])


class _AllTargets(Dataset[Batch]):
    """``self[(step seed, rows of sources)]``: these, and all targets."""

    def __init__(self, data: TablePairsDataModule) -> None:
        self.tables = data.tables

    def __getitem__(self, draw: Draw) -> Batch:
        source, targets = draw[1], self.tables["target"]
        return self.tables["source"][source], targets, source, torch.arange(len(targets))
