import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rrnet_lightning.candidates.feature_writer import recipe
from rrnet_lightning.candidates.features import keep_features, read_features
from rrnet_lightning.candidates.views import make
from rrnet_lightning.cli import crossfit, jobs
from rrnet_lightning.cli.crossfit import Training, cross_fit_all, fold_sets
from rrnet_lightning.cli.jobs import stop
from rrnet_lightning.cli.resolve import resolve
from rrnet_lightning.errors import CrossFitError
from tests.candidates.classifiers.test_backbone_module import CONFIG
from tests.candidates.test_features import some_features
from tests.command import PROJECT
from tests.fake import write_esc


@pytest.fixture
def resolved(here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workplace where any options resolve to one config; its digest."""
    data = {"class_path": "Raw", "init_args": {"left_out": []}}
    config: dict[str, Any] = {"model": {}, "data": data, "trainer": {}}
    monkeypatch.setattr(crossfit, "resolve", lambda options: config)
    return recipe(config)


def test_sets_are_every_fold_and_every_pair() -> None:
    sets = list(fold_sets(5, pairs=True))
    assert len(sets) == len(set(sets)) == 15 and {(1,), (5,), (1, 2), (4, 5)} <= set(sets)
    assert list(fold_sets(2, pairs=False)) == [(1,), (2,)]


def test_recipe_is_of_what_decides_the_weights() -> None:
    data: dict[str, Any] = {"class_path": "Raw", "init_args": {"left_out": [1], "rate": 8000, "root": None}}
    config: dict[str, Any] = {"model": {"a": 1}, "data": data, "trainer": {"max_epochs": 3}, "seed_everything": 0}
    same = config | {"data": data | {"init_args": {"left_out": [2, 3], "rate": 8000, "root": "x", "num_workers": 2}}}
    assert recipe(config) == recipe(same | {"trainer": {"max_epochs": 3, "devices": 1, "precision": None}})
    for other in ({"seed_everything": 1}, {"model": {"a": 2}}, {"trainer": {"max_epochs": 4}}):
        assert recipe(config | other) != recipe(config)


def test_files_that_are_there_are_kept(resolved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossfit, "CHILD", "raise SystemExit(1)")
    out = Path("out")
    keep_features(out / "without_1_3.npy", replace(some_features(), recipe=resolved))
    cross_fit_all(out, [(1, 3)], [])
    for change in ({"recipe": "other"}, {"left_out": (1,)}):
        keep_features(out / "without_1_3.npy", replace(some_features(), **({"recipe": resolved} | change)))
        with pytest.raises(CrossFitError, match=r"without_1_3\.npy: made by other settings"):
            cross_fit_all(out, [(1, 3)], [])


def test_a_training_starts_from_weights_that_saw_no_more(tmp_path: Path) -> None:
    for name in ("without_1_2", "without_1_2_3", "without_2", "without_1_3"):
        checkpoint = tmp_path / f"runs/{name}/a/checkpoints/last.ckpt"
        checkpoint.parent.mkdir(parents=True)
        checkpoint.touch()
        if name != "without_1_3":  # not trained to its end
            (tmp_path / f"{name}.npy").touch()

    def start(*left_out: int) -> list[str]:
        return Training(Path("out"), left_out, [], "digest", str(tmp_path)).weights()

    assert start(1) == ["--model.weights", str(tmp_path / "runs/without_1_2/a/checkpoints/last.ckpt")]
    assert start(2) == ["--model.weights", str(tmp_path / "runs/without_2/a/checkpoints/last.ckpt")]
    assert start(1, 3) == ["--model.weights", str(tmp_path / "runs/without_1_2_3/a/checkpoints/last.ckpt")]
    with pytest.raises(CrossFitError, match="found no checkpoint of a backbone trained to its end without folds"):
        start(4)
    assert Training(Path("out"), (1,), [], "digest").weights() == []


@pytest.mark.parametrize(
    ("child", "said"), [("print('boom'); raise SystemExit(3)", r"boom\n\(status 3; .*2\.log"), ("pass", r"no .*2\.npy")]
)
def test_failed_training_is_named_with_its_log(
    child: str, said: str, resolved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossfit, "CHILD", child)
    with pytest.raises(CrossFitError, match=f"without_2 failed: {said}"):
        cross_fit_all(Path("out"), [(2,)], [])
    assert "seconds: " in Path("out/logs/without_2.log").read_text()


def test_interrupt_stops_the_trainings(
    resolved: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    stopped: list[str] = []

    def stopping(process: subprocess.Popen[bytes]) -> None:
        stop(process)
        stopped.append(str(process.args))

    monkeypatch.setattr(crossfit, "CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(time, "sleep", interrupt)
    monkeypatch.setattr(jobs, "stop", stopping)
    with pytest.raises(SystemExit) as exit:
        crossfit.main(["--out", "out", "--jobs", "2", "--folds", "3"])
    assert exit.value.code == 130 and "goes on from here" in capsys.readouterr().err
    assert ["--data.left_out" in command for command in stopped] == [True, True]


@pytest.mark.parametrize("args", [["--jobs", "0"], ["--threads", "0"], ["--sets", "one"]])
def test_bad_options_are_refused(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        crossfit.main(["--out", "out", *args])
    assert exit.value.code == 2 and "wanted" in capsys.readouterr().err


def test_a_config_without_a_backbone_is_refused_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--config", "image_digits"], ["--config=image_digits"]):
        with pytest.raises(SystemExit) as exit:
            crossfit.main([*options, "--out", "x"])
        said = capsys.readouterr().err
        assert exit.value.code == 2 and not Path("x").exists()
        assert said.startswith("error: --config: image_digits trains no backbone, wanted one of backbone_acdnet_esc50,")
        assert said.count("\n") == 1


@pytest.mark.parametrize("dataset", ["esc10", "esc50", "cifar10", "cifar100"])
def test_the_command_that_makes_missing_features_is_accepted(
    dataset: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/rrnet"])
    command = make("new", dataset)
    assert command.startswith("rrnet crossfit --config backbone_")
    known, options = crossfit.parse(shlex.split(command)[2:])
    assert str(known.out) == "new" and resolve(options)["data"]["init_args"]["dataset"] == dataset


@pytest.mark.slow
def test_trainings_in_processes_of_their_own_leave_their_folds_out(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    write_esc(here / "data", folds=3)
    Path("b.yaml").write_text(CONFIG.replace(", val_fold: 3", ""))
    crossfit.main(["--config", "b.yaml", "--out", "out", "--sets", "1", "1,2", "--jobs", "2"])
    files = [read_features(Path("out") / name) for name in ("without_1.npy", "without_1_2.npy")]
    assert [file.left_out for file in files] == [(1,), (1, 2)]
    assert files[0].recipe == files[1].recipe and files[0].checksum != files[1].checksum
    with pytest.raises(SystemExit) as exit:
        crossfit.main(["--out", "out", "--sets", "1", "--config", "b.yaml", "--seed_everything", "1"])
    assert exit.value.code == 2 and "without_1.npy: made by other settings" in capsys.readouterr().err
