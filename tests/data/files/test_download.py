import hashlib
import zipfile
from pathlib import Path

import pytest

from rrnet_lightning.data.files.download import download, unzip
from rrnet_lightning.errors import DataError
from tests.data.conftest import CONTENT, Server

SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_download_once(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "new/file.bin"
    assert download(server.url, path, SHA256.upper()) == path and path.read_bytes() == CONTENT
    download(server.url, path, SHA256)
    assert server.asked == [None]
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]


def test_download_without_digest_takes_what_there_is(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "file.bin"
    assert download(server.url, path, None).read_bytes() == CONTENT
    path.write_bytes(b"put there by hand")
    download(server.url, path, None)
    assert path.read_bytes() == b"put there by hand" and server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_broken_download_is_resumed(tmp_path: Path, server: Server, ranges: bool) -> None:
    path = tmp_path / "file.bin"
    server.ranges, server.hang_up_after = ranges, 300_000
    with pytest.raises(
        DataError, match=r"closed after 300000 of 1024000 bytes\).*same command again.*300000 bytes kept in"
    ):
        download(server.url, path, SHA256)
    assert not path.exists()
    download(server.url, path, SHA256)
    assert path.read_bytes() == CONTENT and server.asked == [None, "bytes=300000-"]
    assert not path.with_name("file.bin.part").exists()


def test_part_that_is_complete_or_too_long(tmp_path: Path, server: Server) -> None:
    path, part = tmp_path / "file.bin", tmp_path / "file.bin.part"
    part.write_bytes(CONTENT)
    download(server.url, path, SHA256)
    assert server.asked == [] and path.read_bytes() == CONTENT
    path.unlink()
    part.write_bytes(CONTENT + b"more")
    download(server.url, path, SHA256)
    assert server.asked == ["bytes=1024004-", None] and path.read_bytes() == CONTENT


def test_wrong_digest_removes_the_part_and_keeps_the_old_file(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(DataError, match=rf"found  sha256 {SHA256}\n  wanted sha256 {'0' * 64}"):
        download(server.url, path, "0" * 64)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_network_failures_are_told(tmp_path: Path, server: Server) -> None:
    with pytest.raises(DataError, match=r"404.*by other means and put it at"):
        download(server.url.replace("file.bin", "gone"), tmp_path / "a", SHA256)
    with pytest.raises(DataError, match=r"wanted an address that begins with http"):
        download("file:///etc/hostname", tmp_path / "a", SHA256)
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match=r"download failed .*refused"):
        download(server.url, tmp_path / "a", SHA256)


def test_unzip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sub/x.txt", "hello")
    folder = unzip(path, tmp_path / "deep/out")
    assert (folder / "sub/x.txt").read_text() == "hello" and list((tmp_path / "deep").iterdir()) == [folder]
    with pytest.raises(DataError, match=r"out: exists and is not an empty folder"):
        unzip(path, folder)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_unzip_refuses_members_outside(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good", "x")
        archive.writestr(name, "x")
    with pytest.raises(DataError, match=r"a.zip: found member .*evil', wanted only files inside"):
        unzip(path, tmp_path / "in/out")
    assert list((tmp_path / "in").iterdir()) == []


def test_unzip_damaged_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "x" * 1000)
    raw = bytearray(path.read_bytes())
    raw[500] ^= 255
    for damaged in (bytes(raw), bytes(raw[:600]), b""):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"a.zip: cannot be unpacked .*download it again"):
            unzip(path, tmp_path / "in/out")
        assert list((tmp_path / "in").iterdir()) == []
