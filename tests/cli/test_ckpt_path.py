import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from rrnet_lightning.cli.command import main
from tests.command import mini, only_run, refused


def test_checkpoint_of_other_widths_is_refused(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = torch.load(last, weights_only=True)
    checkpoint.pop("rrnet_config")  # which would name the option
    torch.save(checkpoint, last)
    for subcommand in ("fit", "test"):
        message = refused(capsys, mini(subcommand, "--ckpt_path", "last", "--data.attributes", "random"))
        assert "checkpoint: found network.encoder.source" in message and "use the config.yaml beside it" in message


@pytest.mark.parametrize("subcommand", ["fit", "validate", "test", "predict"])
def test_checkpoint_of_another_fold_is_refused(last: Path, capsys: pytest.CaptureFixture[str], subcommand: str) -> None:
    message = refused(capsys, mini(subcommand, "--ckpt_path", "last", "--data.fold", "2"))
    assert "--data.fold: found 2, but the checkpoint was trained with 0" in message
    config = str(last.parents[1] / "config.yaml")
    assert "Use `--config runs/" in message
    shutil.copy(last, "moved.ckpt")
    message = refused(capsys, mini(subcommand, "--ckpt_path", "moved.ckpt", "--data.fold", "2"))
    assert "--data.fold: found 2, but the checkpoint was trained with 0" in message and "--config" not in message
    main(
        [subcommand, "--config", config, "--ckpt_path", str(last), "--data.batch_size", "4"]
    )  # not what is learnt from


@pytest.mark.parametrize("subcommand", ["validate", "test", "predict"])
def test_weights_are_never_random_outside_fit(here: Path, capsys: pytest.CaptureFixture[str], subcommand: str) -> None:
    assert "--ckpt_path: none given, the weights would be random" in refused(capsys, mini(subcommand))


class Code:
    """Runs code of its own when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


def test_unusable_checkpoints_are_refused(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = last.read_bytes()
    Path("cut.ckpt").write_bytes(content[: len(content) * 2 // 3])
    Path("empty.ckpt").touch()
    torch.save({"state_dict": Code(), "pytorch-lightning_version": "2.6.1"}, "code.ckpt")
    torch.save({"weight": torch.ones(2)}, "other.ckpt")
    for name, message in {
        "cut": "cut.ckpt is cut short or damaged",
        "empty": "empty.ckpt is cut short or damaged",
        "code": "code.ckpt holds more than tensors and plain values and was refused",
        "other": "other.ckpt is no checkpoint of a run",
        "none": "no file none.ckpt",
    }.items():
        for subcommand in ("test", "fit"):
            assert message in refused(capsys, mini(subcommand, "--ckpt_path", f"{name}.ckpt"))
    assert not Path("executed").exists()


def test_resume_goes_on_in_the_same_folder(last: Path) -> None:
    main(mini("fit", "--ckpt_path", "last", "--trainer.max_epochs", "3"))
    assert only_run(Path()).resolve() == last.parents[1]
    resumed = torch.load(last, weights_only=True)
    assert resumed["epoch"] == 2
    assert resumed["rrnet_config"]["trainer"]["max_epochs"] == 1  # as it was started
