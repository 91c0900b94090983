"""Rating prediction: one command, a table of models on the same folds.

python -m benchmarks.ratings --data filmtrust --models rrnet "rrnet --data.trust=none" "rrnet x5" trustsvd surprise-svd

A model is a peer (``benchmarks/peers.py``) or a config: ``rrnet`` is configs/social_<data>.yaml, another name
configs/social_<data>_<name>.yaml. Behind a config's name may stand options of train.py, and ``x5`` for the mean of the
predictions of five seeds. Every model learns from all ratings outside the test fold, for the epochs its config says;
``--part val`` compares settings instead, on validation ratings, without a look at the test fold.

Each (model, fold, seed) runs in a process of its own; what is finished is kept in ``<out>.jsonl`` and not run again by
the same command, so an interrupted one goes on where it stopped. The table is rewritten after every run. Data are
looked for as by train.py (``RRNET_DATA``).
"""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.common.processes import ROOT, run_jobs
from benchmarks.common.rows import BenchmarkError, Job, Row, Slice, append_row, missing, read_rows
from benchmarks.common.table import summarise, with_ending, write_table
from benchmarks.ratings.peers import PEERS
from benchmarks.ratings.plan import Plan, add_options, plan
from rrnet_lightning.errors import DataError


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ratings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--models", nargs="+", default=["rrnet", *PEERS], help=f"configs, or {', '.join(PEERS)}")
    parser.add_argument("--against", help="the model to take differences to; default: the best that is not an RR-Net")
    parser.add_argument("--part", choices=["test", "val"], default="test", help="the ratings to measure on")
    options = parser.parse_args(argv)
    options.out = options.out or Path(f"docs/results/social_{options.data}{'_val' * (options.part == 'val')}")
    return options


def run(options: argparse.Namespace, plan: Plan, command: str, console: Console) -> list[Job]:
    """Run what is missing, keep each row and rewrite the table as it comes; return the jobs that failed."""
    kept, failed = with_ending(options.out, ".jsonl"), []
    wanted = {job.key for job in plan.jobs}
    todo = missing(plan.jobs, read_rows(kept))

    def table() -> None:
        rows = [row for row in read_rows(kept) if row.key in wanted]
        if not rows:
            return
        date = max((row.date for row in rows), default="–")
        done = "" if len(rows) == len(wanted) else f" ({len(rows)} of {len(wanted)} runs; the same command goes on)"
        about = {"command": f"`{command}`{done}", "date": date, **plan.about}
        named = [replace(row, model=plan.labels.get(row.model, row.model)) for row in rows]
        models, peers = ([plan.labels.get(name, name) for name in names] for names in (options.models, plan.peers))
        write_table(options.out, summarise(named, models, peers), f"Rating prediction on {options.data}", about)

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
                slices = {name: Slice(*entry) for name, entry in result.pop("slices").items()}
                row = Row(*job.key, **result, slices=slices, command=command, date=now)
                append_row(kept, row)
                table()
                line = f"{name}: MAE {row.mae:.4f}, RMSE {row.rmse:.4f}, fit {row.fit_seconds:.1f} s"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
            progress.advance(bar)
    return failed


def finish(out: Path, work: Callable[[], list[Job]]) -> int:
    """Do the work; return the exit status: 0, 1 if a run failed, 2 for bad input, 130 if interrupted."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))  # the way that stops the processes
    try:
        failed = work()
    except (BenchmarkError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    print(f"table: {with_ending(out, '.md')}, {with_ending(out, '.parquet')}")
    if failed:
        print(f"error: {len(failed)} runs failed; the same command tries them again", file=sys.stderr)
    return 1 if failed else 0


def main(argv: Sequence[str], configs: Path = ROOT / "configs") -> int:
    """Run the command line; return its exit status."""
    options, command = parse(argv), f"python -m benchmarks.ratings {shlex.join(argv)}"
    return finish(options.out, lambda: run(options, plan(options, configs), command, Console()))
