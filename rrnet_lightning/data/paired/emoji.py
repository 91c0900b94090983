"""Emoji: pictures in two styles, name and keywords as text, groups and subgroups.

There is no stored split: the protocol draws 868 to train, 100 to validate and 400 to test by a seed,
`paired.draw_split(100, 400, seed)`.
"""

from pathlib import Path
from typing import Literal, get_args

import torch

from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.paired.paired_set import Modality, PairedSet
from rrnet_lightning.data.paired.pictures import PictureTiles
from rrnet_lightning.data.paired.records import check_counts, labels_of, pairs_of, read_tsv, table
from rrnet_lightning.data.paired.text_features import MeanVectors
from rrnet_lightning.data.tables.features import FeatureTable
from rrnet_lightning.errors import DataError

Style = Literal["noto", "twemoji"]
FILES = (
    "emoji.tsv",
    "noto_64.webp",
    "noto_efficientnet_lite0.npy",
    "twemoji_64.webp",
    "twemoji_efficientnet_lite0.npy",
)
VECTORS = "glove6B50_words.txt"
COUNTS = {"emoji": 1368, "groups": 8, "subgroups": 86}
SIDE, COLUMNS = 64, 36


def read_emoji(folder: str | Path, style: Style = "noto", published: bool = True) -> PairedSet:
    """Read emoji in one style. Row i of both sides is one emoji, with the code point as id.

    The text is the name and the keywords, separated by commas. Levels of labels: `group` (8 classes),
    `subgroup` (86), and `both`, the two of an emoji together (94).

    Args:
        folder: holds `emoji.tsv`, and of each style `<style>_64.webp` (64 x 64 tiles, 36 a row) and
            `<style>_efficientnet_lite0.npy` ([N, 1280]).
        style: of the pictures, `noto` or `twemoji`.
        published: refuse other counts than the published ones.

    Returns:
        Images with the features `lite0` and pictures; texts with the features `glove`, the mean of their words'
        vectors, where the file of these is there.

    Raises:
        DataError: unknown style, damaged file, another count than published, or files that do not fit each other.
    """
    if style not in get_args(Style):
        raise DataError(f"style: found {style!r}, wanted one of {', '.join(get_args(Style))}.")
    folder = user_path(folder)
    file = folder / "emoji.tsv"
    rows, _ = read_tsv(file, ("id", "group", "subgroup", "name", "tags"))
    if not rows:
        raise DataError(f"{file}: found no row below the names of the columns, wanted at least one. Get it again.")
    ids, groups, subgroups, names, tags = zip(*rows, strict=True)
    found = {"emoji": len(ids), "groups": len(set(groups)), "subgroups": len(set(subgroups))}
    check_counts(file, found, COUNTS, published)
    one, two, both = ([[row[at] for at in own] for row in rows] for own in ((1,), (2,), (1, 2)))
    labels = {"group": labels_of(one), "subgroup": labels_of(two), "both": labels_of(both)}
    texts = tuple(f"{name}, {tag}" for name, tag in zip(names, tags, strict=True))
    return PairedSet(
        name=f"emoji ({style})",
        image=Modality(ids, {"lite0": table(folder / f"{style}_efficientnet_lite0.npy", ids)}, labels),
        text=Modality(ids, _glove(folder / VECTORS, texts, ids), labels),
        pairs=pairs_of(torch.arange(len(ids))),
        texts=texts,
        pictures=PictureTiles(folder / f"{style}_64.webp", len(ids), SIDE, COLUMNS),
    )


def _glove(file: Path, texts: tuple[str, ...], ids: tuple[str, ...]) -> dict[str, FeatureTable]:
    """Mean of the vectors of a text's words, where their file is there."""
    return {"glove": FeatureTable(MeanVectors(file).transform(texts), ids, file)} if file.exists() else {}
