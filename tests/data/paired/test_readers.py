"""Each reader on a miniature in the true format, and on the real files where they are."""

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.data.paired.emoji import read_emoji
from rrnet_lightning.data.paired.flickr8k import read_flickr8k
from rrnet_lightning.data.paired.paired_set import PairedSet
from rrnet_lightning.data.paired.pascal_sentence import read_pascal_sentence
from rrnet_lightning.data.paired.wikipedia import read_wikipedia
from rrnet_lightning.data.tables.split import Part
from rrnet_lightning.errors import DataError
from tests import fake_paired as fake


def test_emoji(tmp_path: Path) -> None:
    folder = fake.write_emoji(tmp_path)
    noto, twemoji = (read_emoji(folder, style, published=False) for style in ("noto", "twemoji"))
    assert noto.texts and noto.texts[1] == "cat face, blue, face, +1" and noto.image.ids[1] == "1F001"
    assert noto.image.features["lite0"].x.equal(torch.from_numpy(fake.features(40)).float())
    assert noto.pictures and twemoji.pictures and noto.pictures[37].shape == (3, 64, 64)
    assert noto.pictures[37][:, 5, 7].tolist() == [37, 0, 0] and twemoji.pictures[37][:, 5, 7].tolist() == [37, 100, 0]
    levels = noto.labels_of("both")
    assert {level: len(of.names) for level, of in noto.text.labels.items()} == {"group": 2, "subgroup": 4, "both": 6}
    assert levels["source"].member.sum(dim=1).unique().tolist() == [2]
    assert noto.pairs.index.equal(torch.arange(40).expand(2, -1))


def test_pascal_sentence(tmp_path: Path) -> None:
    folder = fake.write_pascal_sentence(tmp_path)
    joined = read_pascal_sentence(folder, published=False)
    each = read_pascal_sentence(folder, "each", published=False)
    assert joined.texts and joined.texts[1].count("number") == 4 and joined.text.features["bert"].x.shape == (12, 4)
    assert len(each.text) == 59 and each.text.ids[9] == "2008_000002#0" and not each.text.features
    assert each.pairs.index[0].bincount().tolist() == [5, 4, *[5] * 10]
    assert joined.image.labels["voc2008"].member[[0, 1, 2]].tolist() == [[True, True], [False, True], [True, False]]
    assert each.text.labels["class"].member[4:6].tolist() == [[True, False], [False, True]]
    assert joined.splits["0"].rows("image", Part.TEST).tolist() == [10, 11]
    assert joined.splits["1"].rows("text", Part.VAL).tolist() == [2, 3]
    assert joined.pictures and joined.pictures[9].shape == (3, 6, 8) and int(joined.pictures[9][0, 0, 0]) > 170


def test_flickr8k(tmp_path: Path) -> None:
    folder = fake.write_flickr8k(tmp_path)
    each = read_flickr8k(folder, published=False)
    assert (len(each.image), len(each.text), each.pairs.index.shape[1]) == (10, 55, 50)
    assert "5 texts are of no image of the set" in each.notes[0]
    assert each.splits["official"].text[[0, 44, 49, 54]].tolist() == [0, 2, -1, -1]
    assert each.image.labels["derived"].names == ("boy", "dog")
    assert each.image.labels["derived"].member[0].tolist() == [False, True]
    assert not each.text.labels["derived"].member[50:].any()
    first = read_flickr8k(folder, "first", published=False)
    assert first.texts and first.texts[3] == fake.sentence(3) and len(first.text) == 10
    words = first.pairs_of("official").split
    assert words and words.count("train") == 5 and len(words) == 9


def test_wikipedia(tmp_path: Path) -> None:
    folder = fake.write_wikipedia(tmp_path)
    read = read_wikipedia(folder, published=False)
    assert read.texts and read.texts[10] == fake.sentence(10) and read.text.ids[10] == "000a-1"
    assert read.image.features["sift"].x.shape == (12, 5) and read.text.features["topics"].x.shape == (12, 3)
    assert read.splits["official"].image.tolist() == [0] * 9 + [2] * 3
    assert read.image.labels["category"].member[[0, 10]].nonzero()[:, 1].tolist() == [0, 1]
    (tmp_path / "wikipedia_text/texts.jsonl.xz").unlink()
    assert read_wikipedia(folder, published=False).texts is None


