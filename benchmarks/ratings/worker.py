"""A process of its own for one run, so that memory is its own.

``python -m benchmarks.ratings.worker job.json result.json``
"""

import json
import math
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.common.files import write_whole
from benchmarks.common.jobs import BenchmarkError, Job
from benchmarks.ratings.peers import PEERS
from rrnet_lightning.data.files.root import data_root, dataset_folder
from rrnet_lightning.data.ratings.reader import Ratings
from rrnet_lightning.data.ratings.sets import RATING_SETS
from rrnet_lightning.data.splits import fold_split
from rrnet_lightning.errors import RRNetError

VAL_SHARE = 0.1  # of the ratings outside the test fold, where settings are compared


def load_ratings(name: str) -> tuple[Ratings, Path]:
    """Read a known data set; return it with its folder.

    Raises:
        DataError: it is not there, or damaged.
    """
    known = RATING_SETS[name]
    fetch = f"`python train.py fit --config configs/social_{name}.yaml --data.download true` fetches it."
    folder = dataset_folder(known.folder, known.files, data_root(), fetch if known.url else "")
    return known.read(folder), folder


def run_peer(job: Job) -> dict[str, Any]:
    """Fit a peer and measure it; ``fit_seconds`` leaves reading out."""
    ratings, _ = load_ratings(job.data)
    learn, asked = parts(job, len(ratings.rating))
    started = time.perf_counter()
    predict = PEERS[job.model].fit(ratings, learn, job.seed)
    seconds = time.perf_counter() - started
    return {**errors(ratings, learn, asked, predict(ratings.user[asked], ratings.item[asked])), "fit_seconds": seconds}


def run_config(job: Job, folder: Path) -> dict[str, Any]:
    """Train a shipped config through the command line's own class, for all its epochs, and measure the last weights.

    Raises:
        BenchmarkError: it would not be measured on the ratings that the peers are measured on.
    """
    from rrnet_lightning.cli.command import RRNetCLI

    class TimedCLI(RRNetCLI):
        seconds = math.nan

        def before_fit(self) -> None:
            self.datamodule.prepare_data()
            self.datamodule.setup("fit")  # reads; a peer's reading is not counted either
            self.started = time.perf_counter()

        def after_fit(self) -> None:
            self.seconds = time.perf_counter() - self.started

    total, seconds = torch.zeros(()), 0.0
    for member in range(job.members):
        cli = TimedCLI(["fit", *arguments(replace(job, seed=job.seed * job.members + member), folder)])
        ratings = cli.datamodule.ratings
        learn, asked = parts(job, len(ratings.rating))
        check_split(job, cli.datamodule)
        total = total + predictions(cli, job.part, ratings, asked)
        seconds += cli.seconds
    return {**errors(ratings, learn, asked, total / job.members), "fit_seconds": seconds}


def predictions(cli: Any, part: str, ratings: Ratings, asked: Tensor) -> Tensor:
    """What a trained model rates the pairs of some rows, in their order, [len(asked)].

    By the weights that training leaves, averaged where the config averages: loading the checkpoint into the same
    trainer would put the last ones in their place.
    """
    loader = cli.datamodule.val_dataloader() if part == "val" else cli.datamodule.predict_dataloader()
    batches = cli.trainer.predict(cli.model, loader)
    user, item, score = (torch.cat([batch[name] for batch in batches]) for name in ("source", "target", "score"))
    found, wanted = (u * ratings.num_items + i for u, i in ((user, item), (ratings.user[asked], ratings.item[asked])))
    order = found.argsort()
    if not torch.equal(found[order], wanted.sort().values):
        raise BenchmarkError(f"predictions: found {len(found)} pairs, wanted the {len(wanted)} asked for, each once")
    return score[order][wanted.argsort().argsort()].cpu()


def parts(job: Job, n: int) -> tuple[Tensor, Tensor]:
    """Rows to learn from and rows to measure on, [.] long each, of n ratings."""
    split = fold_split(n, job.folds, job.fold, job.fold_seed, VAL_SHARE if job.part == "val" else 0)
    return split.train, split.val if job.part == "val" else split.test


def errors(ratings: Ratings, learn: Tensor, asked: Tensor, predicted: Tensor) -> dict[str, Any]:
    """MAE, RMSE, and the errors on users and items with few ratings among those learnt from.

    Shapes:
        learn, asked: [.] long, rows of the ratings. predicted: [len(asked)].
    """
    error = predicted.double() - ratings.rating[asked].double()
    slices = {}
    for name, column, size in (("users", ratings.user, ratings.num_users), ("items", ratings.item, ratings.num_items)):
        known = torch.bincount(column[learn], minlength=size)[column[asked]]
        for text, chosen in (
            (f"{name} of no rating", known == 0),
            (f"{name} of 1 to 4 ratings", known.clamp(1, 4) == known),
        ):
            e = error[chosen]
            slices[text] = [len(e), e.abs().sum().item(), e.square().sum().item()]
    return {"mae": error.abs().mean().item(), "rmse": error.square().mean().sqrt().item(), "slices": slices}


def arguments(job: Job, folder: Path) -> list[str]:
    """Options of ``train.py`` that stand for a job, overrides last."""
    options = {
        "config": job.file,
        "seed_everything": job.seed,
        "data.folds": job.folds,
        "data.fold": job.fold,
        "data.seed": job.fold_seed,
        "data.val_share": VAL_SHARE if job.part == "val" else 0,
        "checkpoint.monitor": "null",  # the last weights: nothing is chosen on the ratings measured on
        "trainer.limit_val_batches": 0,
        "trainer.default_root_dir": folder,
        "predictions.path": folder / "predictions.parquet",
        "predictions.overwrite": "true",
        "trainer.logger": "false",
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "wandb.group": f"benchmark-{job.data}-{job.config}",
    }
    return [*(f"--{name}={value}" for name, value in options.items()), *job.overrides]


def check_split(job: Job, data: Any) -> None:
    """BenchmarkError unless the datamodule learns from and asks for the very rows that the peers do."""
    known = data.ratings_path is None and data.split_dir is None and data.dataset == job.data
    learn, asked = parts(job, len(data.ratings.rating))
    found = data.split.val if job.part == "val" else data.split.test
    if not (known and torch.equal(found, asked) and torch.equal(data.split.train, learn)):
        raise BenchmarkError(
            f"{job.file}: found other ratings than the peers', wanted fold {job.fold} of {job.folds} of "
            f"{job.data}, seed {job.fold_seed}. Remove what changes data set or split from the config or the options"
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
    except (BenchmarkError, RRNetError) as error:
        sys.exit(f"error: {error}")
    write_whole(Path(result_file), json.dumps({**result, "peak_mib": peak_mib()}).encode())


if __name__ == "__main__":
    files = sys.argv[1:]
    del sys.argv[1:]  # or LightningCLI warns about arguments beside those it is given
    main(*files)
