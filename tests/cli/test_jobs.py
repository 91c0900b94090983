import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from rrnet_lightning.cli import jobs
from rrnet_lightning.cli.jobs import Command, ended_by_signals, last_error, run_command, run_commands, threads


def python(code: str, log: Path, **env: str) -> Command:
    return Command([sys.executable, "-c", code], log, env)


def test_each_command_has_its_environment_and_its_log(tmp_path: Path) -> None:
    commands = [
        (n, python("import os; print(os.environ['N'], os.environ['PATH'])", tmp_path / f"{n}/log", N=str(n)))
        for n in range(3)
    ]
    outcomes = dict(run_commands(commands, jobs=2))
    assert sorted(outcomes) == [0, 1, 2] and {(o.status, o.error) for o in outcomes.values()} == {(0, "")}
    assert (tmp_path / "2/log").read_text() == f"2 {os.environ['PATH']}\n"


def test_so_many_at_a_time_each_taken_when_its_turn_comes(tmp_path: Path) -> None:
    taken: list[int] = []

    def command(n: int) -> Command:
        taken.append(n)
        return python(f"import time; time.sleep({30 if n == 0 else 0})", tmp_path / f"{n}")

    with closing(run_commands(((n, command(n)) for n in range(4)), jobs=2)) as outcomes:
        assert next(outcomes)[0] == 1 and taken == [0, 1]  # the first is still running
        assert next(outcomes)[0] == 2 and taken == [0, 1, 2]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("print('error: x\\n of y'); raise SystemExit(2)", 2, "error: x\n of y\n(status 2;"),
        ("raise ValueError('boom')", 1, "ValueError: boom\n(status 1;"),
        ("import os; os.kill(os.getpid(), 9)", -9, "nothing was said\n(killed by SIGKILL;"),
    ],
)
def test_a_failure_says_why(code: str, status: int, error: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("error: of an earlier run\n")
    outcome = run_command(python(code, log))
    assert outcome.status == status and outcome.error == f"{error} all it said: {log})"
    assert log.read_text().startswith("error: of an earlier run\n")


def test_the_last_error_is_told() -> None:
    assert last_error("error: one\nerror: two\n\nmore\n") == "error: two\nmore"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_was_started_ends_with_the_command(number: signal.Signals, tmp_path: Path) -> None:
    """A parent that runs a child that started a grandchild is signalled: all three are gone.

    The module is loaded alone: the package's other imports take seconds.
    """
    child = "import os, subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(os.getpid(), p.pid, flush=True)"
    parent = f"""
import sys
from pathlib import Path
from jobs import Command, ended_by_signals, run_command
with ended_by_signals():
    run_command(Command([sys.executable, "-c", {child + "; p.wait()"!r}], Path("log")))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(jobs.__file__).parent)},
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # tests run under nohup or behind & ignore some
    )
    log = tmp_path / "log"
    while process.poll() is None and (not log.exists() or not log.read_text().endswith("\n")):
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(20) == (-2 if number == signal.SIGINT else 128 + number)
    for pid in map(int, log.read_text().split()):
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_signals_are_left_as_they_were() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with ended_by_signals():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            with pytest.raises(SystemExit) as exit:
                signal.raise_signal(signal.SIGTERM)
            assert exit.value.code == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_jobs_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert threads(1) == {} and threads(2) == {"OMP_NUM_THREADS": "4"} and threads(9) == {"OMP_NUM_THREADS": "1"}
    assert threads(1, asked=3) == threads(2, asked=3) == {"OMP_NUM_THREADS": "3"}
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert threads(2) == {"OMP_NUM_THREADS": "2"}
