import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from rrnet_lightning.cli.configs import find_config
from rrnet_lightning.cli.runs import check_same_data, find_checkpoint, git_commit, new_run_id, run_folder, same
from rrnet_lightning.errors import RunError


def checkpoint(root: Path, run: str, name: str, age: int) -> Path:
    file = root / run / "checkpoints" / f"{name}.ckpt"
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {}, "pytorch-lightning_version": "2.6.1"}, file)
    os.utime(file, (1e9 - age, 1e9 - age))
    return file


def test_last_and_best_are_those_of_the_run_written_to_last(tmp_path: Path) -> None:
    old, new = checkpoint(tmp_path, "b", "last", age=9), checkpoint(tmp_path, "a", "last", age=1)
    best = checkpoint(tmp_path, "a", "best", age=5)
    assert find_checkpoint("last", tmp_path) == new and find_checkpoint("best", tmp_path) == best
    assert find_checkpoint(str(old), tmp_path / "elsewhere") == old


def test_another_run_never_stands_in_for_the_newest(tmp_path: Path) -> None:
    checkpoint(tmp_path, "a", "best", age=9)
    checkpoint(tmp_path, "b", "epoch=1", age=1)
    with pytest.raises(RunError, match=r"the newest run, .*b, has no best.ckpt; it has epoch=1.ckpt"):
        find_checkpoint("best", tmp_path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c/config.yaml").touch()  # stopped before its first checkpoint
    with pytest.raises(RunError, match=r"the newest run, .*c, has no last.ckpt; it has no checkpoint"):
        find_checkpoint("last", tmp_path)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"--ckpt_path best: no run under .* was trained. Run `fit` first"):
        find_checkpoint("best", tmp_path)
    with pytest.raises(RunError, match=r"no file .*a. Give a .ckpt file, or `last` or `best` of the newest run"):
        find_checkpoint(str(tmp_path / "a"), tmp_path)


def test_run_ids_are_new_and_sort_by_time() -> None:
    ids = [new_run_id() for _ in range(20)]
    assert len(set(ids)) == 20 and [i[:15] for i in ids] == sorted(i[:15] for i in ids)


def test_a_run_goes_on_in_the_folder_of_its_checkpoint(tmp_path: Path) -> None:
    assert run_folder(tmp_path / "runs", checkpoint(tmp_path, "a", "last", age=1)) == tmp_path / "a"
    for given in (None, tmp_path / "somewhere" / "last.ckpt"):
        fresh = run_folder(tmp_path / "runs", given)
        assert fresh.parent == tmp_path / "runs" and not fresh.exists()


def test_git_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    commit = git_commit()
    assert commit is not None and len(commit) == 40
    monkeypatch.setenv("PATH", "")
    assert git_commit() is None


@pytest.mark.parametrize(
    "trained, ours, message",
    [
        (
            {"relations": {"nearest": True, "temperature": 0.1}},
            {"relations": {"nearest": True, "temperature": float("inf")}},
            "--data.relations.temperature: found .inf, but the checkpoint was trained with 0.1",
        ),
        ({"val_fold": None}, {"val_fold": 2}, "--data.val_fold: found 2, but the checkpoint was trained with null"),
        (
            {"scorer": None},
            {"scorer": {"class_path": "TrustSVD"}},
            "found TrustSVD, but the checkpoint was trained with null",
        ),
        ({"fan": "a"}, {"fan": ["a", "b"]}, "--data.fan: found [a, b], but the checkpoint was trained with a"),
    ],
)
def test_other_data_than_trained_on_is_named_as_it_is_written(
    tmp_path: Path, trained: dict[str, Any], ours: dict[str, Any], message: str
) -> None:
    saved = tmp_path / "last.ckpt"
    torch.save({"rrnet_config": {"data": {"class_path": "D", "init_args": trained}}}, saved)
    check_same_data(saved, {"class_path": "D", "init_args": {**trained, "new": 1, "batch_size": 3}})
    with pytest.raises(RunError) as error:
        check_same_data(saved, {"class_path": "D", "init_args": ours})
    assert message in str(error.value)


def test_a_class_by_another_path_is_the_same(tmp_path: Path) -> None:
    saved = tmp_path / "o.ckpt"
    torch.save({"rrnet_config": {"data": {"class_path": "rrnet_lightning.datamodules.SoundDataModule"}}}, saved)
    check_same_data(saved, {"class_path": "rrnet_lightning.SoundDataModule"})
    with pytest.raises(RunError, match=r"--data\.class_path: found \S+ImageDataModule"):
        check_same_data(saved, {"class_path": "rrnet_lightning.ImageDataModule"})


def test_a_checkpoint_of_unknown_origin_may_not_leave_folds_out(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "o.ckpt")
    check_same_data(tmp_path / "o.ckpt", {"class_path": "D", "init_args": {"fold": 1}})
    with pytest.raises(RunError, match="does not say what it was trained on"):
        check_same_data(tmp_path / "o.ckpt", {"class_path": "D", "init_args": {"left_out": [1]}})


def test_a_folder_may_be_named_in_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features").mkdir()
    torch.save({"rrnet_config": {"data": {"class_path": "D", "init_args": {"features": "features"}}}}, "o.ckpt")
    check_same_data(Path("o.ckpt"), {"class_path": "D", "init_args": {"features": str(tmp_path / "features")}})
    with pytest.raises(RunError, match=r"--data\.features: found other"):
        check_same_data(Path("o.ckpt"), {"class_path": "D", "init_args": {"features": "other"}})


def test_the_place_of_files_may_differ_where_it_is_known_what_was_in_them(tmp_path: Path) -> None:
    def saved(**more: Any) -> Path:
        data = {"class_path": "rrnet_lightning.datamodules.SoundDataModule", "init_args": {"features": "a", "fold": 1}}
        torch.save({"rrnet_config": {"data": data}, **more}, tmp_path / "o.ckpt")
        return tmp_path / "o.ckpt"

    moved = {"class_path": "rrnet_lightning.datamodules.SoundDataModule", "init_args": {"features": "b", "fold": 1}}
    check_same_data(saved(SoundDataModule={"learnt_from": "1f"}), moved)
    with pytest.raises(RunError, match=r"--data\.features: found b"):
        check_same_data(saved(), moved)


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    file = checkpoint(tmp_path, "a", "last", age=1)
    assert find_checkpoint("~/a/checkpoints/last.ckpt", tmp_path) == file
    (tmp_path / "c.yaml").write_text("seed_everything: 1")
    assert find_config("~/c.yaml") == tmp_path / "c.yaml"
    assert same("~/c.yaml", "c.yaml") and not same("~/c.yaml", "d.yaml") and not same("", "c.yaml")
