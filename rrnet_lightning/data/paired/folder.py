"""A folder of one's own: pictures or their features, captions or their features, labels and a split.

    my_set/
      images/            one picture a file, also in folders; id = path below images/ without the ending
      captions.tsv       columns id, caption; several lines of an id are several texts, named id#0, id#1 ...
      labels.tsv         columns id, label; optional; several lines of an id are several labels
      split.tsv          columns id, part (train, val or test); optional; ids without a line are in no part
      image_features.*   in place of images/ or beside it, and
      image_ids.txt        one id a line; needed beside images/
      text_features.*    in place of captions.tsv, or beside it: row i is then line i of the captions
      text_ids.txt         one id a line, where there is no captions.tsv
      pairs.tsv          columns image, text; optional, where there is no captions.tsv: else equal ids are pairs

The `.tsv` files are UTF-8 with tabs between the columns, names in line 1 and no quotes. Features are `.npy`, `.npz`,
`.safetensors`, `.parquet` or `.pt`, a row an instance; without ids, rows are numbered from 0. The ids of labels and
split are those of images or of texts; a text has the labels and the part of its images too.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.paired.folder_sides import ImageSide, TextSide, read_images, read_texts
from rrnet_lightning.data.paired.paired_set import UNUSED, Modality, PairedSet, PairedSplit
from rrnet_lightning.data.paired.records import labels_of, read_tsv
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.pairs import Pairs
from rrnet_lightning.data.tables.places import listed
from rrnet_lightning.data.tables.split import WORDS, Part
from rrnet_lightning.errors import DataError

LEVEL, SPLIT = "label", "given"


def read_folder(folder: str | Path) -> PairedSet:
    """Read a folder of one's own; what it holds is said above.

    Features are named `given`, the level of labels `label`, the split `given`. Empty captions are left out and noted.
    Pictures without a caption, and captions without a picture, stay, in no pair. Warns of classes in the test alone.

    Args:
        folder: the set.

    Raises:
        DataError: names file and line of what cannot be read, of ids that are not distinct or of no other file, and of
            rows that do not correspond.
    """
    folder = user_path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: found no such folder, wanted one with images/ and captions.tsv. Check the path.")
    images = read_images(folder)
    texts = read_texts(folder, images)
    rows = _Rows(images, texts)
    labels: dict[str, Labels] = {}
    splits, notes = {}, [*images.notes, *texts.notes]
    if (folder / "labels.tsv").exists():
        labels, note = _labels(folder / "labels.tsv", rows)
        notes += note
    if (folder / "split.tsv").exists():
        splits = {SPLIT: _split(folder / "split.tsv", rows)}
    paired = PairedSet(
        name=str(folder),
        image=Modality(images.ids, images.features, {LEVEL: labels["image"]} if labels else {}),
        text=Modality(texts.ids, texts.features, {LEVEL: labels["text"]} if labels else {}),
        pairs=Pairs(texts.pairs, torch.ones(texts.pairs.shape[1]), None),
        texts=texts.texts,
        pictures=images.pictures,
        splits=splits,
        notes=tuple(notes),
    )
    _warn(paired)
    return paired


class _Rows:
    """Where the ids of both sides are, and what goes over from images to texts."""

    def __init__(self, images: ImageSide, texts: TextSide) -> None:
        self.image = {name: row for row, name in enumerate(images.ids)}
        self.text = {name: row for row, name in enumerate(texts.ids)}
        self.pairs = texts.pairs
        self.examples = f"ids look like {images.ids[0]!r} (image) and {texts.ids[0]!r} (text)"


def _labels(file: Path, rows: _Rows) -> tuple[dict[str, Labels], list[str]]:
    """Labels of both sides, and a note on ids that are of neither."""
    lines, numbers = read_tsv(file, ("id", "label"))
    words: dict[str, list[set[str]]] = {"image": [set() for _ in rows.image], "text": [set() for _ in rows.text]}
    unknown = []
    for (name, label), number in zip(lines, numbers, strict=True):
        kind, of_kind = ("image", rows.image) if name in rows.image else ("text", rows.text)
        if name not in of_kind:
            unknown.append(f"{name!r} in line {number}")
        elif label:
            words[kind][of_kind[name]].add(label)
    if not any(map(any, words.values())):
        found = unknown[0] if unknown else "no label"
        raise DataError(f"{file}: found {found}, and no label of a known id; {rows.examples}. Give the same ids.")
    for image, text in rows.pairs.T.tolist():
        words["text"][text] |= words["image"][image]
    both = labels_of([*words["image"], *words["text"]])
    sides = dict(zip(words, both.member.split([len(of) for of in words.values()]), strict=True))
    note = [f"{len(unknown)} lines of {file.name} are of unknown ids, such as {unknown[0]}."] if unknown else []
    return {kind: Labels(both.names, member) for kind, member in sides.items()}, note


def _split(file: Path, rows: _Rows) -> PairedSplit:
    """Part of every row of both sides."""
    parts: dict[str, Tensor] = {
        "image": torch.full((len(rows.image),), UNUSED),
        "text": torch.full((len(rows.text),), UNUSED),
    }
    for (name, word), number in zip(*read_tsv(file, ("id", "part")), strict=True):
        kind, of_kind = ("image", rows.image) if name in rows.image else ("text", rows.text)
        if name not in of_kind or word not in WORDS:
            found, wanted = (f"the id {name!r}", rows.examples) if word in WORDS else (f"part {word!r}", listed(WORDS))
            raise DataError(f"{file}, line {number}: found {found}, wanted a known one: {wanted}. Correct this line.")
        part, row = int(WORDS[word]), of_kind[name]
        if int(parts[kind][row]) not in (UNUSED, part):
            raise DataError(f"{file}, line {number}: found {name!r} in a second part, wanted one part. Remove a line.")
        parts[kind][row] = part
    image, text = rows.pairs
    carried = parts["image"][image]
    free = parts["text"][text] == UNUSED  # a part of its own stays, and is checked against that of its image
    parts["text"][text[free]] = carried[free]
    return PairedSplit(parts["image"], parts["text"])


def _warn(paired: PairedSet) -> None:
    for split in paired.splits:
        alone = [name for name, part in paired.classes_in_one_part(LEVEL, split).items() if part is Part.TEST]
        if alone:
            warnings.warn(
                f"{paired.name}: classes {listed(alone)} are in the test part alone: nothing can be learnt of them.",
                stacklevel=3,
            )
