"""Rating jobs in processes of their own, several at a time."""

import json
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common.jobs import ROOT, Job, job_folder
from rrnet_lightning.cli.jobs import Command, run_commands, threads

Ended = tuple[Job, dict[str, Any] | None, str]  # the job, its result if it has one, else why not


def run_jobs(jobs: Sequence[Job], runs: Path, parallel: int) -> Generator[Ended, None, None]:
    """Run the jobs, ``parallel`` at a time, and yield each as it ends; close the generator when leaving it early."""

    def commands() -> Iterator[tuple[Job, Command]]:
        for job in jobs:
            yield job, command(job, job_folder(job, runs), threads(parallel))

    for job, outcome in run_commands(commands(), parallel):
        result = job_folder(job, runs) / "result.json"
        yield job, None if outcome.error else json.loads(result.read_text(encoding="utf-8")), outcome.error


def command(job: Job, folder: Path, env: dict[str, str]) -> Command:
    """Write the job into its folder; return the command that runs it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)
    (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
    env = env | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        # Importing Surprise makes a folder for its downloads, in the user's home unless told otherwise.
        "SURPRISE_DATA_FOLDER": str(folder.resolve()),
    }
    files = str(folder / "job.json"), str(folder / "result.json")
    return Command([sys.executable, "-m", "benchmarks.ratings.worker", *files], folder / "log.txt", env)
