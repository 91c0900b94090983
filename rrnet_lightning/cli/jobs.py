"""Commands in processes of their own, several at a time, none of which outlives the process that started them."""

import os
import signal
import subprocess
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NamedTuple, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Key = TypeVar("Key")
POLL = 0.05  # seconds between two looks at the processes


@dataclass(frozen=True)
class Command:
    """A program to run.

    Attributes:
        words: the program and its arguments.
        log: what it prints is added to this file.
        env: environment variables besides those of this process.
    """

    words: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)


class Outcome(NamedTuple):
    """How a command ended: exit status (negative: the signal that killed it), seconds it took, and why it failed."""

    status: int
    seconds: float
    error: str


class _Running(NamedTuple):
    process: subprocess.Popen[bytes]
    log: Path
    printed_before: int  # bytes of the log that are of earlier runs
    start: float


def run_commands(commands: Iterable[tuple[Key, Command]], jobs: int = 1) -> Generator[tuple[Key, Outcome], None, None]:
    """Run commands, ``jobs`` at a time, and yield the key and the outcome of each as it ends.

    A command is taken from ``commands`` when its turn comes. Close the generator (``contextlib.closing``) when leaving
    it early: that stops what is still running.
    """
    waiting, running = iter(commands), list[tuple[Key, _Running]]()
    try:
        while True:
            while len(running) < jobs and (next_one := next(waiting, None)):
                running.append((next_one[0], _start(next_one[1])))
            if not running:
                return
            ended = [pair for pair in running if pair[1].process.poll() is not None]
            running = [pair for pair in running if pair not in ended]
            yield from [(key, _outcome(run)) for key, run in ended]
            time.sleep(POLL)
    finally:
        for _, run in running:
            stop(run.process)


def run_command(command: Command) -> Outcome:
    """Run one command to its end."""
    [(_, outcome)] = run_commands([(None, command)])
    return outcome


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that leads a session, and all it started there."""
    with suppress(ProcessLookupError, PermissionError):  # it has ended; macOS says the latter
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def threads(jobs: int, asked: int | None = None) -> dict[str, str]:
    """Environment that gives each of several jobs its share of the cores, or ``asked`` threads; a single job chooses.

    Where the user has set ``OMP_NUM_THREADS`` to less than the share, that holds.
    """
    if asked is None and jobs == 1:
        return {}
    from rrnet_lightning.cli.threads import usable_cores  # here: it loads torch

    share = max(1, usable_cores() // jobs)
    return {"OMP_NUM_THREADS": str(asked or min(share, int(os.environ.get("OMP_NUM_THREADS") or share)))}


def progress(console: Console | None = None) -> Progress:
    """Return a bar that counts jobs and says when the last will end."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    # Rich forgets steps after 30 s unless told otherwise, and would have no idea of the time left.
    return Progress(*columns, TimeRemainingColumn(), console=console, speed_estimate_period=1e9)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end this process as an exception does, so that it stops what it started.

    One that is ignored, as SIGHUP is under ``nohup``, stays ignored.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def last_error(text: str) -> str:
    """What a program said last of why it failed: from its last line that starts with ``error:``, else its last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if line.startswith("error:")]
    return "\n".join(lines[errors[-1] :] if errors else lines[-1:]) or "nothing was said"


def _start(command: Command) -> _Running:
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with command.log.open("ab") as log:
        start, printed_before = time.perf_counter(), log.tell()
        process = subprocess.Popen(
            command.words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **command.env},
            # Ctrl-C must not reach Lightning in there, which would end the training early and go on to test
            start_new_session=True,
        )
    return _Running(process, command.log, printed_before, start)


def _outcome(run: _Running) -> Outcome:
    status, seconds = run.process.returncode, time.perf_counter() - run.start
    if status == 0:
        return Outcome(0, seconds, "")
    said = last_error(run.log.read_bytes()[run.printed_before :].decode(errors="replace"))
    ended = f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
    return Outcome(status, seconds, f"{said}\n({ended}; all it said: {run.log})")
