"""The type that all readers return, and pictures of every kind."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rrnet_lightning.data.paired.paired_set import PairedSet, PairedSplit
from rrnet_lightning.data.paired.pascal_sentence import read_pascal_sentence
from rrnet_lightning.data.paired.pictures import PictureFiles, PictureTiles, PictureZip, decode
from rrnet_lightning.data.paired.sets import PAIRED_SETS, read_paired
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.pairs import Pairs
from rrnet_lightning.data.tables.split import Part
from rrnet_lightning.errors import DataError
from tests import fake_paired as fake


@pytest.fixture
def paired(tmp_path: Path) -> PairedSet:
    return read_pascal_sentence(fake.write_pascal_sentence(tmp_path), "each", published=False)


def test_a_drawn_split_keeps_the_texts_of_an_image_together(paired: PairedSet) -> None:
    split = paired.draw_split(2, 4, seed=3)
    assert split.image.bincount().tolist() == [6, 2, 4]
    image, text = paired.pairs.index
    assert split.image[image].equal(split.text[text]) and int(split.text.min()) == 0
    assert not split.image.equal(paired.draw_split(2, 4, seed=4).image)
    replace(paired, splits={"drawn": split})  # is accepted


def test_pairs_of_a_split_have_its_words(paired: PairedSet) -> None:
    part = torch.tensor([0, 1, 2] + [-1] * 9)
    split = PairedSplit(part, part[paired.pairs.index[0]])
    pairs = paired.pairs_of(split)
    assert pairs.split == ("train",) * 5 + ("val",) * 4 + ("test",) * 5
    assert pairs.index.equal(paired.pairs.index[:, :14])


def test_classes_in_one_part_count_both_sides(paired: PairedSet) -> None:
    part = torch.tensor([0, 2] * 6)  # the class of an image is its row modulo 2
    text = part[paired.pairs.index[0]]
    assert paired.classes_in_one_part("class", PairedSplit(part, text)) == {
        "aeroplane": Part.TRAIN,
        "bicycle": Part.TEST,
    }
    text[0] = 2  # a text of an aeroplane
    assert paired.classes_in_one_part("class", PairedSplit(part, text)) == {"bicycle": Part.TEST}


def test_unknown_names_get_the_nearest(paired: PairedSet) -> None:
    with pytest.raises(DataError, match=r"no level 'voc' of the images. Did you mean 'voc2008'"):
        paired.labels_of("voc")
    with pytest.raises(DataError, match=r"split: found '7', wanted one of pascal_sentence. Choose among: '0', '1'"):
        paired.pairs_of("7")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"texts": ("one",)}, r"found 1 texts for 59 ids of texts, wanted as many"),
        (
            {"pairs": Pairs(torch.tensor([[0], [59]]), torch.ones(1), None)},
            r"pairs with text row 59, wanted rows 0 to 58",
        ),
        (
            {"splits": {"s": PairedSplit(torch.zeros(3), torch.zeros(59))}},
            r"split 's' of 3 for 12 images, wanted one pa",
        ),
        ({"pictures": PictureFiles([])}, r"found 0 images for 12 ids of images"),
    ],
)
def test_parts_that_do_not_fit_are_refused(paired: PairedSet, change: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        replace(paired, **change)  # type: ignore[arg-type]


def test_labels_of_another_length_are_refused(paired: PairedSet) -> None:
    short = Labels(("a",), torch.ones(3, 1, dtype=torch.bool))
    with pytest.raises(DataError, match=r"3 rows of labels 'x' for 12 images"):
        replace(paired, image=replace(paired.image, labels={"x": short}))


def test_known_sets_are_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write_emoji(tmp_path)
    monkeypatch.setattr("rrnet_lightning.data.paired.emoji.COUNTS", {})
    assert [read_paired(f"emoji{style}", tmp_path).name for style in ("", "_twemoji")] == [
        "emoji (noto)",
        "emoji (twemoji)",
    ]
    assert read_paired(str(fake.write_own(tmp_path / "own"))).texts
    with pytest.raises(DataError, match=r"found no folder 'wikipdia' .*Did you mean 'wikipedia'"):
        read_paired("wikipdia", tmp_path)
    for name in PAIRED_SETS:
        with pytest.raises(DataError, match=r"no such folder"):
            read_paired(name, tmp_path / "nowhere")


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def test_pictures_of_every_kind_become_red_green_blue() -> None:
    grey = Image.new("L", (3, 2), 80)
    assert decode(saved(grey), "x")[1, 2].tolist() == [80] * 3
    assert decode(saved(grey.convert("P"), "GIF"), "x").shape == (2, 3, 3)
    assert decode(saved(Image.new("LA", (3, 2), (80, 0))), "x")[0, 0].tolist() == [255] * 3
    assert decode(saved(Image.new("CMYK", (3, 2)), "JPEG"), "x")[0, 0].min() > 250
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    assert decode(saved(Image.new("RGB", (3, 2)), "JPEG", exif=turned), "x").shape == (3, 2, 3)


def test_an_archive_without_a_picture_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.png", saved(Image.new("RGB", (1, 1), (1, 2, 3))))
        archive.writestr("b.png", b"broken")
    assert PictureZip(tmp_path / "x.zip", ["a.png"])[0].tolist() == [[[1]], [[2]], [[3]]]
    with pytest.raises(DataError, match=r"x.zip: found no 'c.png' and 0 more, wanted 2 pictures"):
        PictureZip(tmp_path / "x.zip", ["a.png", "c.png"])
    with pytest.raises(DataError, match=r"x.zip, b.png: cannot be decoded as a picture"):
        PictureZip(tmp_path / "x.zip", ["b.png"])[0]


def test_a_sheet_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "sheet.png")
    tiles = PictureTiles(tmp_path / "sheet.png", 5, side=2, columns=3)
    assert tiles[4].shape == (3, 2, 2)
    with pytest.raises(IndexError):
        tiles[5]
    with pytest.raises(DataError, match=r"sheet.png: found pixels \(4, 6, 3\), wanted \(6, 6, 3\)"):
        PictureTiles(tmp_path / "sheet.png", 7, side=2, columns=3)[0]
