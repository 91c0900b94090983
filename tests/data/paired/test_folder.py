"""A folder of one's own, in its many shapes, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rrnet_lightning.data.paired.folder import read_folder
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.errors import DataError
from tests import fake_paired as fake


def tables(folder: Path, images: int = 6, texts: int = 6) -> Path:
    """Features in place of pictures and captions."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "image_features.npy", fake.features(images, 3))
    np.save(folder / "text_features.npy", fake.features(texts, 4))
    return folder


def test_pictures_and_captions(tmp_path: Path) -> None:
    folder = fake.write_own(tmp_path / "own")
    fake.write_picture(folder / "images/more/c.webp", (0, 0, 255))
    fake.write_picture(folder / "images/clear.png", (9, 9, 9, 0))
    (folder / "images/notes.txt").touch()
    read = read_folder(folder)
    assert read.image.ids == ("a", "b", "clear", "more/c") and read.text.ids == ("a#0", "a#1", "b#0")
    assert read.pairs.index.tolist() == [[0, 0, 1], [0, 1, 2]] and read.texts == ("a red dog", "a dog", "two cats")
    assert read.pictures and read.pictures[0][:, 0, 0].tolist() == [255, 0, 0]
    assert read.pictures[2][:, 0, 0].tolist() == [255] * 3  # what is transparent is white
    assert read.notes == ("1 files in images/ are no pictures, such as 'notes.txt'.",)


def test_labels_and_split_go_over_to_texts(tmp_path: Path) -> None:
    folder = fake.write_own(tmp_path)
    (folder / "labels.tsv").write_text("id\tlabel\na\tred\na\tanimal\nb\tgreen\nb#0\tpair\nb\t\nz\tx\n")
    (folder / "split.tsv").write_text("id\tpart\tnote\na\ttrain\t\nb\ttest\t\n")
    with pytest.warns(UserWarning, match=r"classes 'green', 'pair' are in the test part alone"):
        read = read_folder(folder)
    labels = read.labels_of("label")
    assert labels["source"].names == labels["target"].names == ("animal", "green", "pair", "red")
    assert labels["source"].member.int().tolist() == [[1, 0, 0, 1], [0, 1, 0, 0]]
    assert labels["target"].member.int().tolist() == [[1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]]
    assert read.splits["given"].text.tolist() == [0, 0, 2] and read.pairs_of("given").split == (
        "train",
        "train",
        "test",
    )
    assert "1 lines of labels.tsv are of unknown ids, such as 'z' in line 7." in read.notes


def test_odd_captions_are_read_as_they_are(tmp_path: Path) -> None:
    odd = ["", "dog", "word " * 10_000 + "end", "שלום עולם", "👍🏽 ❤️", 'a "quoted", one']
    read = read_folder(fake.write_own(tmp_path, [("a", text) for text in odd]))
    assert read.texts == tuple(odd[1:]) and read.pairs.index.tolist() == [[0] * 5, list(range(5))]
    assert read.notes == ("1 empty captions left out, the first in line 2 of captions.tsv.",)


def test_features_in_place_of_both(tmp_path: Path) -> None:
    read = read_folder(tables(tmp_path))
    assert read.texts is None and read.pictures is None and read.image.ids == tuple("012345")
    assert read.pairs.index.tolist() == [list(range(6))] * 2
    (tmp_path / "image_ids.txt").write_text("a\nb\nc\nd\ne\nf\n")
    (tmp_path / "text_ids.txt").write_text("f\na\nx\ny\nz\nb\n")
    assert read_folder(tmp_path).pairs.index.tolist() == [[5, 0, 1], [0, 1, 5]]
    (tmp_path / "pairs.tsv").write_text("image\ttext\na\tx\na\ty\nb\tx\na\tx\n")
    assert read_folder(tmp_path).pairs.index.tolist() == [[0, 0, 1], [2, 3, 2]]


def test_features_beside_pictures_and_captions(tmp_path: Path) -> None:
    folder = tables(fake.write_own(tmp_path, [("b", "two cats"), ("a", ""), ("a", "a dog")]), 1, 3)
    (folder / "image_ids.txt").write_text("b\n")
    read = read_folder(folder)
    assert read.image.ids == ("b",) and read.pictures and int(read.pictures[0][1, 0, 0]) > 250
    assert read.text.features["given"].x.equal(torch.from_numpy(fake.features(3, 4)).float()[[0, 2]])
    assert "1 pictures have no row in image_features.npy: left out." in read.notes
    assert read.pairs.index.tolist() == [[0], [0]] and read.text.ids == ("b#0", "a#0")


