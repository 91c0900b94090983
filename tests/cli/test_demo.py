import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rrnet_lightning.cli import demo
from tests.command import PROJECT


def test_demo_trains_what_the_shipped_config_says() -> None:
    config = yaml.safe_load((PROJECT / "configs" / "image_digits.yaml").read_text())
    model, data = config["model"]["init_args"], config["data"]["init_args"]
    assert data == {**demo.DATA, "seed": 0}
    assert model.pop("optimizer") == {"class_path": "torch.optim.AdamW", "init_args": demo.OPTIMIZER}
    assert (
        model.pop("scheduler")["init_args"] == {"T_max": demo.EPOCHS} and config["trainer"]["max_epochs"] == demo.EPOCHS
    )
    assert model == demo.MODEL


def test_a_number_of_splits_below_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        demo.main(["--seeds", "0"])
    assert exit.value.code == 2 and "--seeds: found 0, wanted at least 1" in capsys.readouterr().err


@pytest.mark.slow
def test_demo_prints_three_methods_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rrnet_lightning.cli.demo", "--seeds", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows = {row: next(line for line in done.stdout.splitlines() if row in line) for row in demo.ROWS}
    accuracies = {row: float(line.replace(row, "").strip("│ %").strip("│ ")) for row, line in rows.items()}
    assert all(95 < accuracy <= 100 for accuracy in accuracies.values()), accuracies
    assert not list(tmp_path.iterdir())
