import csv
import signal
import time
from pathlib import Path

import pytest
import torch

from rrnet_lightning.cli.command import main
from tests.command import mini, only_run, refused, start

FILES: list[list[str]] = [[], ["--checkpoint.save_top_k=3"], ["--checkpoint.save_top_k=-1"]]
FILES += [["--checkpoint.filename={epoch}"], ["--checkpoint.filename=mine", "--checkpoint.save_top_k=2"]]


@pytest.mark.parametrize("options", FILES)
def test_best_is_the_epoch_of_the_best_value_whatever_the_files_are_called(here: Path, options: list[str]) -> None:
    high = ["--model.optimizer.lr=0.3", "--trainer.max_epochs=6", *options]  # it gets worse again
    main([*mini("fit", *high), "--trainer.logger=lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir=log"])
    [file] = Path("log").rglob("metrics.csv")
    rows = [row for row in csv.DictReader(file.open()) if row["val/rmse"]]
    value = {int(row["epoch"]): float(row["val/rmse"]) for row in rows}
    best = torch.load(only_run(here) / "checkpoints/best.ckpt", weights_only=True)
    assert best["epoch"] == min(value, key=lambda epoch: value[epoch]) and len(set(value.values())) == 6


def test_last_is_saved_each_epoch_also_without_validation(here: Path) -> None:
    main(mini("fit", "--trainer.check_val_every_n_epoch=5"))
    assert [file.name for file in only_run(here).glob("checkpoints/*")] == ["last.ckpt"]


def test_none_is_null(here: Path) -> None:
    main(mini("fit", "--model.scheduler=None", "--data.batch_size", "None", "--trainer.fast_dev_run=true"))


def test_options_that_the_checkpoint_overrules_are_refused(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--model.hidden_dim=16", "--model.optimizer.lr=0.5", "--model.init_args.dropout=0.1"):
        for command in ("fit", "test"):
            message = refused(capsys, mini(command, "--ckpt_path", "last", option))
            name, value = option.replace("init_args.", "").split("=")
            assert f"{name}: found {value}, but the checkpoint was trained with" in message
    message = refused(capsys, mini("fit", "--ckpt_path", "last", "--seed_everything", "5"))
    assert "--seed_everything: found 5, but the checkpoint was trained with 0" in message
    main(mini("test", "--ckpt_path", "last", "--model.hidden_dim=4"))


@pytest.mark.parametrize("subcommand", ["fit", "validate", "test", "predict"])
def test_ratings_that_changed_since_are_refused(
    last: Path, capsys: pytest.CaptureFixture[str], subcommand: str
) -> None:
    file = Path("data/filmtrust/ratings.txt")
    lines = file.read_text().splitlines()
    for changed in (lines[1:], [*lines, "1 77 2"], lines[::-1]):
        file.write_text("\n".join(changed) + "\n")
        assert "the data is not that of the training" in refused(capsys, mini(subcommand, "--ckpt_path", "last"))


def test_own_ratings_in_another_order_or_folder_are_the_same_data(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Path("data/filmtrust/ratings.txt").read_text().splitlines()
    own = ["--data.scale=[0.5,4]", "--data.trust=none"]
    Path("r.txt").write_text("\n".join(lines))
    main(mini("fit", "--data.ratings_path=r.txt", *own))
    found = []
    for order in (lines, lines[::-1]):
        Path("r.txt").write_text("\n".join(order))
        capsys.readouterr()
        main(mini("test", "--ckpt_path=last", "--data.ratings_path=r.txt", *own))
        found.append([line for line in capsys.readouterr().out.splitlines() if "test/" in line])
    assert found[0] == found[1] and found[0]


def test_a_terminated_training_does_not_end_well(here: Path) -> None:
    process = start(here, mini("fit", "--trainer.max_epochs=100000"))
    try:
        while not list(here.glob("runs/*/checkpoints/last.ckpt")) and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.communicate()
