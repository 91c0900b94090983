"""Wikipedia articles: sections with a picture each, ten categories, the official lists.

The image side is a 128-d bag of SIFT, far below an image network: say so beside every figure. Published figures near .5
mAP are of 4096-d features of a network. Sections of one article stand in both parts of the split.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rrnet_lightning.data.files.columns import read_bytes, read_table, read_text
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.paired.paired_set import Modality, PairedSet
from rrnet_lightning.data.paired.records import check_counts, labels_from, pairs_of, read_xz_lines, split_of
from rrnet_lightning.data.tables.features import FeatureTable, as_features
from rrnet_lightning.data.tables.split import Part
from rrnet_lightning.errors import DataError, reason

LISTS = {"train": "trainset_txt_img_cat.list", "test": "testset_txt_img_cat.list"}
ARRAYS = {"I": ("I_tr", "I_te"), "T": ("T_tr", "T_te")}
FILES = ("raw_features.mat", *LISTS.values(), "categories.list")
TEXTS = "texts.jsonl.xz"
COUNTS = {"train": 2173, "test": 693, "categories": 10}


def read_wikipedia(folder: str | Path, texts: str | Path | None = None, published: bool = True) -> PairedSet:
    """Read the Wikipedia set. Row i of both sides is one section, first those to train, then those to test.

    Level of labels: `category` (10 classes). Split `official`: 2,173 to train, 693 to test, none to validate.

    Args:
        folder: holds `raw_features.mat`, `trainset_txt_img_cat.list`, `testset_txt_img_cat.list`, `categories.list`.
        texts: folder that holds `texts.jsonl.xz`, the raw texts; None: `wikipedia_text` beside the other, and no raw
            texts where that is not there.
        published: refuse other counts than the published ones.

    Returns:
        Images with the features `sift`, texts with the features `topics`; no pictures.

    Raises:
        DataError: damaged file, another count than published, or files that do not fit each other.
    """
    folder = user_path(folder)
    names = [line.strip() for line in read_text(folder / "categories.list").split("\n") if line.strip()]
    lists = {part: _rows(folder / file, len(names)) for part, file in LISTS.items()}
    lengths = {part: len(rows) for part, rows in lists.items()}
    check_counts(folder, lengths | {"categories": len(names)}, COUNTS, published)
    text_ids, image_ids, numbers = zip(*(row for rows in lists.values() for row in rows), strict=True)
    category = np.array([int(number) for number in numbers])
    labels = {"category": labels_from(names, category[:, None] == np.arange(1, len(names) + 1))}
    file = (user_path(texts) if texts is not None else folder.parent / "wikipedia_text") / TEXTS
    raw = _texts(file, text_ids, image_ids) if texts is not None or file.exists() else None
    sift, topics = _features(folder / "raw_features.mat", list(lengths.values()))
    part = torch.tensor([int(Part[name.upper()]) for name, length in lengths.items() for _ in range(length)])
    rows = torch.arange(len(part))
    return PairedSet(
        name="wikipedia",
        image=Modality(image_ids, {"sift": FeatureTable(sift.x, image_ids, sift.path)}, labels),
        text=Modality(text_ids, {"topics": FeatureTable(topics.x, text_ids, topics.path)}, labels),
        pairs=pairs_of(rows),
        texts=raw,
        splits={"official": split_of(part, rows)},
        notes=("Images are 128-d bags of SIFT.",),
    )


def _rows(file: Path, classes: int) -> list[tuple[str, str, str]]:
    """Text id, image id and category of each line."""
    table = read_table(file, "text image category", (3,))
    for row, number in enumerate(table.columns[2]):
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= classes):
            raise DataError(f"{table.where(row)}: found category {number!r}, wanted 1 to {classes}. Get it again.")
    return list(zip(*table.columns, strict=True))


def _features(file: Path, lengths: list[int]) -> tuple[FeatureTable, FeatureTable]:
    """Features of images and of texts, training rows first."""
    from scipy.io import loadmat  # here: half a second that other readers need not pay

    read_bytes(file)
    try:
        content: dict[str, Any] = loadmat(file)
        parts: dict[str, list[NDArray[Any]]] = {kind: [content[name] for name in of] for kind, of in ARRAYS.items()}
        joined = {kind: np.concatenate(arrays) for kind, arrays in parts.items()}
    except Exception as error:  # on a damaged file scipy raises almost anything: zlib.error, KeyError, TypeError ...
        raise DataError(
            f"{file}: cannot be read ({type(error).__name__}: {reason(error)}), wanted I_tr, I_te, T_tr and T_te. "
            "Get the file again."
        ) from error
    for names, arrays in zip(ARRAYS.values(), parts.values(), strict=True):
        for name, array, length in zip(names, arrays, lengths, strict=True):
            if len(array) != length:
                raise DataError(
                    f"{file}, {name}: found {len(array)} rows, wanted {length}, one a line of its list. "
                    "Check that all files are of one version."
                )
    one, two = (as_features(array, name=f"{file}, {kind}_tr and {kind}_te") for kind, array in joined.items())
    return one, two


def _texts(file: Path, text_ids: tuple[str, ...], image_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Raw texts in the order of the ids."""
    texts = []
    for number, line in enumerate(read_xz_lines(file), start=1):
        try:
            row = json.loads(line)
            own, text = (row["text_id"], row["image_id"]), str(row["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file}, line {number}: cannot be read ({reason(error)}). Get the file again.") from error
        wanted = (text_ids[number - 1], image_ids[number - 1]) if number <= len(text_ids) else None
        if own != wanted:
            raise DataError(
                f"{file}, line {number}: found text {own[0]!r} of image {own[1]!r}, wanted "
                f"{' of '.join(map(repr, wanted)) if wanted else 'no more lines'}, as in the lists. Get the file again."
            )
        texts.append(text)
    if len(texts) != len(text_ids):
        raise DataError(f"{file}: found {len(texts)} texts, wanted {len(text_ids)}, as in the lists. Get it again.")
    return tuple(texts)
