import csv
import shutil
import signal
from pathlib import Path

import pytest
import torch
import yaml

from tests.command import mini, only_run, run, start

KILL = """
import os, signal
from lightning.pytorch.callbacks import Callback

class Kill(Callback):
    def on_train_batch_end(self, trainer, *args):
        if (trainer.current_epoch, trainer.global_step % trainer.num_training_batches) == (2, 2):
            os.kill(os.getpid(), signal.SIGKILL)
"""


def validation_metrics(folder: Path) -> dict[int, dict[str, str]]:
    """Epoch -> validation metrics, to the last digit, from all metrics files of a run."""
    found: dict[int, dict[str, str]] = {}
    for file in sorted(folder.glob("metrics/version_*/metrics.csv")):
        for row in csv.DictReader(file.open()):
            if row["val/rmse"]:
                found[int(row["epoch"])] = {name: value for name, value in row.items() if name.startswith("val/")}
    return found


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_end(tmp_path_factory: pytest.TempPathFactory, here: Path) -> None:
    """SIGKILL in mid-epoch, then ``--ckpt_path last``: bit for bit the metrics of a run that was left alone.

    The runs log as users' runs do: to W&B, offline and without a question, and to CSV.
    """
    fit = mini("fit", "--trainer.max_epochs", "4", logger=True)
    whole = tmp_path_factory.mktemp("whole")
    shutil.copytree(here, whole, dirs_exist_ok=True)
    run(whole, fit)

    (here / "kill.py").write_text(KILL)
    process = start(here, [*fit, "--trainer.callbacks", "kill.Kill"])
    output, _ = process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL, output
    folder = only_run(here)
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1
    config = (folder / "config.yaml").read_bytes()
    run(here, [*fit, "--ckpt_path", "last"])

    assert only_run(here) == folder and (folder / "config.yaml").read_bytes() == config
    metrics, wanted = validation_metrics(folder), validation_metrics(only_run(whole))
    assert set(wanted) == {0, 1, 2, 3} and len({row["val/rmse"] for row in wanted.values()}) == 4
    assert metrics == wanted
    ends = [
        torch.load(root / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for root in (folder, only_run(whole))
    ]
    assert all(torch.equal(ends[0][name], value) for name, value in ends[1].items())
    check_logs(folder)


def check_logs(folder: Path) -> None:
    """Both parts of the run went to one W&B run, named as its folder; the resolved config is there once."""
    runs = list(folder.glob("wandb/offline-run-*"))
    assert len(runs) == 2 and all(path.name.endswith(folder.name) for path in runs)
    assert all(list(path.glob("*.wandb")) for path in runs)
    hparams = yaml.safe_load((folder / "metrics" / "version_0" / "hparams.yaml").read_text())
    assert hparams["model"]["init_args"]["hidden_dim"] == 4 and "git_commit" in hparams
    assert "hidden_dim" not in hparams and "source_dim" not in hparams
    assert "lr-Adam" in (folder / "metrics" / "version_0" / "metrics.csv").read_text().splitlines()[0]
