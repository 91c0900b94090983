"""Rating prediction: one command, a table of models on the same folds.

python -m benchmarks.social --data filmtrust --models rrnet bias surprise-svd --folds 5 --fold-seed 0 --seeds 0

Each (model, fold, seed) runs in a process of its own; what is finished is kept in ``<out>.jsonl`` and not run again by
the same command, so an interrupted one goes on where it stopped. The table is rewritten after every run. A model is a
peer (``benchmarks/peers.py``) or a config: ``rrnet`` is configs/social_<data>.yaml, another name
configs/social_<data>_<name>.yaml. Data are looked for as by train.py (``RRNET_DATA``).
"""

import argparse
import hashlib
import json
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.peers import PEERS
from benchmarks.processes import ROOT, run_jobs
from benchmarks.rows import BenchmarkError, Job, Row, append_row, missing, read_rows
from benchmarks.table import summarise, with_ending, write_table
from benchmarks.worker import arguments, load_ratings
from rrnet_lightning.data import RATING_SETS, DataError, fold_split


@dataclass(frozen=True)
class Plan:
    """What a command asks for.

    Attributes:
        jobs: all runs, also those already done, in the order to run them.
        peers: models that may be the best peer: all but RR-Nets.
        about: what stands above the table.
    """

    jobs: list[Job]
    peers: list[str]
    about: dict[str, str]


