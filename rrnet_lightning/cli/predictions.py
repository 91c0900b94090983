"""What is kept of predictions: the file that ``predict`` writes, and the table that ``test`` logs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger

from rrnet_lightning.candidates.classifiers.module import BackboneModule
from rrnet_lightning.candidates.feature_writer import FeatureWriter
from rrnet_lightning.checkpoints import Predictions
from rrnet_lightning.data.files.atomic import atomic
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import OutputError, reason

Rows = Literal["pairs", "best"]
ENDINGS = (".parquet", ".csv")


class PredictionWriter(Callback):
    """Write what ``predict`` says into a Parquet or CSV file.

    Columns: ``source`` and ``target`` (ids as the data names them), ``score`` (probability or rating), ``truth`` (1 or
    0, or a rating; null where it is not known). Batches are written as they come. The file gets its name when it is
    complete. A backbone's predictions become a feature file, see :class:`FeatureWriter`.

    Args:
        path: where to write; the name ends in ``.parquet`` or ``.csv``, for features in ``.npy``. In a run of several
            processes each writes ``<stem>-<rank><suffix>``. Default: ``predictions.parquet``; for features
            ``features.npy`` in the run's folder.
        rows: ``pairs`` writes every pair asked for, ``best`` the best target of each source.
        overwrite: replace a file of predictions that is there already; a feature file is replaced anyway.

    Raises:
        OutputError: before anything is predicted: a name with another ending, a file that is there already, or a place
            that cannot be written to.
            Later: a full disk, for instance. Nothing unfinished is left behind.
    """

    # Not Lightning's BasePredictionWriter: it gives batches alone, no start and no end, and warns at each run that it
    # cannot infer batch indices from our loaders.

    def __init__(self, path: str | None = None, rows: Rows = "pairs", overwrite: bool = False) -> None:
        self.path, self.rows, self.overwrite = path, rows, overwrite
        self._open = contextlib.ExitStack()  # the unfinished file
        self._features: FeatureWriter | None = None

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Check the place and open the unfinished file."""
        if isinstance(pl_module, BackboneModule):
            default = Path(trainer.default_root_dir) / "features.npy"
            self._features = FeatureWriter(default if self.path is None else user_path(self.path), trainer)
            return
        file = user_path("predictions.parquet" if self.path is None else self.path)
        if file.suffix.lower() not in ENDINGS:
            found = f"{file}, a folder" if file.is_dir() else repr(self.path)
            raise OutputError(
                f"--predictions.path: found {found}, wanted the name of a file that ends in {' or '.join(ENDINGS)}"
            )
        if trainer.world_size > 1:
            file = file.with_stem(f"{file.stem}-{trainer.global_rank}")
        if file.is_file() and not self.overwrite:
            raise OutputError(
                f"--predictions.path: {file} is there already. Give another name, or replace it by "
                "--predictions.overwrite true"
            )
        self._file = file
        with self._told():
            part = self._open.enter_context(atomic(file))
            self._writer = self._open.enter_context(new_table(part))

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Append the rows of one batch."""
        if self._features is not None:
            self._features.add(outputs)
            return
        import pyarrow as pa

        side = getattr(getattr(trainer, "datamodule", None), "predict_side", "source")
        columns = table(trainer, best(outputs, side) if self.rows == "best" else outputs)
        with self._told():
            self._writer.write_table(pa.table(columns, schema=schema()))

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close the file and give it its name."""
        if self._features is not None:
            assert isinstance(pl_module, BackboneModule)
            self._features.write(trainer, pl_module)
            return
        with self._told():
            self._open.close()
        print(f"predictions: {self._file}")

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Remove what is unfinished."""
        with contextlib.suppress(OSError):  # a full disk refuses the last bytes too
            self._open.__exit__(type(exception), exception, exception.__traceback__)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn an OSError into an OutputError, which Lightning hands to `on_exception`."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"--predictions.path: {self._file} cannot be written ({reason(error)}). Nothing was left "
                "behind. Free some space, or choose another place"
            ) from error


def new_table(file: Path) -> Any:
    """Open a Parquet or CSV file, by its ending, for tables of predictions; a context that closes it."""
    from pyarrow import csv, parquet

    return (csv.CSVWriter if file.suffix.lower() == ".csv" else parquet.ParquetWriter)(file, schema())


def schema() -> Any:
    """Names and types of the columns."""
    import pyarrow as pa  # here: most runs write no predictions

    return pa.schema(
        [("source", pa.string()), ("target", pa.string()), ("score", pa.float32()), ("truth", pa.float32())]
    )


class PredictionTable(Callback):
    """Log the first ``limit`` test predictions as a table to W&B, to look at."""

    def __init__(self, limit: int = 500) -> None:
        self.limit = limit
        self._rows: list[list[Any]] = []

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Keep rows until there are enough."""
        if trainer.is_global_zero and outputs is not None and len(self._rows) < self.limit:
            columns = table(trainer, {name: rows[: self.limit] for name, rows in best(outputs).items()})
            self._rows += [list(row) for row in zip(*columns.values(), strict=True)]

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Send the table."""
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger) and self._rows:
                logger.log_table("test/predictions", ["source", "target", "score", "truth"], self._rows[: self.limit])
        self._rows = []


def best(rows: Predictions, side: str = "source") -> Predictions:
    """Keep the best pair of each row of a side, as the metrics rank them (``measured``, else the score).

    Of equals it is the first.
    """
    order = torch.argsort(rows.get("measured", rows["score"]), descending=True, stable=True)
    order = order[torch.argsort(rows[side][order], stable=True)]
    asks = rows[side][order]
    first = torch.ones_like(asks, dtype=torch.bool)
    first[1:] = asks[1:] != asks[:-1]
    return {name: column[order[first]] for name, column in rows.items()}


def table(trainer: L.Trainer, rows: Predictions) -> dict[str, list[Any]]:
    """Return prediction rows as columns of plain values, ids as the datamodule names them, unknown truth as None."""
    data: Any = getattr(trainer, "datamodule", None)
    columns: dict[str, list[Any]] = {}
    for side in ("source", "target"):
        names = getattr(data, f"{side}_ids", None)
        columns[side] = [str(i) if names is None else str(names[i]) for i in rows[side].tolist()]
    columns["score"] = rows["score"].float().tolist()
    columns["truth"] = [None if y != y else y for y in rows["y"].float().tolist()]
    return columns
