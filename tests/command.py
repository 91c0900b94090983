"""The command line on a miniature FilmTrust: in this process, or in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rrnet_lightning.cli.command import main
from tests.fake import write_filmtrust

PROJECT = Path(__file__).parents[1]
MINI = """
seed_everything: 0
model:
  class_path: RRNetModule
  init_args:
    hidden_dim: 4
    units: [intra, inter]
    dropout: 0.2
    objective: {class_path: RatingObjective, init_args: {low: 0.5, high: 4.0}}
    optimizer: {class_path: torch.optim.Adam, init_args: {lr: 0.01}}
data:
  class_path: SocialDataModule
  init_args: {dataset: filmtrust, root: data, batch_size: 8, fan_out: [-1, -1]}
trainer:
  max_epochs: 1
  accelerator: cpu
  default_root_dir: runs
  enable_progress_bar: false
  enable_model_summary: false
  log_every_n_steps: 1
checkpoint: {monitor: val/rmse, mode: min}
"""


def workplace(folder: Path) -> Path:
    """Make ``folder`` one where ``fit --config mini.yaml`` works; returns it."""
    write_filmtrust(folder / "data")
    (folder / "mini.yaml").write_text(MINI)
    return folder


def mini(subcommand: str, *args: str, logger: bool = False) -> list[str]:
    """Arguments of a run in a workplace."""
    return [subcommand, "--config", "mini.yaml", *([] if logger else ["--trainer.logger", "false"]), *args]


def refused(capsys: pytest.CaptureFixture[str], args: list[str]) -> str:
    """Run a command that must fail with status 2 and a message, and leave nothing new; returns the message."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit:
        main(args)
    message = capsys.readouterr().err
    assert exit.value.code == 2 and "Traceback" not in message
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()} == before
    return message


def start(folder: Path, args: list[str]) -> subprocess.Popen[str]:
    """Start ``train.py`` in a process of its own, one thread, nothing to ask questions of."""
    return subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{folder}", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, args: list[str], timeout: float = 240) -> str:
    """Run ``train.py`` to its end, which must be a good one; returns what it printed."""
    process = start(folder, args)
    try:
        output, _ = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, output
    return output


def only_run(folder: Path) -> Path:
    """The folder of the one run in a workplace."""
    (found,) = (folder / "runs").iterdir()
    return found
