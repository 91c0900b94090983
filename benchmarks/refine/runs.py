"""RR-Net through ``train.py``: ``fit`` and ``predict`` in processes of their own, read back from Parquet."""

import os
import sys
from pathlib import Path

import pyarrow.parquet as pq
import torch
from torch import Tensor

from benchmarks.common.jobs import ROOT, BenchmarkError, Job
from rrnet_lightning.candidates.samples import ScoredSamples
from rrnet_lightning.cli.jobs import Command, run_command

OFFICIAL_FOLDS = {"esc10", "esc50"}  # their test fold is an option; images have one


def arguments(job: Job, features: Path, folder: Path) -> list[str]:
    """Options of ``train.py`` that stand for a job: the last weights, nothing chosen on what is measured."""
    options = {
        "config": job.file,
        "seed_everything": job.seed,
        "data.features": features,
        **({"data.fold": job.fold, "data.val_fold": "null"} if job.data in OFFICIAL_FOLDS else {}),
        "checkpoint.monitor": "null",
        "trainer.limit_val_batches": 0,
        "trainer.default_root_dir": folder,
        "trainer.logger": "false",
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "predictions.path": predictions_file(folder),
        "predictions.rows": "best",
    }
    return [*(f"--{name}={value}" for name, value in options.items()), *job.overrides]


def predictions_file(folder: Path) -> Path:
    """Where a job's predictions of its test fold lie."""
    return folder / "predictions.parquet"


def run_rrnet(job: Job, features: Path, folder: Path) -> float:
    """Train and predict; return the seconds of ``fit``.

    Raises:
        BenchmarkError: one of the two failed; with what it said last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions_file(folder).unlink(missing_ok=True)
    options = arguments(job, features, folder)
    seconds = _train_py(["fit", *options], folder / "fit.txt")
    _train_py(["predict", *options, "--ckpt_path=last"], folder / "predict.txt")
    return seconds


def read_predictions(file: Path, view: ScoredSamples, asked: Tensor) -> Tensor:
    """Return the predicted class of each row asked, [A] long.

    Raises:
        BenchmarkError: the file is missing or damaged, or does not answer for each row asked exactly once.
    """
    try:
        columns = pq.read_table(file, columns=["source", "target"]).to_pydict()
    except (OSError, ValueError, KeyError) as error:
        raise BenchmarkError(f"{file}: found no predictions ({error}). Remove its rows, and run again") from error
    found = dict(zip(columns["source"], columns["target"], strict=True))
    wanted = [str(view.ids[row]) for row in asked.nonzero().squeeze(1).tolist()]
    if len(columns["source"]) != len(wanted) or found.keys() != set(wanted):
        raise BenchmarkError(
            f"{file}: found predictions of {len(columns['source'])} samples, wanted one of each of the "
            f"{len(wanted)} asked. The config may name another fold or other features than the benchmark"
        )
    number = {str(name): n for n, name in enumerate(view.names)}
    return torch.tensor([number[found[name]] for name in wanted])


def _train_py(options: list[str], log: Path) -> float:
    """Run ``train.py``; return its seconds."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = run_command(Command([sys.executable, str(ROOT / "train.py"), *options], log, {"PYTHONPATH": path}))
    if done.error:
        raise BenchmarkError(f"train.py {options[0]}: {done.error}")
    return done.seconds
