"""A set of pictures and texts in some lines: counts, labels, pairs, splits, and what is missing."""

from collections.abc import Iterator, Sequence

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from rrnet_lightning.data.paired.paired_set import KINDS, UNUSED, Kind, PairedSet
from rrnet_lightning.data.paired.words import words
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.places import listed
from rrnet_lightning.data.tables.split import Part
from rrnet_lightning.errors import DataError

BAR, CLASSES = 30, 20  # longest bar; classes that have a line each


def describe(paired: PairedSet, pictures: bool = True) -> Iterator[str]:
    """Yield the lines.

    Args:
        paired: the set.
        pictures: decode every picture, to find those that cannot be read.
    """
    yield paired.name
    for kind in KINDS:
        yield f"  {kind + 's':<7} {len(paired.of(kind)):,}{_features(paired, kind)}"
    yield from _pictures(paired) if pictures and paired.pictures is not None else ()
    yield from _texts(paired.texts) if paired.texts is not None else ()
    yield from _pairs(paired)
    levels = {level: labels for kind in reversed(KINDS) for level, labels in paired.of(kind).labels.items()}
    for level in levels:
        kind = KINDS[0] if level in paired.image.labels else KINDS[1]
        yield from _labels(level, paired.of(kind).labels[level], kind)
    for name in paired.splits:
        yield from _split(paired, name, list(levels))
    yield from (f"  note    {note}" for note in paired.notes)


def _features(paired: PairedSet, kind: Kind) -> str:
    tables = paired.of(kind).features
    said = ", ".join(f"{name} ({table.x.shape[1]:,}-d)" for name, table in tables.items())
    raw = paired.pictures is not None if kind == "image" else paired.texts is not None
    return f"; {'raw' if raw else 'not raw'}; features: {said or 'none'}"


def _pictures(paired: PairedSet) -> Iterator[str]:
    assert paired.pictures is not None
    sizes, bad = set[tuple[int, int]](), []
    for row in track(range(len(paired.pictures)), "decoding pictures", transient=True, console=Console(stderr=True)):
        try:
            sizes.add(tuple(paired.pictures[row].shape[1:]))  # type: ignore[arg-type]  # two numbers
        except DataError as error:
            bad.append(str(error))
    if sizes:
        low, high = (tuple(extreme(side) for side in zip(*sizes, strict=True)) for extreme in (min, max))
        yield f"          {low[0]} to {high[0]} pixels high, {low[1]} to {high[1]} wide"
    if bad:
        yield f"warning: {len(bad)} pictures cannot be read, the first: {bad[0]}"


def _texts(texts: Sequence[str]) -> Iterator[str]:
    lengths = torch.tensor([len(words(text)) for text in texts])
    low, middle, high = (int(value) for value in (lengths.min(), lengths.median(), lengths.max()))
    few = f"; {int((lengths == 1).sum()):,} of one word" if bool((lengths == 1).any()) else ""
    yield f"          {low:,} to {high:,} words, median {middle:,}{few}"
    if low == 0:
        yield f"warning: {int((lengths == 0).sum()):,} texts have no word, the first in row {int(lengths.argmin())}"
    again = len(texts) - len(set(texts))
    if again:
        yield f"          {again:,} repeat an earlier text: what is asked for may stand at another place too"


def _pairs(paired: PairedSet) -> Iterator[str]:
    image, text = (torch.bincount(end, minlength=len(paired.of(kind))) for end, kind in _ends(paired))
    yield f"  pairs   {paired.pairs.index.shape[1]:,}; an image has {_range(image)} texts, a text {_range(text)} images"
    for kind, other, count in (("image", "text", image), ("text", "image", text)):
        alone = (count == 0).nonzero().squeeze(1)
        if len(alone):
            ids = paired.of(kind).ids
            yield (
                f"warning: {len(alone):,} {kind}s without {other}: {listed(ids[row] for row in alone[:3].tolist())}"
                + (f" and {len(alone) - 3:,} more" if len(alone) > 3 else "")
            )


def _ends(paired: PairedSet) -> list[tuple[Tensor, Kind]]:
    return list(zip(paired.pairs.index, KINDS, strict=True))


def _range(count: Tensor) -> str:
    low, high = int(count.min()), int(count.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _labels(level: str, labels: Labels, kind: Kind) -> Iterator[str]:
    """Histogram of the classes, the largest first."""
    count = labels.member.sum(dim=0)
    several = int((labels.member.sum(dim=1) > 1).sum())
    yield f"  labels  {level}: {len(labels.names):,} classes of {kind}s; {several:,} have several, " + (
        f"{labels.unlabelled:,} none"
    )
    order = count.argsort(descending=True, stable=True).tolist()
    shown = order if len(order) <= CLASSES + 1 else order[:CLASSES]
    width = max(len(labels.names[column]) for column in shown)
    for column in shown:
        bar = "#" * max(1, round(BAR * int(count[column]) / max(1, int(count.max())))) if count[column] else ""
        yield f"          {labels.names[column]:<{width}}  {int(count[column]):>6,}  {bar}".rstrip()
    if len(order) > len(shown):
        rest = count[order[len(shown) :]]
        yield f"          and {len(rest)} more classes of {_range(rest)} {kind}s"
    if len(labels.names) == 1:
        yield f"          one class: every labelled row is relevant to every other, and mAP by {level} says nothing"


def _split(paired: PairedSet, name: str, levels: Sequence[str]) -> Iterator[str]:
    split = paired.splits[name]
    sizes = [
        f"{part.name.lower()} {len(split.rows('image', part)):,} images, {len(split.rows('text', part)):,} texts"
        for part in Part
    ]
    unused = [f"{int((split.of(kind) == UNUSED).sum()):,} {kind}s" for kind in KINDS]
    rest = "" if all(each.startswith("0 ") for each in unused) else f"; in no part {', '.join(unused)}"
    yield f"  split   {name}: {'; '.join(sizes)}{rest}"
    for level in levels:
        for part in Part:
            alone = [one for one, own in paired.classes_in_one_part(level, split).items() if own is part]
            if alone:
                mark = "warning:" if part is Part.TEST else "         "
                yield f"{mark} {level}: in the {part.name.lower()} part alone: {listed(alone)}"
