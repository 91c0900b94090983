"""What every reader of pictures and texts returns: ids, features and labels of both sides, known pairs, splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.data.paired.pictures import Pictures
from rrnet_lightning.data.tables.features import FeatureTable
from rrnet_lightning.data.tables.ids import check_ids
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.pairs import Pairs
from rrnet_lightning.data.tables.places import suggest
from rrnet_lightning.data.tables.split import Part, split_pairs, units
from rrnet_lightning.errors import DataError

Kind = Literal["image", "text"]
KINDS: tuple[Kind, Kind] = ("image", "text")
UNUSED = -1


@dataclass(frozen=True, eq=False)
class Modality:
    """Rows of one modality.

    Attributes:
        ids: [N] id of each row, distinct.
        features: tables of N rows by name, such as `lite0`; may be empty.
        labels: classes by level, such as `subgroup`; may be empty.
    """

    ids: tuple[str, ...]
    features: Mapping[str, FeatureTable] = field(default_factory=dict)
    labels: Mapping[str, Labels] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class PairedSplit:
    """Part of every row: a value of `Part`, or -1 where a row is in none.

    Attributes:
        image: [N] long.
        text: [M] long.
    """

    image: Tensor
    text: Tensor

    def of(self, kind: Kind) -> Tensor:
        """Part of every row of one side."""
        return self.image if kind == "image" else self.text

    def rows(self, kind: Kind, part: Part) -> Tensor:
        """Rows of one side in a part, long, ascending."""
        return (self.of(kind) == part).nonzero().squeeze(1)


@dataclass(frozen=True, eq=False)
class PairedSet:
    """A data set of N pictures and M texts. Images are the sources of the pairs, texts their targets.

    `TablesDataModule.of(paired.image.features[...], paired.text.features[...], paired.pairs_of(split),
    paired.labels_of(level))` takes what is here.

    Attributes:
        name: for messages.
        image: N rows.
        text: M rows.
        pairs: `index` is [2, P], rows of the images and of the texts.
        texts: [M] raw texts; None where only features are given.
        pictures: N pictures, read when asked for; None where only features are given.
        splits: stored splits by name; may be empty.
        notes: sentences on what was left out or is odd.

    Raises:
        DataError: the parts do not fit each other.
    """

    name: str
    image: Modality
    text: Modality
    pairs: Pairs
    texts: tuple[str, ...] | None = None
    pictures: Pictures | None = None
    splits: Mapping[str, PairedSplit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for kind in KINDS:
            self._check_side(kind)
        for raw, kind in ((self.texts, "text"), (self.pictures, "image")):
            if raw is not None and len(raw) != len(self.of(kind)):
                self._refuse(f"{len(raw)} {kind}s for {len(self.of(kind))} ids of {kind}s", "as many")
        for end, kind in zip(self.pairs.index, KINDS, strict=True):
            if len(end) and not 0 <= int(end.min()) <= int(end.max()) < len(self.of(kind)):
                self._refuse(f"pairs with {kind} row {int(end.max())}", f"rows 0 to {len(self.of(kind)) - 1}")
        for name, split in self.splits.items():
            self._check_split(name, split)

    def of(self, kind: str) -> Modality:
        """One side."""
        return self.image if kind == "image" else self.text

    def split(self, name: str) -> PairedSplit:
        """The stored split of that name.

        Raises:
            DataError: there is none.
        """
        if name not in self.splits:
            raise DataError(f"split: found {name!r}, wanted one of {self.name}. {suggest(name, self.splits)}")
        return self.splits[name]

    def pairs_of(self, split: str | PairedSplit) -> Pairs:
        """Pairs of a split, each with its word `train`, `val` or `test`. Pairs of rows in no part are left out."""
        split = self.split(split) if isinstance(split, str) else split
        part = split.image[self.pairs.index[0]]
        kept = (part != UNUSED).nonzero().squeeze(1)
        words = tuple(Part(int(number)).name.lower() for number in part[kept])
        return Pairs(self.pairs.index[:, kept], self.pairs.weight[kept], words)

    def labels_of(self, level: str) -> dict[Literal["source", "target"], Labels]:
        """Classes of one level for both sides, as `TablesDataModule.of` takes them.

        Raises:
            DataError: a side has no such level.
        """
        for kind in KINDS:
            known = self.of(kind).labels
            if level not in known:
                raise DataError(f"labels: found no level {level!r} of the {kind}s. {suggest(level, known)}")
        return {"source": self.image.labels[level], "target": self.text.labels[level]}

    def classes_in_one_part(self, level: str, split: str | PairedSplit) -> dict[str, Part]:
        """Classes of a level whose rows, images and texts, are all in one part of a split, and that part."""
        split = self.split(split) if isinstance(split, str) else split
        parts: dict[str, set[Part]] = {}
        for kind in KINDS:
            labels = self.of(kind).labels.get(level)
            for part in Part:
                if labels is None:
                    continue
                there = labels.member[split.rows(kind, part)].any(dim=0)
                for name in (labels.names[column] for column in there.nonzero().squeeze(1).tolist()):
                    parts.setdefault(name, set()).add(part)
        return {name: next(iter(own)) for name, own in sorted(parts.items()) if len(own) == 1}

    def draw_split(self, val: int, test: int, seed: int) -> PairedSplit:
        """Draw a split of items: pictures and texts that are connected by pairs stay together.

        Args:
            val: items that validate, at least 1.
            test: items that test, at least 1.
            seed: of the draw, 0 or more.

        Raises:
            DataError: as :func:`rrnet_lightning.data.tables.split.split_pairs`.
        """
        items = int(units(self.pairs.index, "both").max()) + 1
        drawn = split_pairs(self.pairs, by="both", val_share=val / items, test_share=test / items, seed=seed)
        image, text = (torch.full((len(self.of(kind)),), UNUSED) for kind in KINDS)
        image[self.pairs.index[0]], text[self.pairs.index[1]] = drawn, drawn
        return PairedSplit(image, text)

    def _check_side(self, kind: Kind) -> None:
        side = self.of(kind)
        check_ids(side.ids, len(side.ids), f"{self.name}, ids of {kind}s")
        for name, table in side.features.items():
            if len(table.x) != len(side):
                place = table.path or f"features {name!r}"
                self._refuse(f"{len(table.x)} rows in {place} for {len(side)} {kind}s", "one row each, in one order")
        for level, labels in side.labels.items():
            if len(labels.member) != len(side):
                self._refuse(f"{len(labels.member)} rows of labels {level!r} for {len(side)} {kind}s", "one row each")

    def _check_split(self, name: str, split: PairedSplit) -> None:
        for kind in KINDS:
            if len(split.of(kind)) != len(self.of(kind)):
                self._refuse(
                    f"split {name!r} of {len(split.of(kind))} for {len(self.of(kind))} {kind}s", "one part each"
                )
        image, text = self.pairs.index
        apart = (split.image[image] != split.text[text]).nonzero()
        if len(apart):
            pair = int(apart[0])
            ends = f"image {self.image.ids[image[pair]]!r} and text {self.text.ids[text[pair]]!r}"
            self._refuse(f"{ends} of a pair in two parts of split {name!r}", "both in one")

    def _refuse(self, found: str, wanted: str) -> None:
        raise DataError(f"{self.name}: found {found}, wanted {wanted}. Check that all files are of one version.")
