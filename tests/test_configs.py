from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from rrnet_lightning.cli import main
from tests.command import PROJECT, only_run
from tests.fake import write_ciao

CONFIGS = sorted((PROJECT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_shipped_config_fits_tests_and_predicts(config: Path, here: Path) -> None:
    """One real epoch on miniature data in the true format, through the real command line."""
    write_ciao(here / "data", share=0.9)  # as its 10-core asks
    wanted = yaml.safe_load(config.read_text())
    few = ["--config", str(config), "--data.steps_per_epoch", "2", "--trainer.accelerator", "cpu"]
    few += ["--trainer.default_root_dir", "runs", "--trainer.logger", "false", "--trainer.enable_progress_bar", "false"]
    if "dataset" in wanted["data"]["init_args"] and wanted["data"]["class_path"] == "SocialDataModule":
        few += ["--data.root", "data"]
    main(["fit", *few, "--trainer.max_epochs", "1"])
    folder = only_run(here)
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 0
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["trainer"]["max_epochs"] == 1
    for name, value in wanted["model"]["init_args"].items():
        if not isinstance(value, dict):
            assert saved["model"]["init_args"][name] == value
    main(["test", *few, "--ckpt_path", "last"])
    main(["predict", *few, "--ckpt_path", "best"])
    scores = pq.read_table("predictions.parquet")["score"].to_pylist()
    assert scores and all(score == score for score in scores)
    assert only_run(here) == folder


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_shipped_config_says_how_to_run_it(config: Path) -> None:
    text = config.read_text()
    assert f"#   python train.py fit --config configs/{config.name}" in text and "# Expected" in text
    assert len(text.splitlines()) <= 45
