import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from rrnet_lightning.cli.command import main
from rrnet_lightning.cli.parser import check_options
from rrnet_lightning.datamodules.image import ImageDataModule
from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.datamodules.sound import SoundDataModule
from rrnet_lightning.errors import OptionError
from rrnet_lightning.module import RRNetModule
from tests.command import mini, only_run, refused, start


def test_fit_leaves_config_and_checkpoints_together(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(mini("fit", "--model.hidden_dim", "3", "--data.fold", "2", "--trainer.max_epochs", "2"))
    folder = only_run(here)
    assert {str(file.relative_to(folder)) for file in folder.rglob("*.*")} == {
        "config.yaml",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
    }
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["model"]["init_args"]["hidden_dim"] == 3 and config["data"]["init_args"]["fold"] == 2
    weights = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert weights["epoch"] == 1 and weights["hyper_parameters"]["hidden_dim"] == 3
    module = RRNetModule.load_from_checkpoint(folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert module.network.decoder(torch.zeros(1, 3)).shape == (1, 1)


def test_the_saved_config_makes_the_same_run_again(here: Path) -> None:
    main(mini("fit"))
    first = only_run(here)
    shutil.move(first, here / "first")
    main(["fit", "--config", "first/config.yaml", "--trainer.default_root_dir", "runs"])
    states = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (here / "first", only_run(here))
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_print_config_and_help(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for args, wanted in (
        (mini("fit", "--print_config"), "hidden_dim: 4"),
        (["fit", "--help"], "--checkpoint.monitor"),
        (["--help"], "{fit,validate,test,predict}"),
        (["fit", "--data.help", "SocialDataModule"], "--data.mask_ratio"),
    ):
        with pytest.raises(SystemExit) as exit:
            main(args)
        assert exit.value.code == 0 and wanted in capsys.readouterr().out


@pytest.mark.parametrize(
    "option, value, wanted",
    [
        ("data.neighbors", "x", "int"),
        ("data.batch_size", "x", "int or null"),  # an option of the base class
        ("data.fan_out", "3", "list"),
        ("model.kernel", "x", "'hadamard' or 'bilinear' or 'concat'"),
        ("trainer.max_epochs", "x", "int or null"),
        ("predictions.rows", "x", "'pairs' or 'best'"),
        ("model.optimizer.lr", "x", "float or Tensor"),  # a class inside a class
        ("model.optimizer", "x", "a class by name or path"),
        ("model", "3", "LightningModule or null"),
        ("data.neighbors", "null", "int"),
        ("data.fan_out", "null", "Sequence[int]"),
        ("model.objective.high", "null", "float"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_in_a_line(
    here: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, wanted: str
) -> None:
    said = refused(capsys, mini("fit", f"--{option}", value))
    assert said.splitlines()[-1] == f"error: --{option}: found {value}, wanted {wanted}"


@pytest.mark.parametrize(
    "options, message",
    [
        (["--data.relations", "null"], "--data.relations: found null, wanted Relations"),
        (["--data.relations.votes", "null"], "--data.relations.votes: found null, wanted bool"),
        (["--data.relations", "[1]"], "--data.relations: found [1], wanted Relations"),
    ],
)
def test_a_group_of_options_is_checked_too(
    here: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    said = refused(capsys, ["fit", "--model", "RRNetModule", "--data", "ImageDataModule", *options])
    assert said.splitlines()[-1] == f"error: {message}"


def test_an_option_that_a_subclass_takes_is_its_own_affair() -> None:
    class Mine(ImageDataModule):
        def __init__(self, top_k: int | None = None, **options: Any) -> None:
            super().__init__("digits", **options)

    check_options("data", Mine, {"top_k": None})
    with pytest.raises(OptionError, match=r"--data\.source_k: found null, wanted int"):
        check_options("data", Mine, {"source_k": None})


def test_a_config_without_data_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--data: found none, wanted a class by name" in refused(capsys, ["fit", "--model", "RRNetModule"])


@pytest.mark.parametrize("where", [ImageDataModule, SocialDataModule, SoundDataModule])
def test_a_misspelt_argument_is_refused_in_python_too(where: Any) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'batchsize'"):
        where(batchsize=3)


@pytest.mark.parametrize(
    "args, meant",
    [
        (["--model.hiden_dim", "3"], "'hiden_dim'; did you mean 'hidden_dim'?"),
        (["--model.objective.hi", "3"], "'hi'; did you mean 'high'?"),
        (["--trainer.max_epoch", "3"], "'trainer.max_epoch'; did you mean 'trainer.max_epochs'?"),
        (["--checkpoint.monitr", "x"], "'checkpoint.monitr'; did you mean 'checkpoint.monitor'?"),
        (["--data", "SocialDataModul"], "'SocialDataModul'; did you mean 'SocialDataModule'?"),
        (["--data.help", "SocialDataModul"], "'SocialDataModul'; did you mean 'SocialDataModule'?"),
        (["--model", "rrnet_lightning.RRNetModul"], "'RRNetModul'; did you mean 'RRNetModule'?"),
        (["--model.objective", "RatingObjectiv"], "'RatingObjectiv'; did you mean 'RatingObjective'?"),
        (["--model.optimizer", "torch.optim.Adm"], "'Adm'; did you mean 'Adam'?"),
        (["--model.optimizer", "SDG"], "'SDG'; did you mean 'SGD'?"),
        (["--model.scheduler", "StepL"], "'StepL'; did you mean 'StepLR'?"),
        (["--trainer.callbacks", "EarlyStoping"], "'EarlyStoping'; did you mean 'EarlyStopping'?"),
        (["--model", "RRNetModul"], "'RRNetModul'; did you mean 'RRNetModule'?"),
        (["--model", "BackboneModule", "--model.backbone", "LogMelCN"], "'LogMelCN'; did you mean 'LogMelCNN'?"),
        (["--config", "trainer.yaml"], "'trainer.max_epoch'; did you mean 'trainer.max_epochs'?"),
        (["--data.scorer.model", "RRNetModule"], "'RRNetModule' here: it is of another kind than wanted"),
        (["--config", "typo.yaml"], "'mask_ration'; did you mean 'mask_ratio'?"),
    ],
)
def test_unknown_names_fail_with_the_nearest(
    here: Path, capsys: pytest.CaptureFixture[str], args: list[str], meant: str
) -> None:
    Path("typo.yaml").write_text(Path("mini.yaml").read_text().replace("batch_size: 8", "mask_ration: 0.3"))
    Path("trainer.yaml").write_text("trainer: {max_epoch: 3}")
    assert refused(capsys, mini("fit", *args)).rstrip().endswith(f"error: unknown option or name {meant}")


@pytest.mark.parametrize(
    "args, message",
    [
        (["--data.root", "none"], "Data set 'filmtrust': no such folder. Wanted:\n  none/filmtrust/\n    ratings.txt"),
        (["--data.fold", "5"], "error: fold: found 5, wanted 0 to 4"),
        (["--data.mask_ratio", "0"], "error: mask_ratio: found 0.0, wanted a share in (0, 1]"),
        (
            ["--model.objective.low", "7"],
            "error: RatingObjective: found the scale low=7.0, high=4.0, wanted low < high",
        ),
        (["--model.hidden_dim", "0"], "error: hidden_dim: found 0, wanted at least 1"),
        (["--model.objective.delta", "0"], "error: RatingObjective: found delta=0.0, wanted more than 0"),
        (["--model.objective.low", "2"], "RatingObjective: found 2 to 4, wanted the data's scale, 0.5 to 4"),
        (["--model.optimizer.lr", "-1"], "error: optimizer: Invalid learning rate: -1.0. Correct --model.optimizer"),
        (["--data.neighbors", "-1"], "error: neighbors: found -1, wanted at least 0"),
        (["--data.num_workers", "-1"], "error: num_workers: found -1, wanted at least 0"),
        (["--data.val_share", "0"], "error: val: no pair is to be predicted"),
        (["--seed_everything", "-1"], "error: --seed_everything: found -1, wanted 0 to 4294967295"),
        (["--seed_everything", "4294967296"], "error: --seed_everything: found 4294967296, wanted 0 to"),
        (["--trainer.val_check_interval", "100"], "error: `val_check_interval` (100) must be less than or equal"),
        (["--trainer.default_root_dir", "mini.yaml"], "mini.yaml is a file, not a folder"),
        (["--model.scheduler", "StepLR"], "--model.scheduler: the following arguments are required: step_size"),
        (["--model.optimizer", "{class_path: torch.optim.Adam, init_args: {lr: null}}"], "Correct --model.optimizer"),
        (["--model.units", "[inner]"], "error: --model.units: found inner, wanted 'intra' or 'inter'"),
        (["--data.fan_out", "[-3]"], "error: fan_out: found -3, wanted numbers of neighbours, or -1 for all"),
        (["--trainer.accelerator", "cpuu"], "error: You selected an invalid accelerator name"),
        (
            ["--ckpt_path", "last"],
            "error: --ckpt_path last: no run under runs was trained. Run `fit` first",
        ),
        (["--config", "none.yaml"], "--config: found no file"),
    ],
)
def test_bad_options_leave_a_message_and_nothing_else(
    here: Path, capsys: pytest.CaptureFixture[str], args: list[str], message: str
) -> None:
    assert message in refused(capsys, mini("fit", *args))


def test_bad_ratings_file_is_named_with_its_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Path("data/filmtrust/ratings.txt").open("a") as file:
        file.write("1 2\n")
    lines = Path("data/filmtrust/ratings.txt").read_text().count("\n")
    assert f"ratings.txt, line {lines}: found 2 columns" in refused(capsys, mini("fit"))


@pytest.mark.slow
def test_refused_run_leaves_no_logs_either(here: Path) -> None:
    Path("data/filmtrust/ratings.txt").write_text("1 1 9\n")
    process = start(here, mini("fit", logger=True))
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 2 and "ratings.txt, line 1: found rating 9" in output
    assert not list(here.glob("runs/*"))


def test_misspelt_monitor_names_the_metrics_there_are(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(mini("fit", "--checkpoint.monitor", "val/rmsee"))
    message = capsys.readouterr().err
    assert exit.value.code == 2 and "could not find the monitored key" in message and "'val/rmse'" in message


def test_data_root_from_the_environment(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mini.yaml").write_text(Path("mini.yaml").read_text().replace("root: data, ", ""))
    monkeypatch.setenv("RRNET_DATA", str(here / "data"))
    main(mini("fit", "--trainer.fast_dev_run", "true"))
