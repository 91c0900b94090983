"""The two sides of a folder of one's own; see :mod:`rrnet_lightning.data.paired.folder` for its format."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rrnet_lightning.data.paired.pictures import ENDINGS, PictureFiles
from rrnet_lightning.data.paired.records import read_tsv
from rrnet_lightning.data.tables.features import ENDINGS as TABLES
from rrnet_lightning.data.tables.features import FeatureTable, read_features
from rrnet_lightning.data.tables.ids import check_ids, read_ids
from rrnet_lightning.data.tables.places import listed
from rrnet_lightning.errors import DataError

GIVEN = "given"  # name of the features


@dataclass(frozen=True, eq=False)
class ImageSide:
    """N pictures, or their features, or both.

    Attributes:
        ids: [N].
        features: of N rows, or none.
        pictures: N, or none.
        notes: what was left out.
    """

    ids: tuple[str, ...]
    features: Mapping[str, FeatureTable] = field(default_factory=dict)
    pictures: PictureFiles | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TextSide:
    """M texts, or their features, or both.

    Attributes:
        ids: [M].
        pairs: [2, P] rows of images and of texts.
        features: of M rows, or none.
        texts: M, or none.
        notes: what was left out.
    """

    ids: tuple[str, ...]
    pairs: Tensor
    features: Mapping[str, FeatureTable] = field(default_factory=dict)
    texts: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def read_images(folder: Path) -> ImageSide:
    """Pictures of `images/` and features of `image_features.*`.

    Raises:
        DataError: neither is there, two pictures of one id, or features whose ids are not those of pictures.
    """
    table = _table(folder, "image")
    if not (folder / "images").is_dir():
        if table is None:
            raise DataError(
                f"{folder}: found neither images/ nor image_features, wanted pictures or a file of features such as "
                "image_features.npy. Put one of them there."
            )
        return ImageSide(table.ids or _numbers(table), {GIVEN: table})
    paths, notes = _pictures(folder / "images")
    if table is None:
        return ImageSide(tuple(paths), {}, PictureFiles(list(paths.values())), notes)
    if table.ids is None:
        raise DataError(
            f"{table.path}: found {len(table.x)} rows without ids beside {len(paths)} pictures, wanted "
            f"{folder / 'image_ids.txt'} with one id a line. Write it in the order of the rows."
        )
    missing = [name for name in table.ids if name not in paths]
    if missing:
        raise DataError(
            f"{folder / 'image_ids.txt'}: found the id {missing[0]!r} without a picture in images/, wanted one for "
            f"every id; they look like {next(iter(paths))!r}. Add the picture or remove the row."
        )
    spare = len(paths) - len(table.ids)
    notes += (f"{spare} pictures have no row in {table.path and table.path.name}: left out.",) if spare else ()
    return ImageSide(table.ids, {GIVEN: table}, PictureFiles([paths[name] for name in table.ids]), notes)


def read_texts(folder: Path, images: ImageSide) -> TextSide:
    """Captions of `captions.tsv` and features of `text_features.*`.

    Raises:
        DataError: neither is there, no caption, or ids or rows that do not correspond.
    """
    file, table = folder / "captions.tsv", _table(folder, "text")
    if file.exists():
        return _captions(file, table, images)
    if table is None:
        raise DataError(
            f"{folder}: found neither captions.tsv nor text_features, wanted captions or a file of features such as "
            "text_features.npy. Put one of them there."
        )
    ids = table.ids or _numbers(table)
    return TextSide(ids, _pairs(folder, images, table, ids), {GIVEN: table})


def _pictures(folder: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """Path of each picture by id, sorted by id, and a note on other files."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    paths: dict[str, Path] = {}
    for file in files:
        if file.suffix.lower() in ENDINGS:
            name = file.relative_to(folder).with_suffix("").as_posix()
            if name in paths:
                raise DataError(
                    f"{file}: found a second picture with the id {name!r} beside {paths[name].name}, wanted distinct "
                    "ids. Rename or remove one."
                )
            paths[name] = file
    if not paths:
        raise DataError(f"{folder}: found no picture, wanted files ending in {', '.join(ENDINGS)}. Put some there.")
    others = [file.name for file in files if file.suffix.lower() not in ENDINGS]
    return paths, (f"{len(others)} files in images/ are no pictures, such as {others[0]!r}.",) if others else ()