def config_files(data: str, configs: Path) -> dict[str, Path]:
    """Config of each trained model for a data set, by its name in the table."""
    stem = f"social_{data}"
    return {
        file.stem.removeprefix(stem).removeprefix("_") or "rrnet": file
        for file in sorted([*configs.glob(f"{stem}.yaml"), *configs.glob(f"{stem}_*.yaml")])
    }


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what follows ``--`` are overrides for models with a config."""
    own = list(argv[: argv.index("--")]) if "--" in argv else list(argv)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.social", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="filmtrust", choices=sorted(RATING_SETS), help="data set")
    parser.add_argument("--models", nargs="+", default=["rrnet", *PEERS], help=f"configs, or {', '.join(PEERS)}")
    parser.add_argument("--folds", type=int, default=5, help="number of folds, 2 or more")
    parser.add_argument("--fold-seed", type=int, default=0, help="seed of the split")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the models")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; they share the cores")
    parser.add_argument("--out", type=Path, help="default: docs/results/social_<data>; .jsonl, .md, .parquet are added")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmarks"), help="logs and checkpoints")
    options = parser.parse_args(own)
    options.overrides = tuple(argv[len(own) + 1 :])
    options.out = options.out or Path(f"docs/results/social_{options.data}")
    options.models, options.seeds = list(dict.fromkeys(options.models)), list(dict.fromkeys(options.seeds))
    return options


def check(options: argparse.Namespace, files: dict[str, Path]) -> None:
    """BenchmarkError for an option that nothing can be run with."""
    for name in options.models:
        if name not in PEERS and name not in files:
            known = ", ".join([*PEERS, *files])
            raise BenchmarkError(
                f"--models: found {name!r}, wanted one of {known}; or write configs/social_{options.data}"
                f"{'' if name == 'rrnet' else '_' + name}.yaml"
            )
    for name, found, low in [("--folds", options.folds, 2), ("--jobs", options.jobs, 1)]:
        if found < low:
            raise BenchmarkError(f"{name}: found {found}, wanted {low} or more")
    if not all(0 <= seed < 2**32 for seed in options.seeds):
        raise BenchmarkError(f"--seeds: found {options.seeds}, wanted whole numbers from 0 to 2**32 - 1")
    owned = {argument.split("=")[0] for argument in arguments(Job("", "", 2, 0, 0, 0, ""), Path())}
    owned -= {"--trainer.logger", "--trainer.enable_progress_bar", "--trainer.enable_model_summary"}
    for override in options.overrides:
        if override.split("=")[0] in owned:
            raise BenchmarkError(
                f"found {override!r} after --, wanted none of those that the benchmark sets itself: "
                f"{', '.join(sorted(owned))}"
            )


def plan(options: argparse.Namespace, configs: Path) -> Plan:
    """Check the options and the data, and list the runs: all models on the first fold, then on the next, seed by seed.

    Raises:
        BenchmarkError, DataError: say what is wrong with options, configs or data.
    """
    files = config_files(options.data, configs)
    check(options, files)
    ratings, folder = load_ratings(options.data)
    fold_split(len(ratings.rating), options.folds, 0, options.fold_seed)
    split = [options.data, options.folds, options.fold_seed]
    read = [(folder / name).read_bytes() for name in RATING_SETS[options.data].files]

    def job(name: str, fold: int, seed: int) -> Job:
        if name in PEERS:
            config = _digest(split, Path(__file__).with_name("peers.py").read_bytes(), *read)
            return Job(name, options.data, options.folds, fold, options.fold_seed, seed, config)
        config = _digest([*split, *options.overrides], files[name].read_bytes(), *read)
        own = (config, os.path.relpath(files[name]), options.overrides)
        return Job(name, options.data, options.folds, fold, options.fold_seed, seed, *own)

    jobs = [
        job(name, fold, seed if _seeded(name) else 0)
        for turn, seed in enumerate(options.seeds)
        for fold in range(options.folds)
        for name in options.models
        if turn == 0 or _seeded(name)
    ]
    pairs = f"{len(ratings.rating):,} distinct pairs"
    about = {
        "split": f"{options.folds} shuffled folds over {pairs}, seed {options.fold_seed}",
        "seeds": f"{', '.join(map(str, options.seeds))} (models without random choices run once)",
        "machine": f"{os.cpu_count()} cores, {options.jobs} run{'s' * (options.jobs > 1)} at a time",
    }
    return Plan(jobs, [n for n in options.models if n in PEERS or not _is_rrnet(files[n])], about)


def _seeded(name: str) -> bool:
    return name not in PEERS or PEERS[name].seeded


def _digest(values: Sequence[object], *contents: bytes) -> str:
    parts = [json.dumps(values).encode(), *contents]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:10]


def _is_rrnet(file: Path) -> bool:
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        return str(config["model"]["class_path"]).endswith("RRNetModule")
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise BenchmarkError(f"{file}: found no model.class_path ({error}), wanted a config of train.py") from error


def run(options: argparse.Namespace, plan: Plan, command: str, console: Console) -> list[Job]:
    """Run what is missing, keep each row and rewrite the table as it comes; return the jobs that failed."""
    kept, failed = with_ending(options.out, ".jsonl"), []
    wanted = {job.key for job in plan.jobs}
    todo = missing(plan.jobs, read_rows(kept))

    def table() -> None:
        rows = [row for row in read_rows(kept) if row.key in wanted]
        date = max((row.date for row in rows), default="–")
        done = "" if len(rows) == len(wanted) else f" ({len(rows)} of {len(wanted)} runs; the same command goes on)"
        about = {"command": f"`{command}`{done}", "date": date, **plan.about}
        title = f"Rating prediction on {options.data}"
        write_table(options.out, summarise(rows, options.models, plan.peers), title, about)

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    # Rich forgets steps after 30 s unless told otherwise, and would have no idea of the time left.
    progress = Progress(*columns, TimeRemainingColumn(), console=console, speed_estimate_period=1e9)
    with progress, closing(run_jobs(todo, options.runs, options.jobs)) as outcomes:
        bar = progress.add_task("runs", total=len(plan.jobs), completed=len(plan.jobs) - len(todo))
        table()
        for job, result, why in outcomes:
            name = f"{job.model}, fold {job.fold}, seed {job.seed}"
            if result is None:
                failed.append(job)
                line = f"{name}: failed\n{why}"
            else:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                row = Row(*job.key, **result, command=command, date=now)
                append_row(kept, row)
                table()
                line = f"{name}: MAE {row.mae:.4f}, RMSE {row.rmse:.4f}, fit {row.fit_seconds:.1f} s"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
            progress.advance(bar)
    return failed


def main(argv: Sequence[str], configs: Path = ROOT / "configs") -> int:
    """Run the command line; return its exit status: 0, 1 if a run failed, 2 for bad input, 130 if interrupted."""
    options, console = parse(argv), Console()
    try:
        failed = run(options, plan(options, configs), f"python -m benchmarks.social {shlex.join(argv)}", console)
    except (BenchmarkError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    print(f"table: {with_ending(options.out, '.md')}, {with_ending(options.out, '.parquet')}")
    if failed:
        print(f"error: {len(failed)} runs failed; the same command tries them again", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))  # the way that stops the processes
    sys.exit(main(sys.argv[1:]))
