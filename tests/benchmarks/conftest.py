from pathlib import Path

import pytest

from tests.fake import write_filmtrust


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RRNET_DATA", str(tmp_path / "data"))
    return write_filmtrust(tmp_path / "data")
