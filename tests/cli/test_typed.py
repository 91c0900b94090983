"""What is typed is done, or refused, or said not to be: with a checkpoint, which brings its own model, too."""

import shutil
from pathlib import Path

import lightning as L
import pytest
import torch

from rrnet_lightning.cli.command import main
from rrnet_lightning.cli.typed import check_own_options, nulls, typed
from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.errors import RunError
from rrnet_lightning.module import RRNetModule
from rrnet_lightning.objectives import RatingObjective
from tests.command import mini, only_run, refused

SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "params": None}}
MODEL = {"class_path": "RRNetModule", "init_args": {"units": ("inter",), "optimizer": SGD, "scheduler": None}}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint that says what it was trained with, and no more."""
    torch.save({"rrnet_config": {"data": {}, "model": MODEL, "seed_everything": 0}}, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_words_of_a_command_line() -> None:
    words = nulls(["fit", "--model.init_args.scheduler=None", "--data.batch_size", "None", "--model.units+", "inter"])
    assert words[1:4] == ["--model.scheduler=null".replace("model.", "model.init_args."), "--data.batch_size", "null"]
    assert typed(words) == ["model.scheduler", "data.batch_size", "model.units"]


@pytest.mark.parametrize(
    "change, by_hand, message",
    [
        (
            {"class_path": "BiasedMF"},
            "model",
            "--model: found BiasedMF, but the checkpoint was trained with RRNetModule",
        ),
        (
            {"optimizer": {"class_path": "torch.optim.Adam"}},
            "model.optimizer",
            "--model.optimizer: found torch.optim.Adam",
        ),
        ({"optimizer": {**SGD, "init_args": {"lr": 0.2}}}, "model.optimizer", "--model.optimizer.lr: found 0.2"),
        ({"optimizer": {**SGD, "init_args": {"lr": 0.2}}}, "model.optimizer.lr", "--model.optimizer.lr: found 0.2"),
        ({"scheduler": {"class_path": "StepLR"}}, "model.scheduler", "--model.scheduler: found "),
        ({"units": ["inter", "inter"]}, "model.units", "--model.units: found [inter, inter]"),
    ],
)
def test_options_by_hand_are_refused_where_they_differ(
    saved: Path, change: dict[str, object], by_hand: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    own = {name: value for name, value in change.items() if name != "class_path"}
    model = {**MODEL, **change, "init_args": {**MODEL["init_args"], **own}}  # type: ignore[dict-item]
    with pytest.raises(RunError) as error:
        check_own_options(saved, {"model": model}, [by_hand])
    assert str(error.value).startswith(message)
    with caplog.at_level("INFO"):
        check_own_options(saved, {"model": model}, ["trainer.max_epochs"])  # from a config: said
    assert "the checkpoint's own options replace those of the config: model." in caplog.text


def test_equal_options_are_not_spoken_of(saved: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        same = {**MODEL, "init_args": {**MODEL["init_args"], "units": ["inter"], "source_dim": 3}}  # type: ignore[dict-item]
        check_own_options(saved, {"model": same, "seed_everything": 0}, ["model", "model.optimizer", "model.units"])
    assert not caplog.text


def test_weights_made_in_python_must_be_asked_with_their_own_options(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = SocialDataModule(root="data")
    model = RRNetModule(
        data.source_dim,
        data.target_dim,
        data.edge_dim,
        4,
        objective=RatingObjective(0.5, 4),
        aggregation="sum",
        dropout=0.2,
    )
    trainer = L.Trainer(fast_dev_run=True, logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.fit(model, data)
    trainer.save_checkpoint("python.ckpt")
    message = refused(capsys, mini("test", "--ckpt_path", "python.ckpt"))
    assert "--model.aggregation: found mean, but the checkpoint was trained with sum" in message
    main(mini("test", "--ckpt_path", "python.ckpt", "--model.aggregation", "sum"))


def test_the_place_of_a_run_is_not_set_aside(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = mini("test", "--ckpt_path", str(last), "--trainer.default_root_dir", "elsewhere")
    assert "--trainer.default_root_dir: found elsewhere, but the checkpoint's run" in refused(capsys, given)
    message = refused(capsys, mini("fit", "--checkpoint.dirpath", "elsewhere"))
    assert "--checkpoint.dirpath: found elsewhere, wanted null" in message


def test_an_option_without_effect_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, mini("fit", "--data.batch_size=null", "--data.fan_out=[3]"))
    assert "--data.fan_out: found [3] without a batch_size" in message
    digits = ["fit", "--model=RRNetModule", "--data=ImageDataModule", "--data.features=folder"]
    assert "features: found 'folder' for the digits, wanted null" in refused(capsys, digits)


@pytest.mark.parametrize("filename", ["last", "{epoch}-{val/rmse:.2f}", "a/b", "/tmp/a", "{epoch", "{}"])
def test_a_checkpoint_has_a_name_of_its_own_in_its_folder(
    here: Path, capsys: pytest.CaptureFixture[str], filename: str
) -> None:
    message = refused(capsys, mini("fit", "--checkpoint.filename", filename))
    assert f"--checkpoint.filename: found {filename!r}" in message


def test_the_best_so_far_is_kept_where_a_run_was_moved(here: Path) -> None:
    mode = ["--checkpoint.mode=max", "--trainer.max_epochs"]  # the error falls: the first epoch is the best
    main(mini("fit", *mode, "3"))
    run = only_run(here)
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["epoch"]
    assert best < 2
    shutil.move(run, here / "moved")
    main(mini("fit", *mode, "4", "--ckpt_path", "moved/checkpoints/last.ckpt"))
    assert torch.load("moved/checkpoints/last.ckpt", weights_only=True)["epoch"] == 3
    assert torch.load("moved/checkpoints/best.ckpt", weights_only=True)["epoch"] == best
