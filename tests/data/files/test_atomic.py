from pathlib import Path

import pytest

from rrnet_lightning.data.files.atomic import atomic, check_place


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "new/deep/x.txt"
    for text in ("one", "two"):
        with atomic(file) as part:
            part.write_text(text)
            assert part.parent == file.parent and part.suffix == ".txt" and part != file
        assert file.read_text() == text and list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("written", [True, False])
def test_a_failure_leaves_what_was_there(tmp_path: Path, written: bool) -> None:
    old = tmp_path / "old.txt"
    old.write_text("old")
    for file in (old, tmp_path / "new/deep/x.txt"):
        with pytest.raises(KeyboardInterrupt), atomic(file) as part:
            if written:
                part.write_text("half")
            raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [old] and old.read_text() == "old"


def test_a_place_can_be_tried(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    for free in ("x", "old.txt", "new/x", "y" * 240 + ".json"):
        check_place(tmp_path / free)
    for taken, kind in ((".", IsADirectoryError), ("old.txt/x", NotADirectoryError), ("x" * 300, OSError)):
        with pytest.raises(kind):
            check_place(tmp_path / taken)
    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"
