"""Flickr8k: images as features, five sentences each, the official split. The pixels are not at hand.

The level of labels `derived` has 24 concepts, made from sentences #1 to #4 of each image. No published figure has them.
With them take `sentences="first"`, or the labels can be read off the text.
"""

from pathlib import Path

import numpy as np
import torch

from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.paired.paired_set import Modality, PairedSet
from rrnet_lightning.data.paired.records import (
    Sentences,
    arrange,
    carried,
    check_counts,
    labels_from,
    pairs_of,
    read_arrays,
    read_xz_lines,
    split_of,
    table,
)
from rrnet_lightning.data.tables.split import Part
from rrnet_lightning.errors import DataError

FILES = ("Flickr8k.token.txt.xz", "index.npz", "lite0_1280.npz")
COUNTS = {
    "images": 8091,
    "sentences": 40460,
    "images to train": 6000,
    "images to validate": 1000,
    "images to test": 1000,
}
ARRAYS = ("image", "split", "derived_labels", "derived_classes")


def read_flickr8k(folder: str | Path, sentences: Sentences = "each", published: bool = True) -> PairedSet:
    """Read Flickr8k.

    Split `official`: 6,000 images to train, 1,000 to validate, 1,000 to test; 91 are in no part. Five sentences are of
    an image that the set has not: they stay, in no pair and in no part. Level of labels: `derived`.

    Args:
        folder: holds `Flickr8k.token.txt.xz`, `index.npz` and `lite0_1280.npz`.
        sentences: `each`, a text a sentence; `joined`, one text an image; `first`, sentence #0 of each image.
        published: refuse other counts than the published ones.

    Returns:
        Images with the features `lite0`; texts without features.

    Raises:
        DataError: damaged file, another count than published, an image without sentence, or files that do not fit.
    """
    folder = user_path(folder)
    file = folder / "Flickr8k.token.txt.xz"
    array = read_arrays(folder / "index.npz", ARRAYS)
    ids = tuple(str(name) for name in array["image"])
    of_image = _sentences(file)
    part = torch.from_numpy(array["split"].astype(np.int64))
    counts = len(ids), sum(map(len, of_image.values())), *(int((part == each).sum()) for each in Part)
    check_counts(folder, dict(zip(COUNTS, counts, strict=True)), COUNTS, published)
    strangers = _strangers(file, ids, of_image)
    chosen = [*ids, *strangers] if sentences == "each" else ids
    text_ids, texts, image = arrange([(name, of_image[name]) for name in chosen], sentences)
    image = torch.where(image < len(ids), image, -1)
    derived = labels_from([str(name) for name in array["derived_classes"]], array["derived_labels"])
    lost = [name for name, row in zip(text_ids, image.tolist(), strict=True) if row < 0]
    return PairedSet(
        name="flickr8k",
        image=Modality(ids, {"lite0": table(folder / "lite0_1280.npz", ids, "features")}, {"derived": derived}),
        text=Modality(tuple(text_ids), {}, {"derived": carried(derived, image)}),
        pairs=pairs_of(image),
        texts=tuple(texts),
        splits={"official": split_of(part, image)},
        notes=(f"{len(lost)} texts are of no image of the set, such as {lost[0]!r}.",) if lost else (),
    )


def _strangers(file: Path, ids: tuple[str, ...], of_image: dict[str, list[str]]) -> list[str]:
    """Images of sentences that are no image of the set; DataError where an image of the set has no sentence."""
    bare = [name for name in ids if name not in of_image]
    if bare:
        raise DataError(f"{file}: found no sentence of image {bare[0]!r}, wanted some. Get this file again.")
    known = set(ids)
    return [name for name in of_image if name not in known]


def _sentences(file: Path) -> dict[str, list[str]]:
    """Sentences of each image, in the order of their numbers."""
    found: dict[str, dict[int, str]] = {}
    for number, line in enumerate(read_xz_lines(file), start=1):
        name, tab, text = line.partition("\t")
        image, mark, count = name.rpartition("#")
        if not (tab and mark and image and count.isascii() and count.isdigit() and text.strip()):
            raise DataError(
                f"{file}, line {number}: found {line[:60]!r}, wanted an image, # and a number, a tab and a sentence. "
                "Get the file again."
            )
        if int(count) in found.setdefault(image, {}):
            raise DataError(f"{file}, line {number}: found {name!r} again, wanted each once. Get the file again.")
        found[image][int(count)] = text.strip()
    return {image: [own[count] for count in sorted(own)] for image, own in found.items()}
