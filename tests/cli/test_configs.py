from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from rrnet_lightning.candidates.features import read_features
from rrnet_lightning.cli.command import main
from tests import fake_paired
from tests.command import PROJECT, only_run
from tests.fake import write_ciao, write_cifar_batches, write_esc, write_features, write_tables

CONFIGS = sorted((PROJECT / "configs").glob("*.yaml"))
BACKBONES = [config for config in CONFIGS if config.stem.startswith("backbone_")]
GRAPHS = [config for config in CONFIGS if config not in BACKBONES]
PAIRED: dict[str, Callable[[Path, int], Path]] = {
    "emoji": fake_paired.write_emoji,
    "flickr8k": fake_paired.write_flickr8k,
    "pascal_sentence": fake_paired.write_pascal_sentence,
    "wikipedia": fake_paired.write_wikipedia,
}
LSA = "[{class_path: Lsa, init_args: {width: 3, min_texts: 1}}]"
SMALL = {"emoji": LSA, "flickr8k": LSA, "pascal_sentence": "[bert]", "wikipedia": "[topics]"}
CLASSES = {"esc10": 10, "esc50": 50, "cifar10": 10, "cifar100": 100}


def settings(config: Path) -> dict[str, Any]:
    """A config as it is written."""
    content: dict[str, Any] = yaml.safe_load(config.read_text())
    return content


@pytest.mark.parametrize("config", GRAPHS, ids=lambda config: config.stem)
def test_shipped_config_fits_tests_and_predicts(config: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One real epoch on miniature data in the true format, through the real command line."""
    write_ciao(here / "data", share=0.9)  # as its 10-core asks
    wanted = settings(config)
    write_tables(here)
    for reader, write in PAIRED.items():
        write(here / "data", 40)
        monkeypatch.setattr(f"rrnet_lightning.data.paired.{reader}.check_counts", lambda *args: None)
    few = ["--config", str(config), "--trainer.accelerator", "cpu"]
    few += ["--data.steps_per_epoch", "2"] if not config.stem.startswith(("tables", "retrieval")) else []
    few += ["--trainer.default_root_dir", "runs", "--trainer.logger", "false", "--trainer.enable_progress_bar", "false"]
    if config.stem.startswith("retrieval"):
        few += ["--data.root", "data", "--data.text", SMALL[wanted["data"]["init_args"]["dataset"]]]
    if "dataset" in wanted["data"]["init_args"] and wanted["data"]["class_path"] == "SocialDataModule":
        few += ["--data.root", "data"]
    dataset = wanted["data"]["init_args"].get("dataset")
    if dataset in CLASSES:  # read from feature files: folds 1 to 5 of sounds, 0 to 3 of images
        sets, folds = ([[1], [1, 2], [1, 3]], range(1, 6)) if dataset[:3] == "esc" else ([[1, 2, 3]], range(4))
        few += ["--data.root", "data"]
        few += ["--data.features", str(write_features(here / "features", dataset, CLASSES[dataset], sets, list(folds)))]
    main(["fit", *few, "--trainer.max_epochs", "1"])
    folder = only_run(here)
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 0
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["trainer"]["max_epochs"] == 1
    for name, value in wanted["model"]["init_args"].items():
        if not isinstance(value, dict):
            assert saved["model"]["init_args"][name] == value
    main(["test", *few, "--ckpt_path", "last"])
    main(["predict", *few, "--ckpt_path", "last"])
    scores = pq.read_table("predictions.parquet")["score"].to_pylist()
    assert scores and all(score == score for score in scores)
    assert only_run(here) == folder


@pytest.mark.parametrize("config", BACKBONES, ids=lambda config: config.stem)
def test_shipped_backbone_fits_tests_and_predicts(config: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step on three classes, through the real command line, to a feature file."""
    for name in ("esc10", "esc50"):
        write_esc(here / "data", name, rate=4000)
    write_cifar_batches(here / "data")
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    wanted = settings(config)["model"]["init_args"]
    few = ["--config", str(config), "--data.root", "data", "--data.classes", "3", "--model.backbone.classes", "3"]
    few += ["--data.batch_size", "4", "--trainer.accelerator", "cpu", "--trainer.default_root_dir", "runs"]
    few += ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false"]
    few += ["--model.crops", "2"] if "crops" in wanted else []
    main(["fit", *few, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1"])
    folder = only_run(here)
    saved = settings(folder / "config.yaml")["model"]["init_args"]
    for name, value in wanted.items():
        if not isinstance(value, dict) and name != "crops":
            assert saved[name] == value
    main(["test", *few, "--ckpt_path", "last"])
    main(["predict", *few, "--ckpt_path", "last"])
    found = read_features(folder / "features.npy")
    assert found.backbone == wanted["backbone"]["class_path"] and len(found.names) == 3
    (folder / "checkpoints" / "last.ckpt").unlink()  # some hold 100 MB, and pytest keeps folders
    (folder / "checkpoints" / "best.ckpt").unlink()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_shipped_config_says_how_to_run_it(config: Path) -> None:
    text = config.read_text()
    assert f"#   python train.py fit --config configs/{config.name}" in text and "# Expected" in text
    assert len(text.splitlines()) <= 45
