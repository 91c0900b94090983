"""What the datamodules of a user's own two tables share: the tables, and known pairs that train, validate or test."""

from collections.abc import Iterable, Sequence

from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from rrnet_lightning.candidates.retrieval.space import SIDES, Side
from rrnet_lightning.data.tables.pairs import Pairs
from rrnet_lightning.data.tables.split import By, Part, given_split, split_pairs
from rrnet_lightning.datamodules.learnt import LearntDataModule
from rrnet_lightning.datamodules.tables.files import TableContent, TableFiles
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.bridge import unit


class SplitTables(LearntDataModule):
    """Two tables of features and known pairs between their rows, split by the pairs' own words or at random.

    The known pairs are split. What a split asks is a question of its own: with ``both``, new sources among new targets;
    with ``sources``, new sources among all targets; with ``targets``, new targets among all sources; with ``pairs``,
    unknown pairs of rows that may be known.

    Args:
        source_path: features, one row an instance: ``.npy``, ``.npz``, ``.safetensors``, ``.parquet`` or ``.pt``.
        target_path: see ``source_path``.
        pairs_path: known pairs, CSV or Parquet with the columns ``source`` and ``target``, and, if there, ``weight``
            and ``split`` (``train``, ``val``, ``test``).
        source_ids: the column of a Parquet table that names its rows, or a ``.txt`` file of one name a line; null: row
            numbers from 0.
        target_ids: see ``source_ids``.
        source_columns: the columns of a Parquet table that are features; null: all numbers.
        target_columns: see ``source_columns``.
        unit_rows: bring each row of features to unit length.
        split: what a test leaves out, see above.
        val_share: shares of what is split; not used with a ``split`` column.
        test_share: see ``val_share``.
        seed: of the split.
        batch_size: at least 1, or None.
        num_workers: processes that prepare batches.

    Attributes:
        tables: [N, D] features of each side; empty before ``setup``.
        pairs: known pairs. part: [P] long, what each is for. source_ids, target_ids: names of the rows.

    Raises:
        DataError: bad files or options; the message names file and line, or the option.
    """

    tables: dict[Side, Tensor]
    pairs: Pairs
    part: Tensor

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
        batch_size: int | None = None,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        if batch_size is not None and batch_size < 1:
            raise DataError(f"batch_size: found {batch_size}, wanted at least 1, or null for all queries at once")
        if num_workers < 0:
            raise DataError(f"num_workers: found {num_workers}, wanted at least 0")
        ids, columns = (source_ids, target_ids), (source_columns, target_columns)
        self.files = TableFiles((source_path, target_path), pairs_path, ids, columns)
        self.unit_rows, self.tables = unit_rows, {}
        self.split, self.shares, self.seed = split, (val_share, test_share), seed
        self.batch_size, self.num_workers = batch_size, num_workers

    def setup(self, stage: str = "") -> None:
        """Read and split, once."""
        if not self.tables:
            self.take(self.files.read())

    def take(self, content: TableContent) -> None:
        """Keep and split what was read, and say what it is."""
        self.tables = {side: self.rows(table.x) for side, table in content.tables.items()}
        self.pairs = pairs = content.pairs
        self.source_ids, self.target_ids = (content.names(side) for side in SIDES)
        val, test = self.shares
        self.part = (
            given_split(pairs.split)
            if pairs.split is not None
            else split_pairs(pairs, by=self.split, val_share=val, test_share=test, seed=self.seed)
        )
        counts = ", ".join(f"{part.name.lower()} {int((self.part == part).sum())}" for part in Part)
        rank_zero_info(
            f"{len(self.tables['source'])} sources, {len(self.tables['target'])} targets, {pairs.index.shape[1]} known "
            f"pairs ({counts}; new in a test: {self.split}). {pairs.note()} {content.notes()}".rstrip()
        )

    def rows(self, x: Tensor) -> Tensor:
        """Features [N, D] as they are used."""
        x = x.float().contiguous()  # last bits follow from the numbers alone, not from how they lie
        return unit(x) if self.unit_rows else x

    def learnt_rows(self) -> Iterable[object]:
        """Return the pairs that train and validate, with their weights."""
        for pair in (self.part != Part.TEST).nonzero().squeeze(1).tolist():
            source, target = self.pairs.index[:, pair].tolist()
            yield int(self.part[pair]), self.source_ids[source], self.target_ids[target], float(self.pairs.weight[pair])
