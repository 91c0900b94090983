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
from rrnet_lightning.errors import DataError

Style = Literal["noto", "twemoji"]
FILES = (
    "emoji.tsv",
    "noto_64.webp",
    "noto_efficientnet_lite0.npy",
    "twemoji_64.webp",
    "twemoji_efficientnet_lite0.npy",
)
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
        Images with the features `lite0` and pictures; texts without features.

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
    own = {"group": groups, "subgroup": subgroups}
    labels = {level: labels_of([(word,) for word in words]) for level, words in own.items()}
    labels["both"] = labels_of(list(zip(groups, subgroups, strict=True)))
    lite0 = table(folder / f"{style}_efficientnet_lite0.npy", ids)
    return PairedSet(
        name=f"emoji ({style})",
        image=Modality(ids, {"lite0": lite0}, labels),
        text=Modality(ids, {}, labels),
        pairs=pairs_of(torch.arange(len(ids))),
        texts=tuple(f"{name}, {tag}" for name, tag in zip(names, tags, strict=True)),
        pictures=PictureTiles(folder / f"{style}_64.webp", len(ids), SIDE, COLUMNS),
    )