def _captions(file: Path, table: FeatureTable | None, images: ImageSide) -> TextSide:
    rows, numbers = read_tsv(file, ("id", "caption"))
    if table is not None and len(table.x) != len(rows):
        raise DataError(
            f"{table.path}: found {len(table.x)} rows for {len(rows)} lines of {file}, wanted one a line. "
            "Make the features of these captions."
        )
    kept = [row for row, (_, caption) in enumerate(rows) if caption]
    if not kept:
        raise DataError(f"{file}: found no caption, wanted at least one below the names of the columns. Write some.")
    row_of = {name: row for row, name in enumerate(images.ids)}
    if not any(rows[row][0] in row_of for row in kept):
        raise DataError(
            f"{file}, line {numbers[kept[0]]}: found the id {rows[kept[0]][0]!r}, and no id of an image in any line; "
            f"these look like {images.ids[0]!r}. Give both the same ids."
        )
    count: Counter[str] = Counter()
    ids, ends = [], []
    for text, (name, _) in enumerate(rows[row] for row in kept):
        ids.append(f"{name}#{count[name]}")
        count[name] += 1
        if name in row_of:
            ends.append((row_of[name], text))
    empty = [number for number, (_, caption) in zip(numbers, rows, strict=True) if not caption]
    notes = (f"{len(empty)} empty captions left out, the first in line {empty[0]} of {file.name}.",) if empty else ()
    features = {} if table is None else {GIVEN: FeatureTable(table.x[torch.tensor(kept)], tuple(ids), table.path)}
    return TextSide(tuple(ids), torch.tensor(ends).T, features, tuple(rows[row][1] for row in kept), notes)


def _pairs(folder: Path, images: ImageSide, table: FeatureTable, ids: tuple[str, ...]) -> Tensor:
    """Pairs [2, P] of images and texts that are features alone."""
    image, text = ({name: row for row, name in enumerate(side)} for side in (images.ids, ids))
    file = folder / "pairs.tsv"
    if not file.exists():
        if table.ids is None and len(images.ids) != len(ids):
            raise DataError(
                f"{table.path}: found {len(ids)} rows without ids for {len(images.ids)} images, wanted one a row, in "
                "one order. Write text_ids.txt and pairs.tsv to say which belong together."
            )
        both = [(image[name], row) for name, row in text.items() if name in image]
        if not both:
            raise DataError(
                f"{folder}: found no id in common: images look like {images.ids[0]!r}, texts like {ids[0]!r}; wanted "
                "equal ids or pairs.tsv. Write one of them."
            )
        return torch.tensor(both).T
    ends = []
    for names, number in zip(*read_tsv(file, ("image", "text")), strict=True):
        for kind, name, known in zip(("image", "text"), names, (image, text), strict=True):
            if name not in known:
                raise DataError(
                    f"{file}, line {number}: found the {kind} {name!r}, wanted an id such as {next(iter(known))!r}. "
                    "Correct or remove this line."
                )
        ends.append((image[names[0]], text[names[1]]))
    if not ends:
        raise DataError(f"{file}: found no pair below the names of the columns, wanted at least one. Write some.")
    return torch.from_numpy(np.unique(np.array(ends), axis=0).T.copy())


def _table(folder: Path, kind: str) -> FeatureTable | None:
    """Features of one side with the ids beside them; None where there is no such file."""
    files = [folder / f"{kind}_features{ending}" for ending in TABLES]
    found = [file for file in files if file.exists()]
    if not found:
        return None
    if len(found) > 1:
        raise DataError(
            f"{folder}: found {listed(file.name for file in found)}, wanted one of them. Remove the others."
        )
    names = folder / f"{kind}_ids.txt"
    table = read_features(found[0])
    if not names.exists():
        return table
    ids = read_ids(names)
    check_ids(ids, len(table.x), str(names))
    return FeatureTable(table.x, ids, table.path)


def _numbers(table: FeatureTable) -> tuple[str, ...]:
    return tuple(map(str, range(len(table.x))))
