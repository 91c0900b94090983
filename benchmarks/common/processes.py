"""Jobs in processes of their own, several at a time, none of which outlives the command that started it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common.rows import Job

ROOT = Path(__file__).parents[2]
Outcome = tuple[Job, dict[str, Any] | None, str]  # the job, its result if it has one, else why not


def run_jobs(jobs: Sequence[Job], runs: Path, parallel: int) -> Generator[Outcome, None, None]:
    """Run the jobs, ``parallel`` at a time, and yield the outcome of each as it ends.

    Close the generator (``contextlib.closing``) when leaving it early: that stops the processes still running.
    """
    waiting, running = list(reversed(jobs)), dict[Job, subprocess.Popen[bytes]]()
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                job = waiting.pop()
                running[job] = _start(job, job_folder(job, runs), parallel)
            for job in [job for job, process in running.items() if process.poll() is not None]:
                yield job, *_outcome(job_folder(job, runs), running.pop(job).returncode)
            time.sleep(0.05)
    finally:
        for process in running.values():
            _stop(process)


def job_folder(job: Job, runs: Path) -> Path:
    """Where a job keeps its log, and its run folder with the checkpoints."""
    name = re.sub(r"[^\w.]+", "-", job.model)[:60]
    return runs / job.data / f"{name}-{job.config}" / f"fold{job.fold}-seed{job.seed}"


def _start(job: Job, folder: Path, parallel: int) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").unlink(missing_ok=True)
    (folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
    threads = max(1, (os.cpu_count() or 1) // parallel)
    env = {
        **os.environ,
        "OMP_NUM_THREADS": str(min(threads, int(os.environ.get("OMP_NUM_THREADS") or threads))),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        # Importing Surprise makes a folder for its downloads, in the user's home unless told otherwise.
        "SURPRISE_DATA_FOLDER": str(folder.resolve()),
    }
    command = [sys.executable, "-m", "benchmarks.ratings.worker", str(folder / "job.json"), str(folder / "result.json")]
    with (folder / "log.txt").open("wb") as log:
        # A session of its own: Ctrl-C must not reach Lightning, which would end the training early and go on to test.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
        )


def _outcome(folder: Path, status: int) -> tuple[dict[str, Any] | None, str]:
    result, log = folder / "result.json", folder / "log.txt"
    if status == 0 and result.exists():
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return found, ""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if line.startswith("error:")]
    said = "\n".join(lines[errors[-1] :] if errors else lines[-1:]) or "nothing was said"
    ended = f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
    return None, f"{said}\n({ended}; all it said: {log})"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and those it started."""
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
