"""A user's own two tables: files -> views of what is known and asked -> graphs."""

from rrnet_lightning.datamodules.tables.datamodule import TablesDataModule
from rrnet_lightning.datamodules.tables.pairs import LabelledPairsDataModule, TablePairsDataModule

__all__ = ["LabelledPairsDataModule", "TablePairsDataModule", "TablesDataModule"]