@pytest.mark.parametrize(
    ("write", "read", "said"),
    [
        (
            fake.write_emoji,
            read_emoji,
            r"emoji.tsv: found 40 emoji, wanted the 1,368 that are published. .*published=F",
        ),
        (fake.write_pascal_sentence, read_pascal_sentence, r"pascal_sentence: found 12 images, wanted the 1,000 "),
        (fake.write_flickr8k, read_flickr8k, r"flickr8k: found 10 images, wanted the 8,091 "),
        (fake.write_wikipedia, read_wikipedia, r"wikipedia_xmodal: found 9 train, wanted the 2,173 "),
    ],
)
def test_another_count_than_published_is_refused(
    tmp_path: Path, write: Callable[[Path], Path], read: Callable[[Path], PairedSet], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(write(tmp_path))


def test_rows_that_do_not_correspond_are_refused(tmp_path: Path) -> None:
    folder = fake.write_emoji(tmp_path)
    np.save(folder / "noto_efficientnet_lite0.npy", fake.features(39))
    with pytest.raises(DataError, match=r"39 rows in .*noto_efficientnet_lite0.npy for 40 images, wanted one row each"):
        read_emoji(folder, published=False)
    lines = (folder / "emoji.tsv").read_text().splitlines()
    (folder / "emoji.tsv").write_text("\n".join([*lines[:40], lines[1]]))
    with pytest.raises(DataError, match=r"ids of images: found the id '1F000' in rows 0 and 39"):
        read_emoji(folder, published=False)
    with pytest.raises(DataError, match=r"style: found 'apple', wanted one of noto, twemoji"):
        read_emoji(folder, "apple")  # type: ignore[arg-type]
    folder = fake.write_pascal_sentence(tmp_path)
    content = json.loads((folder / "pascal_sentences.json").read_text())
    (folder / "pascal_sentences.json").write_text(json.dumps(dict(reversed(content.items()))))
    with pytest.raises(DataError, match=r"labels.npz: found other images than in .*one order"):
        read_pascal_sentence(folder, published=False)
    folder = fake.write_wikipedia(tmp_path)
    file = folder / "testset_txt_img_cat.list"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[1], lines[0], lines[2]]))
    with pytest.raises(
        DataError, match=r"texts.jsonl.xz, line 10: found text '0009-0' of image '0009', wanted '000a-1"
    ):
        read_wikipedia(folder, published=False)
    file.write_text("\n".join(lines[:2]))
    with pytest.raises(DataError, match=r"texts.jsonl.xz, line 12: found .*wanted no more lines"):
        read_wikipedia(folder, published=False)


def test_an_image_without_sentence_is_refused(tmp_path: Path) -> None:
    file = fake.write_flickr8k(tmp_path) / "Flickr8k.token.txt.xz"
    lines = lzma.decompress(file.read_bytes()).decode().splitlines()
    file.write_bytes(lzma.compress("\n".join(lines[5:]).encode()))
    with pytest.raises(DataError, match=r"found no sentence of image '1000_ab.jpg'"):
        read_flickr8k(file.parent, published=False)
    file.write_bytes(lzma.compress("\n".join([*lines, lines[7]]).encode()))
    with pytest.raises(DataError, match=r"line 56: found '1001_ab.jpg#2' again"):
        read_flickr8k(file.parent, published=False)


def real(name: str, *files: str) -> Path:
    """Folder of a real data set; skips where it is not there."""
    folder = ROOT / name
    missing = [file for file in files if not (folder / file).exists()]
    if missing:
        pytest.skip(f"real data absent: {folder / missing[0]}")
    return folder


ROOT = data_root()  # before a test takes RRNET_DATA away


def test_real_emoji() -> None:
    read = read_emoji(real("emoji", "emoji.tsv"), "twemoji")
    assert read.image.features["lite0"].x.shape == (1368, 1280)
    assert read.texts and read.texts[0].startswith("grinning face, cheerful,")
    split = read.draw_split(100, 400, seed=0)
    assert split.image.bincount().tolist() == [868, 100, 400] and split.image.equal(split.text)


def test_real_pascal_sentence() -> None:
    read = read_pascal_sentence(real("pascal_sentence", "labels.npz"), "each")
    assert (len(read.image), len(read.text)) == (1000, 4998) and len(read.splits) == 5
    assert all(split.image.bincount().tolist() == [800, 100, 100] for split in read.splits.values())
    assert int(read.image.labels["voc2008"].member.sum()) == 1659
    assert bool(read.image.labels["voc2008"].member[read.image.labels["class"].member].all())
    assert read.pictures and read.pictures[999].shape[0] == 3


def test_real_flickr8k() -> None:
    read = read_flickr8k(real("flickr8k", "index.npz"))
    assert (len(read.image), len(read.text), read.pairs.index.shape[1]) == (8091, 40460, 40455)
    parts = read.splits["official"]
    assert [len(parts.rows("image", part)) for part in Part] == [6000, 1000, 1000]
    assert [len(parts.rows("text", part)) for part in Part] == [30000, 5000, 5000]
    assert read.image.labels["derived"].unlabelled == 162


def test_real_wikipedia() -> None:
    read = read_wikipedia(real("wikipedia_xmodal", "raw_features.mat"))
    real("wikipedia_text", "texts.jsonl.xz")
    assert read.image.features["sift"].x.shape == (2866, 128) and read.text.features["topics"].x.shape == (2866, 10)
    assert [len(read.splits["official"].rows("text", part)) for part in Part] == [2173, 0, 693]
    assert read.texts and len(read.texts) == 2866 and all(read.texts)
    assert read.image.labels["category"].member.sum(dim=0).tolist() == [
        172,
        360,
        340,
        333,
        267,
        236,
        237,
        185,
        285,
        451,
    ]
