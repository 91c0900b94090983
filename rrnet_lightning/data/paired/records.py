"""What the readers of pictures and texts share: files, counts, labels and sentences."""

import lzma
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.files.columns import read_bytes, read_text
from rrnet_lightning.data.paired.paired_set import PairedSplit
from rrnet_lightning.data.tables.features import FeatureTable, read_features
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.pairs import Pairs
from rrnet_lightning.data.tables.places import check_names, listed
from rrnet_lightning.errors import DataError, reason

Sentences = Literal["joined", "each", "first"]


def check_counts(place: object, found: Mapping[str, int], wanted: Mapping[str, int], published: bool) -> None:
    """Refuse other counts than the published ones.

    Args:
        place: file or folder.
        found: number of each thing.
        wanted: published number of each thing.
        published: false lets any number pass.

    Raises:
        DataError: the first number that differs.
    """
    for what, number in wanted.items():
        if published and found[what] != number:
            raise DataError(
                f"{place}: found {found[what]:,} {what}, wanted the {number:,} that are published. Get the files "
                "again, or read a part of them on purpose with published=False."
            )


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read some arrays of a .npz archive.

    Raises:
        DataError: a damaged archive, or one without these arrays.
    """
    read_bytes(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if not missing:
                return {name: archive[name] for name in names}
            found = listed(archive.files)
    except Exception as error:  # on a damaged file NumPy raises OSError, EOFError, ValueError, BadZipFile ...
        raise DataError(f"{path}: cannot be read ({reason(error)}), wanted a .npz archive. Get it again.") from error
    raise DataError(f"{path}: found arrays {found}, wanted {listed(missing)} too. Get the archive again.")


def read_xz_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file packed with xz; DataError when it is damaged."""
    raw = read_bytes(path)
    try:
        return lzma.decompress(raw).decode("utf-8").splitlines()
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be unpacked ({reason(error)}), wanted .xz of text. Get it again.") from error


def read_tsv(path: Path, names: Sequence[str]) -> tuple[list[list[str]], list[int]]:
    """Read a UTF-8 file of columns separated by tabs, without quotes, names in line 1. Blank lines are skipped.

    Args:
        path: the file.
        names: columns that are wanted; others are left out.

    Returns:
        The rows, values in the order of `names`, and the line of each.

    Raises:
        DataError: unreadable file, missing column, or a line with another number of columns or without the first value.
    """
    lines = read_text(path).split("\n")
    header = [name.strip() for name in lines[0].split("\t")] if lines[0].strip() else []
    check_names(f"{path}, line 1", names, header)
    places = [header.index(name) for name in names]
    rows, numbers = [], []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        values = line.split("\t")
        if len(values) != len(header):
            raise DataError(
                f"{path}, line {number}: found {len(values)} columns, wanted the {len(header)} of line 1, separated by "
                "tabs. Correct this line; a tab cannot be part of a value."
            )
        rows.append([values[place].strip() for place in places])
        if not rows[-1][0]:
            raise DataError(f"{path}, line {number}: found no {names[0]}, wanted one. Fill it in or remove this line.")
        numbers.append(number)
    return rows, numbers


def table(path: Path, ids: Sequence[str], key: str | None = None) -> FeatureTable:
    """Features of a file with ids read elsewhere; `PairedSet` checks that there are as many."""
    return FeatureTable(read_features(path, key=key).x, tuple(ids), path)


def labels_of(words: Sequence[Iterable[str]]) -> Labels:
    """Classes of rows, one or several names each, or none."""
    names = tuple(sorted({word for row in words for word in row}))
    number = {name: at for at, name in enumerate(names)}
    member = torch.zeros(len(words), len(names), dtype=torch.bool)
    for row, of_row in enumerate(words):
        for word in of_row:
            member[row, number[word]] = True
    return Labels(names, member)


def labels_from(names: Sequence[str], member: NDArray[Any]) -> Labels:
    """Classes from a table of members, [N, C] true or false, with the names in order."""
    order = sorted(range(len(names)), key=lambda at: names[at])
    return Labels(tuple(names[at] for at in order), torch.from_numpy(member[:, order].astype(bool)))


def carried(labels: Labels, image: Tensor) -> Labels:
    """Labels of texts from their images. image: [M] row of each, -1 where a text has none."""
    member = labels.member[image.clamp(min=0)] & (image >= 0)[:, None]
    return Labels(labels.names, member)


def pairs_of(image: Tensor) -> Pairs:
    """Pairs of texts with their images. image: [M] row of each, -1 where a text has none."""
    text = (image >= 0).nonzero().squeeze(1)
    return Pairs(torch.stack([image[text], text]), torch.ones(len(text)), None)


def split_of(part: Tensor, image: Tensor) -> PairedSplit:
    """Split of images [N], and of texts by their images [M], -1 where a text has none."""
    return PairedSplit(part, torch.where(image >= 0, part[image.clamp(min=0)], -1))


def arrange(captions: Sequence[tuple[str, Sequence[str]]], how: Sentences) -> tuple[list[str], list[str], Tensor]:
    """Texts out of the captions of images.

    Args:
        captions: id and captions of each image.
        how: `joined`, one text of all captions of an image; `each`, a text a caption, named `id#0`, `id#1` ...;
            `first`, one text of the first caption.

    Returns:
        Ids and texts, and the row of the image of each, [M] long.

    Raises:
        DataError: another word for `how`.
    """
    if how == "each":
        texts = [(f"{name}#{at}", text, row) for row, (name, own) in enumerate(captions) for at, text in enumerate(own)]
    elif how in ("joined", "first"):
        last = None if how == "joined" else 1
        texts = [(name, " ".join(own[:last]), row) for row, (name, own) in enumerate(captions)]
    else:
        raise DataError(f"sentences: found {how!r}, wanted 'joined', 'each' or 'first'.")
    ids, words, image = zip(*texts, strict=True)
    return list(ids), list(words), torch.tensor(image)