def test_what_is_read_goes_into_tables(tmp_path: Path) -> None:
    tables(tmp_path, 60, 60)
    (tmp_path / "labels.tsv").write_text("id\tlabel\n" + "".join(f"{row}\tclass {row % 2}\n" for row in range(60)))
    parts = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    (tmp_path / "split.tsv").write_text("id\tpart\n" + "".join(f"{row}\t{part}\n" for row, part in enumerate(parts)))
    read = read_folder(tmp_path)
    one, two = (side.features["given"] for side in (read.image, read.text))
    data = TablesDataModule.of(one, two, read.pairs_of("given"), read.labels_of("label"))
    data.setup("test")
    assert data.part.bincount().tolist() == [40, 10, 10]


def edit(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (remove("captions.tsv"), r"found neither captions.tsv nor text_features"),
        (edit("captions.tsv", ""), r"captions.tsv, line 1: found an empty file, wanted the columns 'id', 'caption'"),
        (
            edit("captions.tsv", "id\ttext\na\tx\n"),
            r"captions.tsv, line 1: found columns 'id', 'text', wanted 'caption'",
        ),
        (
            edit("captions.tsv", "id\tcaption\na\tx\ty\n"),
            r"captions.tsv, line 2: found 3 columns, wanted the 2 of line 1",
        ),
        (edit("captions.tsv", "id\tcaption\n\tx\n"), r"captions.tsv, line 2: found no id, wanted one"),
        (edit("captions.tsv", "id\tcaption\na\t \n"), r"captions.tsv: found no caption, wanted at least one"),
        (edit("captions.tsv", "id\tcaption\na.png\tx\n"), r"line 2: found the id 'a.png', .* these look like 'a'"),
        (
            lambda folder: fake.write_picture(folder / "images/a.gif", (1, 2, 3)),
            r"a.png: found a second .* beside a.gif",
        ),
        (lambda folder: tables(folder, 2, 3), r"image_features.npy: found 2 rows without ids beside 2 pictures"),
        (
            edit("labels.tsv", "id\tlabel\nz\tred\n"),
            r"labels.tsv: found 'z' in line 2, and no label .* like 'a' \(image\)",
        ),
        (
            edit("split.tsv", "id\tpart\na\ttran\n"),
            r"split.tsv, line 2: found part 'tran', wanted a known one: 'train',",
        ),
        (
            edit("split.tsv", "id\tpart\nz\ttrain\n"),
            r"split.tsv, line 2: found the id 'z', wanted a known one: ids look",
        ),
        (edit("split.tsv", "id\tpart\na\ttrain\na\tval\n"), r"split.tsv, line 3: found 'a' in a second part"),
        (
            edit("split.tsv", "id\tpart\na\ttrain\na#0\ttest\n"),
            r"image 'a' and text 'a#0' of a pair in two parts of split",
        ),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(tmp_path: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(fake.write_own(tmp_path))
    with pytest.raises(DataError, match=said) as error:
        read_folder(tmp_path)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: tables(folder, 6, 5), r"text_features.npy: found 5 rows without ids for 6 images"),
        (edit("text_ids.txt", "a\nb\nc\nd\ne\na\n"), r"text_ids.txt: found the id 'a' in rows 0 and 5"),
        (edit("text_ids.txt", "a\nb\n"), r"text_ids.txt: found 2 ids for 6 rows"),
        (edit("text_ids.txt", "a\nb\nc\nd\ne\nf\n"), r"found no id in common: images look like '0', texts like 'a'"),
        (
            edit("pairs.tsv", "image\ttext\n0\t0\n0\t9\n"),
            r"pairs.tsv, line 3: found the text '9', wanted an id such as '0'",
        ),
        (edit("pairs.tsv", "image\ttext\n"), r"pairs.tsv: found no pair below"),
        (
            lambda folder: np.savez(folder / "image_features.npz", x=[[1]]),
            r"found 'image_features.npy', 'image_features.n",
        ),
        (remove("image_features.npy"), r"found neither images/ nor image_features"),
    ],
)
def test_tables_that_do_not_correspond(tmp_path: Path, damage: Callable[[Path], object], said: str) -> None:
    damage(tables(tmp_path))
    with pytest.raises(DataError, match=said):
        read_folder(tmp_path)


def test_captions_that_do_not_correspond_to_their_features(tmp_path: Path) -> None:
    tables(tmp_path, 2, 4)
    (tmp_path / "captions.tsv").write_text("id\tcaption\n0\tone\n1\ttwo\n1\tthree\n")
    with pytest.raises(DataError, match=r"text_features.npy: found 4 rows for 3 lines of .*captions.tsv"):
        read_folder(tmp_path)


def test_an_unreadable_picture_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    folder = fake.write_own(tmp_path)
    (folder / "images/b.jpg").write_bytes(b"no picture")
    read = read_folder(folder)
    assert read.pictures and read.pictures[0].shape == (3, 6, 8)
    with pytest.raises(DataError, match=r"images/b.jpg: cannot be decoded as a picture \(not a picture that Pillow"):
        read.pictures[1]
    with pytest.raises(DataError, match=r"nowhere: found no such folder"):
        read_folder(tmp_path / "nowhere")
