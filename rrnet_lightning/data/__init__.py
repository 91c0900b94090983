"""Files to tables: readers grouped by data set, splits, downloads and word vectors."""

from rrnet_lightning.errors import DataError

__all__ = ["DataError"]
