"""What a run keeps: its config, a file of what ``predict`` says, a table of what ``test`` says."""

import contextlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import lightning as L
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import WandbLogger

from rrnet_lightning.candidates.classifiers.module import BackboneModule
from rrnet_lightning.candidates.feature_writer import FeatureWriter
from rrnet_lightning.checkpoints import CONFIG, Predictions
from rrnet_lightning.cli.runs import git_commit
from rrnet_lightning.errors import OutputError

Rows = Literal["pairs", "best"]


class SaveConfig(SaveConfigCallback):
    """Save the resolved config in every checkpoint and beside them, and log it with the git commit.

    With it in the checkpoint, one that was moved still says what it was trained on.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Wait: a run whose data or options are refused leaves nothing behind."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write ``config.yaml`` into the run folder, once a run."""
        file = Path(trainer.default_root_dir) / "config.yaml"
        if not trainer.is_global_zero or file.exists():
            return
        config = self._resolved
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        part.replace(file)
        for logger in trainer.loggers:
            logger.log_hyperparams({**config, "git_commit": git_commit()})

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the config into the checkpoint; a resumed run keeps that which it was started with, be it unknown."""
        started = getattr(pl_module, "trained_by", None)
        checkpoint[CONFIG] = self._resolved if started is None else started

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        """The config of a run that is to be made anew, in a folder of its own."""
        config: dict[str, Any] = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        config["trainer"]["default_root_dir"] = str(Path(config["trainer"]["default_root_dir"]).parent)
        config["checkpoint"]["dirpath"] = None
        return config


class PredictionWriter(Callback):
    """Stream the output of ``predict`` into a Parquet file, batch by batch, atomically.

    Columns: ``source`` and ``target`` (ids as the data names them), ``score`` (probability or rating), ``truth`` (1 or
    0, or a rating; null where it is not known). The file appears under its name only when it is complete. What a
    backbone predicts becomes a feature file instead, see :class:`FeatureWriter`.

    Args:
        path: where to write; in a run of several processes each writes ``<stem>-<rank><suffix>``. Default:
            ``predictions.parquet``; for features ``features.npy`` in the run's folder.
        rows: ``pairs`` writes every pair asked for, ``best`` the best target of each source.

    Raises:
        OutputError: the file cannot be written, a full disk for instance; the unfinished file is removed.
    """

    def __init__(self, path: str | None = None, rows: Rows = "pairs") -> None:
        self.path, self.rows, self._given = Path(path or "predictions.parquet"), rows, path is not None
        self._writer: pq.ParquetWriter | None = None
        self._features: FeatureWriter | None = None

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the unfinished file."""
        if isinstance(pl_module, BackboneModule):
            file = self.path if self._given else Path(trainer.default_root_dir) / "features.npy"
            self._features = FeatureWriter(file, trainer)
            return
        if trainer.world_size > 1:
            self.path = self.path.with_stem(f"{self.path.stem}-{trainer.global_rank}")
        schema = pa.schema(
            [("source", pa.string()), ("target", pa.string()), ("score", pa.float32()), ("truth", pa.float32())]
        )
        with _Guard(self):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._part, schema)

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Append the rows of one batch."""
        if self._features is not None:
            self._features.add(outputs)
            return
        columns = table(trainer, best(outputs) if self.rows == "best" else outputs)
        with _Guard(self):
            assert self._writer is not None
            self._writer.write_table(pa.table(columns, schema=self._writer.schema))

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close the file and give it its name."""
        if self._features is not None:
            assert isinstance(pl_module, BackboneModule)
            self._features.write(trainer, pl_module)
            return
        with _Guard(self):
            assert self._writer is not None
            self._writer.close()
            self._writer = None
            os.replace(self._part, self.path)
        print(f"predictions: {self.path}")

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Remove what is unfinished."""
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished file, if there is one."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with contextlib.suppress(OSError):  # a full disk refuses the footer too; the file goes anyway
                writer.close()
        self._part.unlink(missing_ok=True)

    @property
    def _part(self) -> Path:
        return self.path.with_suffix(self.path.suffix + ".part")


class _Guard:
    """Turns an OSError into an OutputError and removes the unfinished file."""

    def __init__(self, writer: PredictionWriter) -> None:
        self.writer = writer

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError):
            self.writer.discard()
            raise OutputError(
                f"predictions: could not write {self.writer.path}: {error}. Nothing was left behind; free some space "
                "or choose another place with --predictions.path"
            ) from error


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


def best(rows: Predictions) -> Predictions:
    """Keep each source's pair of highest score, the first of equals."""
    order = torch.argsort(rows["score"], descending=True, stable=True)
    order = order[torch.argsort(rows["source"][order], stable=True)]
    source = rows["source"][order]
    first = torch.ones_like(source, dtype=torch.bool)
    first[1:] = source[1:] != source[:-1]
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
