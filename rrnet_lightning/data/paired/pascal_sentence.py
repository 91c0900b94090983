"""Pascal Sentence: images with five sentences each, 20 classes, and the labels of VOC 2008.

The stored splits are not the unpublished one of published figures: never put the two into one column.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rrnet_lightning.data.files.columns import read_text
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.paired.paired_set import Modality, PairedSet
from rrnet_lightning.data.paired.pictures import PictureZip
from rrnet_lightning.data.paired.records import (
    Sentences,
    arrange,
    carried,
    check_counts,
    labels_from,
    pairs_of,
    read_arrays,
    split_of,
    table,
)
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.errors import DataError, reason

FILES = ("pascal_sentences.json", "labels.npz", "lite0_1280.npz", "text_bert_nli_768.npz", "images_224.zip")
COUNTS = {"images": 1000, "sentences": 4998, "classes": 20}
ARRAYS = ("image", "category", "class_names", "voc2008", "splits")


def read_pascal_sentence(folder: str | Path, sentences: Sentences = "joined", published: bool = True) -> PairedSet:
    """Read Pascal Sentence.

    Levels of labels: `class` (20 classes, one an image) and `voc2008` (the same 20, several an image; what VOC marks
    as difficult alone counts as absent). Splits: the stored ones, `0` to `4`, each 800 to train, 100 to validate and
    100 to test.

    Args:
        folder: holds `pascal_sentences.json`, `labels.npz`, `lite0_1280.npz`, `text_bert_nli_768.npz` and
            `images_224.zip`.
        sentences: `joined`, one text an image; `each`, a text a sentence; `first`, the first sentence alone.
        published: refuse other counts than the published ones.

    Returns:
        Images with the features `lite0` and pictures; texts with the features `bert` where sentences are joined, as
        these vectors are one an image.

    Raises:
        DataError: damaged file, another count than published, or files that do not fit each other.
    """
    folder = user_path(folder)
    captions = _captions(folder / FILES[0])
    array = _arrays(folder / "labels.npz", captions, published)
    ids = tuple(Path(name).stem for name, _ in captions)
    labels = _labels(array)
    text_ids, texts, image = arrange([(name, own) for name, (_, own) in zip(ids, captions, strict=True)], sentences)
    bert = {"bert": table(folder / "text_bert_nli_768.npz", text_ids, "features")} if sentences == "joined" else {}
    parts = torch.from_numpy(array["splits"].astype(np.int64))
    return PairedSet(
        name="pascal_sentence",
        image=Modality(ids, {"lite0": table(folder / "lite0_1280.npz", ids, "features")}, labels),
        text=Modality(tuple(text_ids), bert, {level: carried(of, image) for level, of in labels.items()}),
        pairs=pairs_of(image),
        texts=tuple(texts),
        pictures=PictureZip(folder / "images_224.zip", [f"{name}.webp" for name in ids]),
        splits={str(number): split_of(part, image) for number, part in enumerate(parts)},
    )


def _arrays(file: Path, captions: list[tuple[str, list[str]]], published: bool) -> dict[str, NDArray[Any]]:
    """Arrays of labels and splits, checked against the captions."""
    array = read_arrays(file, ARRAYS)
    sentences = sum(len(own) for _, own in captions)
    found = {"images": len(captions), "sentences": sentences, "classes": len(array["class_names"])}
    check_counts(file.parent, found, COUNTS, published)
    if array["image"].tolist() != [name for name, _ in captions]:
        raise DataError(
            f"{file}: found other images than in {FILES[0]}, wanted the same in one order. Get both files again."
        )
    return array


def _labels(array: dict[str, NDArray[Any]]) -> dict[str, Labels]:
    """Both levels of labels of the images."""
    classes = [str(name) for name in array["class_names"]]
    one = array["category"][:, None] == np.arange(len(classes))
    return {"class": labels_from(classes, one), "voc2008": labels_from(classes, array["voc2008"] == 1)}


def _captions(file: Path) -> list[tuple[str, list[str]]]:
    """Name and sentences of each image."""
    try:
        content: Any = json.loads(read_text(file))
        captions = [(str(name), [str(text).strip() for text in of["captions"]]) for name, of in content.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: cannot be read ({reason(error)}), wanted an object with the captions of each image. Get it again."
        ) from error
    odd = next((name for name, own in captions if not own or "" in own), None)
    if odd is not None or not captions:
        raise DataError(f"{file}: found an empty sentence of image {odd!r}, wanted text. Get the file again.")
    return captions
