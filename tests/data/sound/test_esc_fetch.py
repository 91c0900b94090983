import io
import zipfile
from pathlib import Path

import pytest

from rrnet_lightning.data.files.root import dataset_folder
from rrnet_lightning.data.sound import esc_fetch
from rrnet_lightning.data.sound.esc import read_esc
from rrnet_lightning.data.sound.esc_fetch import fetch_esc50
from rrnet_lightning.data.sound.esc_table import read_rows
from rrnet_lightning.errors import DataError
from tests.data.conftest import Server

RATE = 8000
FIRST = "1-1002-A-0"


def zipped(folder: Path, leave_out: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.name != leave_out:
                archive.write(path, f"ESC-50-master/{path.relative_to(folder)}")
    return buffer.getvalue()


@pytest.fixture
def served(folder: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = read_rows(folder / "meta/esc50.csv")
    monkeypatch.setattr(esc_fetch, "ESC50_ROWS", esc_fetch._rows_sha256(rows))
    server.content = zipped(folder)
    return folder


def test_fetch_once(tmp_path: Path, server: Server, served: Path) -> None:
    root = tmp_path / "new"
    server.hang_up_after = 1000
    with pytest.raises(DataError, match=r"same command again"):
        fetch_esc50(root, server.url)
    folder = fetch_esc50(root, server.url)
    assert [path.name for path in root.iterdir()] == ["esc50"] and server.asked == [None, "bytes=1000-"]
    assert fetch_esc50(root, server.url) == folder == root / "esc50" and len(server.asked) == 2
    assert (read_esc(folder, RATE, tmp_path / "c").waveforms == read_esc(served, RATE, tmp_path / "c").waveforms).all()


def test_wrong_archive_leaves_nothing(tmp_path: Path, server: Server, served: Path) -> None:
    root = tmp_path / "new"
    with pytest.raises(DataError, match=r"another digest than wanted"):
        fetch_esc50(root, server.url, sha256="0" * 64)
    for content, told in (
        (zipped(served, f"{FIRST}.wav"), rf"esc50.csv, line 2: found no file {FIRST}.wav"),
        (zipped(served, "esc50.csv"), r"found 0 files meta/esc50.csv, wanted one"),
        (b"<html>moved</html>", r"cannot be unpacked"),
    ):
        server.content = content
        with pytest.raises(DataError, match=rf"{server.url}: what was fetched .*removed.\n.*{told}"):
            fetch_esc50(root, server.url)
        assert list(root.iterdir()) == []


def test_fetch_keeps_what_is_there_and_checks_it(tmp_path: Path, server: Server, served: Path) -> None:
    table = served / "meta/esc50.csv"
    table.write_text("".join(line for line in table.read_text().splitlines(True)[:-1]))
    with pytest.raises(DataError, match=r"esc50.csv: found 11 clips, .* Remove .*esc50 to fetch it again"):
        fetch_esc50(tmp_path, server.url)
    assert table.exists() and server.asked == []


def test_real_copy_needs_no_fetching(server: Server) -> None:
    try:
        folder = dataset_folder("esc50", ["meta/esc50.csv", "audio"])
    except DataError as error:
        pytest.skip(f"real data absent: {error}")
    assert fetch_esc50(folder.parent, server.url) == folder and server.asked == []
