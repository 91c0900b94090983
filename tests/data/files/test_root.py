from pathlib import Path

import pytest
import torch

from rrnet_lightning.data.checks import check_finite
from rrnet_lightning.data.files.root import data_root, dataset_folder, user_path
from rrnet_lightning.errors import DataError


def test_data_root_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("RRNET_DATA", raising=False)
    assert data_root() == home / ".cache/rrnet"
    (tmp_path / "shared/data").mkdir(parents=True)
    assert data_root().resolve() == tmp_path / "shared/data"
    monkeypatch.setenv("RRNET_DATA", "~/env")
    assert data_root() == home / "env"
    assert data_root("arg") == Path("arg")


def test_a_path_is_expanded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert user_path("a/~/b") == Path("a/~/b") and user_path(Path("~/b")) == Path("/home/me/b") == user_path("~/b")
    assert user_path(user_path("./~/b")) == tmp_path / "~/b"
    for wrong in ("", "~nobody-here/x"):
        with pytest.raises(DataError, match="path: found"):
            user_path(wrong)


def test_dataset_folder_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)'set': no such folder.*set/\n    a.txt    <- missing\n.*RRNET_DATA"):
        dataset_folder("set", ["a.txt", "sub/b.txt"], tmp_path)
    (tmp_path / "set/sub").mkdir(parents=True)
    (tmp_path / "set/a.txt").touch()
    with pytest.raises(DataError, match=r"(?s)1 of 2 .*a.txt\n    sub/b.txt    <- missing\nTry --data.download true"):
        dataset_folder("set", ["a.txt", "sub/b.txt"], tmp_path, hint="Try --data.download true")
    (tmp_path / "set/sub/b.txt").touch()
    assert dataset_folder("set", ["a.txt", "sub/b.txt"], tmp_path) == tmp_path / "set"


def test_check_finite_names_field_count_and_first_row() -> None:
    x = torch.zeros(4, 2)
    check_finite("features", x)
    check_finite("labels", torch.arange(3))
    x[2, 1], x[3, 0], x[3, 1] = float("nan"), float("inf"), float("-inf")
    with pytest.raises(DataError, match=r"features: found 1 NaN and 2 infinite values of 8, the first in row 2"):
        check_finite("features", x)
