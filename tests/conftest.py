import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.command import workplace

torch.set_num_threads(1)  # the tensors of tests are small: more threads only wait for each other

# Lightning, torch.compile and scikit-learn write these; they are taken back, not held against a test
SET_BY_LIBRARIES = {"PL_GLOBAL_SEED", "PL_SEED_WORKERS", "_TORCHINDUCTOR_PYOBJECT_TENSOR_DATA_PTR", "KMP_INIT_AT_FORK"}


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def leaves_nothing_behind(shared_cache: Path) -> Iterator[None]:
    """Fail a test that changes the environment, or leaves files in the directory that pytest was started in."""
    here = Path.cwd()
    files = set(here.iterdir())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRNET_CACHE", str(shared_cache))
        patch.delenv("RRNET_DATA", raising=False)
        before = dict(os.environ)
        yield
        after = dict(os.environ)
        for name in SET_BY_LIBRARIES & (after.keys() - before.keys()):
            del os.environ[name]
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed <= SET_BY_LIBRARIES | {"PYTEST_CURRENT_TEST"}, f"environment variables changed: {changed}"
    assert Path.cwd() == here, "working directory changed"
    assert set(here.iterdir()) - files == set(), "files left in the working directory"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workplace for the command line, made the working directory."""
    monkeypatch.chdir(workplace(tmp_path))
    monkeypatch.setattr(sys, "argv", ["train.py"])
    return tmp_path
