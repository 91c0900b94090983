"""Known pairs of two tables in mini-batches, for a dual encoder alone."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rrnet_lightning.data.tables.split import By, Part
from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.datamodules.draws import Draw, resumable
from rrnet_lightning.datamodules.tables.base import SplitTables
from rrnet_lightning.datamodules.tables.blocks import PREDICTED
from rrnet_lightning.datamodules.tables.files import TableFiles
from rrnet_lightning.errors import DataError

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # source_x [B, D_s], target_x [M, D_t], their rows [B] and [M]


class TablePairsDataModule(SplitTables):
    """Two tables of features and known pairs between their rows -> mini-batches for :class:`DualEncoderModule`.

    Files and split are those of :class:`TablesDataModule`: with the same options, pairs that train here train there.
    Weights of pairs are not read. ``predict`` asks all sources, 512 a batch, among all targets.

    Args:
        source_path: features, one row an instance, see :class:`TablesDataModule`.
        target_path: see ``source_path``.
        pairs_path: known pairs, CSV or Parquet with the columns ``source`` and ``target``, and ``split`` if there.
        source_ids: the column of a Parquet table that names its rows, or a ``.txt`` file of one name a line; null: row
            numbers from 0.
        target_ids: see ``source_ids``.
        source_columns: the columns of a Parquet table that are features; null: all numbers.
        target_columns: see ``source_columns``.
        unit_rows: bring each row of features to unit length.
        split: what a test leaves out: ``both``, ``sources``, ``targets`` or ``pairs``.
        val_share: shares of what is split; not used with a ``split`` column.
        test_share: see ``val_share``.
        seed: of the split.
        batch_size: known pairs of a batch; each pair's negatives are in it.
        num_workers: processes that prepare batches.

    Raises:
        DataError: bad files or options; the message names file and line, or the option.
    """

    def __init__(
        self,
        source_path: str,
        target_path: str,
        pairs_path: str,
        source_ids: str | None = None,
        target_ids: str | None = None,
        source_columns: Sequence[str] | None = None,
        target_columns: Sequence[str] | None = None,
        unit_rows: bool = True,
        split: By = "both",
        val_share: float = 0.1,
        test_share: float = 0.2,
        seed: int = 0,
        batch_size: int = 128,
        num_workers: int = 0,
    ) -> None:
        files = TableFiles(
            (source_path, target_path),
            pairs_path,
            ids=(source_ids, target_ids),
            columns=(source_columns, target_columns),
        )
        super().__init__(files, unit_rows, split, val_share, test_share, seed, batch_size, num_workers)

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


class _Pairs(Dataset[Batch]):
    """``self[(step seed, numbers of pairs)]``: both ends of each, and their rows."""

    def __init__(self, data: TablePairsDataModule) -> None:
        self.tables, self.index = data.tables, data.pairs.index

    def __getitem__(self, draw: Draw) -> Batch:
        source, target = self.index[:, draw[1]]
        return self.tables["source"][source], self.tables["target"][target], source, target


class _AllTargets(Dataset[Batch]):
    """``self[(step seed, rows of sources)]``: these, and all targets."""

    def __init__(self, data: TablePairsDataModule) -> None:
        self.tables = data.tables

    def __getitem__(self, draw: Draw) -> Batch:
        source, targets = draw[1], self.tables["target"]
        return self.tables["source"][source], targets, source, torch.arange(len(targets))
