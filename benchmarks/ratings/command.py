"""Rating prediction: one command, a table of models on the same folds.

python -m benchmarks.ratings --data filmtrust --models rrnet "rrnet --data.trust=none" "rrnet x5" trustsvd surprise-svd

A model is a peer (``benchmarks/ratings/peers.py``) or a config: ``rrnet`` is configs/social_<data>.yaml, another name
configs/social_<data>_<name>.yaml. Behind a config's name may stand options of train.py, and ``x5`` for the mean of the
predictions of five seeds. Every model learns from all ratings outside the test fold, for the epochs its config says;
``--part val`` compares settings instead, on validation ratings, without a look at the test fold.

Each (model, fold, seed) runs in a process of its own; what is finished is kept in ``<out>.jsonl`` and not run again by
the same command, so an interrupted one goes on where it stopped. It is run again when its config or the file of peers
changes, the options, the data or the split, but not when other code changes: remove its lines for that. The table is
rewritten after every run; models that an earlier command measured on the same split stay in it. Data are looked for as
by train.py (``RRNET_DATA``).
"""

import argparse
import shlex
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.common.command import finish, say
from benchmarks.common.files import append_row, read_rows, with_ending
from benchmarks.common.jobs import ROOT, Job, missing
from benchmarks.ratings.peers import PEERS
from benchmarks.ratings.plan import Plan, add_options, check_overrides, plan
from benchmarks.ratings.rows import Row
from benchmarks.ratings.runs import run_jobs
from benchmarks.ratings.table import summarise, write_table
from rrnet_lightning.cli.jobs import progress


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
    todo = missing(plan.jobs, read_rows(kept, Row))
    check_overrides(todo, options.runs)
    with progress(console) as bar, closing(run_jobs(todo, options.runs, options.jobs)) as ended:
        task = bar.add_task("runs", total=len(plan.jobs), completed=len(plan.jobs) - len(todo))
        tabulate(options, plan, read_rows(kept, Row), command)
        for job, result, why in ended:
            if result is None:
                failed.append(job)
                said = f"failed\n{why}"
            else:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                row = Row(*job.key, split=plan.split, **result, command=command, date=now)
                append_row(kept, row)
                tabulate(options, plan, read_rows(kept, Row), command)
                said = f"MAE {row.mae:.4f}, RMSE {row.rmse:.4f}, fit {row.fit_seconds:.1f} s"
            say(bar, job, said)
            bar.advance(task)
    return failed


def tabulate(options: argparse.Namespace, plan: Plan, kept: Sequence[Row], command: str) -> None:
    """Write the table of the rows kept: the models asked for first, then the others; nothing while there are none."""
    rows = plan.shown(kept)
    if not rows:
        return
    others = list(dict.fromkeys(row.model for row in rows if row.model not in options.models))
    models = [*dict.fromkeys(options.models), *others]
    peers = [options.against] if options.against else plan.comparable(models)
    open_jobs = len(missing(plan.jobs, rows))
    state = f" ({len(plan.jobs) - open_jobs} of {len(plan.jobs)} runs; the same command goes on)" if open_jobs else ""
    earlier = {"measured by earlier commands": ", ".join(others)} if others else {}
    about = {"command": f"`{command}`{state}", "date": max(row.date for row in rows), **earlier, **plan.about}
    named = [replace(row, model=plan.labels.get(row.model, row.model)) for row in rows]
    shown, against = ([plan.labels.get(name, name) for name in names] for names in (models, peers))
    write_table(options.out, summarise(named, shown, against), f"Rating prediction on {options.data}", about)


def main(argv: Sequence[str], configs: Path = ROOT / "configs") -> int:
    """Run the command line; return its exit status."""
    options, command = parse(argv), f"python -m benchmarks.ratings {shlex.join(argv)}"
    return finish(options.out, lambda console: run(options, plan(options, configs), command, console))
