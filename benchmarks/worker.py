"""A process of its own for one run, so that memory is its own: ``python -m benchmarks.worker job.json result.json``."""

import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers import PEERS
from benchmarks.rows import BenchmarkError, Job, write_whole
from rrnet_lightning.data import RATING_SETS, DataError, Ratings, data_root, dataset_folder, fold_split


def load_ratings(name: str) -> tuple[Ratings, Path]:
    """Read a known data set; return it with its folder.

    Raises:
        DataError: it is not there, or damaged.
    """
    known = RATING_SETS[name]
    fetch = f"`python train.py fit --config configs/social_{name}.yaml --data.download true` fetches it."
    folder = dataset_folder(name, known.files, data_root(), fetch if known.url else "")
    return known.read(folder), folder


def run_peer(job: Job) -> dict[str, float]:
    """Fit a peer on the training and validation ratings, test it on the fold; ``fit_seconds`` leaves reading out."""
    ratings, _ = load_ratings(job.data)
    split = fold_split(len(ratings.rating), job.folds, job.fold, job.fold_seed)
    rows = torch.cat([split.train, split.val]).sort().values
    started = time.perf_counter()
    predict = PEERS[job.model].fit(ratings, rows, job.seed)
    seconds = time.perf_counter() - started
    error = predict(ratings.user[split.test], ratings.item[split.test]) - ratings.rating[split.test]
    return {
        "mae": error.abs().mean().item(),
        "rmse": error.square().mean().sqrt().item(),
        "fit_seconds": seconds,
    }


def run_config(job: Job, folder: Path) -> dict[str, float]:
    """Train a shipped config through the command line's own class, test its best checkpoint.

    Raises:
        BenchmarkError: it would not be tested on the fold that the peers are tested on.
    """
    from rrnet_lightning.cli import RRNetCLI

    class TimedCLI(RRNetCLI):
        seconds = math.nan

        def before_fit(self) -> None:
            self.started = time.perf_counter()

        def after_fit(self) -> None:
            self.seconds = time.perf_counter() - self.started

    def run(subcommand: str, *more: str) -> Any:
        return TimedCLI([subcommand, *arguments(job, folder), *more])

    fit = run("fit")
    check_fold(job, fit.datamodule)
    best = fit.trainer.checkpoint_callback.best_model_path
    if not best:
        raise BenchmarkError(
            f"{job.model}: the training left no best checkpoint in {fit.folder}. Set checkpoint.monitor"
        )
    metrics = run("test", "--ckpt_path", best).trainer.callback_metrics
    return {
        "mae": metrics["test/mae"].item(),
        "rmse": metrics["test/rmse"].item(),
        "fit_seconds": fit.seconds,
    }


def arguments(job: Job, folder: Path) -> list[str]:
    """Options of ``train.py`` that stand for a job, overrides last."""
    options = {
        "config": job.file,
        "seed_everything": job.seed,
        "data.folds": job.folds,
        "data.fold": job.fold,
        "data.seed": job.fold_seed,
        "trainer.default_root_dir": folder,
        "trainer.logger": "false",
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "wandb.group": f"benchmark-{job.data}-{job.model}-{job.config}",
    }
    return [*(f"--{name}={value}" for name, value in options.items()), *job.overrides]


def check_fold(job: Job, data: Any) -> None:
    """BenchmarkError unless the datamodule tests on the very rows that the peers are tested on."""
    known = data.ratings_path is None and data.dataset == job.data
    want = fold_split(len(data.ratings.rating), job.folds, job.fold, job.fold_seed)
    if not (known and torch.equal(data.split.test, want.test)):
        raise BenchmarkError(
            f"{job.file}: found other test ratings than the peers', wanted fold {job.fold} of {job.folds} of "
            f"{job.data}, seed {job.fold_seed}. Remove what changes data set or split from the config or the overrides"
        )


def peak_mib() -> float:
    """Peak resident memory of this process, MiB.

    Linux carries ru_maxrss over from the process that started this one, so the kernel's own mark is read where it is.
    """
    status = Path("/proc/self/status")
    if status.exists():
        marks = [line.split() for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if marks:
            return int(marks[0][1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def main(job_file: str, result_file: str) -> None:
    """Run the job of a file and write its result into another; errors in the input end with a message and status 2."""
    values = json.loads(Path(job_file).read_text(encoding="utf-8"))
    job = Job(**{**values, "overrides": tuple(values["overrides"])})
    try:
        result = run_peer(job) if job.file is None else run_config(job, Path(job_file).parent)
        broken = [name for name in ("mae", "rmse", "fit_seconds") if not math.isfinite(result[name])]
        if broken:
            raise BenchmarkError(f"{job.model}: found {broken[0]} = {result[broken[0]]}, wanted a finite number")
    except (BenchmarkError, DataError) as error:
        sys.exit(f"error: {error}")
    write_whole(Path(result_file), json.dumps({**result, "peak_mib": peak_mib()}).encode())


if __name__ == "__main__":
    files = sys.argv[1:]
    del sys.argv[1:]  # or LightningCLI warns about arguments beside those it is given
    main(*files)
