"""What the commands share: the bar, the end of a command, and how its results are said."""

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.common.files import with_ending
from benchmarks.common.jobs import BenchmarkError, Job
from rrnet_lightning.cli.jobs import ended_by_signals
from rrnet_lightning.errors import RRNetError


def say(progress: Progress, job: Job, text: str) -> None:
    """Print how a job ended, above the bar."""
    line = f"{job.model}, fold {job.fold}, seed {job.seed}: {text}"
    progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def finish(out: Path, work: Callable[[Console], list[Job]]) -> int:
    """Do the work; return the exit status: 0, 1 if a run failed, 2 for bad input, 130 if interrupted."""
    try:
        with ended_by_signals():
            failed = work(Console())
    except (BenchmarkError, RRNetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    print(f"table: {with_ending(out, '.md')}, {with_ending(out, '.parquet')}")
    if failed:
        print(f"error: {len(failed)} runs failed; the same command tries them again", file=sys.stderr)
    return 1 if failed else 0
