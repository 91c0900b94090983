import io
import zipfile
from pathlib import Path

import pytest

from rrnet_lightning.data.files.download import file_sha256
from rrnet_lightning.data.files.root import dataset_folder
from rrnet_lightning.data.ratings.fetch import fetch_rating_set
from rrnet_lightning.data.ratings.sets import RATING_SETS
from rrnet_lightning.errors import DataError
from tests.data.conftest import Server
from tests.fake import write_filmtrust


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def files(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Files of a miniature FilmTrust, which the server holds in an archive, beside others of the same name."""
    folder = write_filmtrust(tmp_path / "served")
    known = RATING_SETS["filmtrust"]
    sha256 = {name: file_sha256(folder / name) for name in known.files}
    monkeypatch.setitem(RATING_SETS, "filmtrust", known._replace(sha256=sha256, url=server.url))
    files = {name: (folder / name).read_bytes() for name in known.files}
    deep = {f"data/deep/{name}": content for name, content in files.items()}
    server.content = zipped({"readme.txt": b"hello", "data/a/trust.txt": b"older", **deep})
    return files


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_fetch_once_and_repair(tmp_path: Path, server: Server, files: dict[str, bytes]) -> None:
    root = tmp_path / "new/root"
    wanted = {f"filmtrust/{name}": content for name, content in files.items()}
    assert fetch_rating_set("filmtrust", root) == root / "filmtrust"
    assert tree(root) == wanted and [path.name for path in root.iterdir()] == ["filmtrust"]
    fetch_rating_set("filmtrust", root)
    assert server.asked == [None]
    (root / "filmtrust/trust.txt").write_bytes(b"1 2")
    (root / "filmtrust/notes.txt").write_bytes(b"mine")
    fetch_rating_set("filmtrust", root)
    assert server.asked == [None, None] and tree(root) == {**wanted, "filmtrust/notes.txt": b"mine"}


def test_broken_fetch_is_resumed(tmp_path: Path, server: Server, files: dict[str, bytes]) -> None:
    root = tmp_path / "root"
    server.hang_up_after = 1000
    with pytest.raises(DataError, match=r"same command again.*1000 bytes kept"):
        fetch_rating_set("filmtrust", root)
    assert list(tree(root)) == ["filmtrust.zip.part"]
    fetch_rating_set("filmtrust", root)
    assert server.asked == [None, "bytes=1000-"] and tree(root).keys() == {f"filmtrust/{name}" for name in files}


@pytest.mark.parametrize(
    "members, told",
    [
        (
            {"ratings.txt": b"1 1 4", "x/ratings.txt": b"1 1 3"},
            r"ratings.txt:(\n  found  sha256 \w{64}){2}\n  wanted sha",
        ),
        ({"other.txt": b""}, r"ratings.txt:\n  found  no such file\n  wanted sha"),
        (None, r".*cannot be unpacked"),
    ],
)
def test_wrong_archive_leaves_what_was_there(
    tmp_path: Path, server: Server, files: dict[str, bytes], members: dict[str, bytes] | None, told: str
) -> None:
    root = tmp_path / "root"
    (root / "filmtrust").mkdir(parents=True)
    (root / "filmtrust/trust.txt").write_bytes(b"old")
    right = {"trust.txt": files["trust.txt"]}
    server.content = zipped({**right, **members}) if members else b"<html>moved</html>"
    with pytest.raises(DataError, match=rf"{server.url}: .*removed.\n  {told}(.*\n)+.*--data.url"):
        fetch_rating_set("filmtrust", root)
    assert tree(root) == {"filmtrust/trust.txt": b"old"}
    assert [path.name for path in root.iterdir()] == ["filmtrust"]


def test_no_url_no_set_no_place(tmp_path: Path, server: Server, files: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match=r"'ciao': no address .*rating_with_timestamp.mat and .* with --data.url"):
        fetch_rating_set("ciao", tmp_path / "root")
    with pytest.raises(DataError, match=r"found 'epinions', wanted one of filmtrust, ciao"):
        fetch_rating_set("epinions", tmp_path / "root")
    assert server.asked == [] and not (tmp_path / "root").exists()
    (tmp_path / "filmtrust").write_bytes(b"a file, not a folder")
    with pytest.raises(DataError, match=r"filmtrust: cannot be filled"):
        fetch_rating_set("filmtrust", tmp_path)


def test_url_given_comes_first(
    tmp_path: Path, server: Server, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = RATING_SETS["filmtrust"]._replace(url=server.url.replace("file.bin", "gone"))
    monkeypatch.setitem(RATING_SETS, "filmtrust", elsewhere)
    folder = fetch_rating_set("filmtrust", tmp_path / "root", server.url)
    assert tree(folder) == files


@pytest.mark.parametrize("name", RATING_SETS)
def test_real_sets_need_no_fetching(name: str, server: Server) -> None:
    try:
        folder = dataset_folder(RATING_SETS[name].folder, RATING_SETS[name].files)
    except DataError as error:
        pytest.skip(f"real data absent: {error}")
    assert {file: file_sha256(folder / file) for file in RATING_SETS[name].files} == RATING_SETS[name].sha256
    assert fetch_rating_set(name, url=server.url) == folder and server.asked == []
