"""Images and texts: which text belongs to a picture, and which picture to a text?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval.space import Side
from rrnet_lightning.data.paired.paired_set import Modality, PairedSet
from rrnet_lightning.data.paired.records import Sentences
from rrnet_lightning.data.paired.sets import read_paired
from rrnet_lightning.data.paired.text_features import TextFeatures
from rrnet_lightning.data.tables.features import FeatureTable
from rrnet_lightning.data.tables.pairs import Pairs
from rrnet_lightning.data.tables.places import suggest
from rrnet_lightning.data.tables.split import Part, given_split, split_pairs
from rrnet_lightning.datamodules.tables.datamodule import TablesDataModule
from rrnet_lightning.datamodules.tables.files import TableContent
from rrnet_lightning.datamodules.tables.view import View
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.bridge import unit

Text = str | TextFeatures
OWN = "scores_path", "source_edges", "target_edges", "source_labels", "target_labels", "source_ids", "target_ids"
"""Files of a user's own tables, which a data set is read without."""


class RetrievalDataModule(TablesDataModule):
    """Images, the sources, and texts, the targets -> graphs that rank the one for the other, both ways.

    All but the files is as in :class:`TablesDataModule`: a test asks new images among new texts, and new texts among
    new images; what the training texts do not say is not known of words either. New rows of ``predict_path`` have all
    features side by side, as they are; see :meth:`text_rows`.

    Args:
        dataset: ``emoji``, ``emoji_twemoji``, ``flickr8k``, ``pascal_sentence``, ``wikipedia``, or a folder of your
            own, see :mod:`rrnet_lightning.data.paired.folder`.
        root: folder of data sets; null: see :func:`rrnet_lightning.data.files.root.data_root`.
        sentences: ``joined``, one text a picture; ``each``, a text a sentence; ``first``, the first one alone; null: as
            the set has them. Of ``flickr8k`` and ``pascal_sentence``.
        image: features of the pictures by the names that the set has for them, laid side by side.
        text: features of the texts: names, or what is fitted on the training texts, such as ``Lsa``. Each is brought to
            unit length, then they are laid side by side.
        labels: level of classes for mAP by class, and for generators that learn from classes; null: none.
        stored_split: name of a split of the set; where it validates nothing, ``val_share`` of its training pairs do.
            Null: drawn with ``seed``.
        tables: options of :class:`TablesDataModule` without its files.

    Raises:
        DataError: bad files or options; the message names file and line, or the option.
    """

    def __init__(
        self,
        *,
        dataset: str,
        root: str | None = None,
        sentences: Sentences | None = None,
        image: Sequence[str] = ("lite0",),
        text: Sequence[Text],
        labels: str | None = None,
        stored_split: str | None = None,
        **tables: Any,
    ) -> None:
        for option in OWN:
            if tables.get(option) is not None:
                raise DataError(f"{option}: found {tables[option]!r}, wanted null: it is of TablesDataModule alone")
        super().__init__(source_path="", target_path="", pairs_path="", **tables)
        self.widths: dict[Side, list[int]] = {}
        self.set = PairedFiles(dataset, root, sentences, tuple(image), tuple(text), labels, stored_split)
        if not image or not text:
            raise DataError("image, text: found none, wanted features of both. Name some, see the page on retrieval")

    def setup(self, stage: str = "") -> None:
        """Read, split and measure, once."""
        if not self.tables:
            paired = self.set.open()
            pairs = self._split(paired)
            content, self.widths = self.set.content(paired, pairs)
            self.take(content)
        super().setup(stage)

    def ask(self, x: Tensor, side: Side = "source") -> View:
        """As of :class:`TablesDataModule`; each of the features that lie side by side is brought to unit length."""
        widths = self.widths[side]
        if x.dim() == 2 and x.shape[1] == sum(widths):
            x = _beside(x.float().split(widths, 1))
        return super().ask(x, side)

    def text_rows(self, texts: Sequence[str]) -> Tensor:
        """Return the features [M, D] of new texts, to be asked; there after ``setup``.

        Raises:
            DataError: some of the features are read from a file, so that new texts have none.
        """
        self.setup()
        stored = [each for each in self.set.text if isinstance(each, str)]
        if stored:
            raise DataError(f"text: found {stored[0]!r}, which is read from a file, wanted such as Lsa for new texts")
        return torch.cat([each.transform(texts) for each in self.set.text if not isinstance(each, str)], 1)

    def _split(self, paired: PairedSet) -> Pairs:
        """The pairs, each with its part."""
        val, test = self.shares
        pairs, name = paired.pairs, self.set.stored_split
        if name is None:
            return _marked(pairs, split_pairs(pairs, by=self.split, val_share=val, test_share=test, seed=self.seed))
        if name not in paired.splits:
            known = f"one of {', '.join(paired.splits)}" if paired.splits else "null: there is none"
            raise DataError(f"stored_split: found {name!r} for {paired.name}, wanted {known}")
        pairs = paired.pairs_of(name)
        assert pairs.split is not None
        part = given_split(pairs.split)
        if not (part == Part.VAL).any():
            train = (part == Part.TRAIN).nonzero().squeeze(1)
            inner = Pairs(pairs.index[:, train], pairs.weight[train], None)
            drawn = split_pairs(inner, by=self.split, val_share=val, test_share=val, seed=self.seed)
            part[train[drawn == Part.VAL]] = int(Part.VAL)  # what was drawn as a test trains
        return _marked(pairs, part)


@dataclass(frozen=True)
class PairedFiles:
    """Which data set, and which of its features and labels: see :class:`RetrievalDataModule`."""

    dataset: str
    root: str | None
    sentences: Sentences | None
    image: tuple[str, ...]
    text: tuple[Text, ...]
    labels: str | None
    stored_split: str | None

    def open(self) -> PairedSet:
        """Read the data set."""
        return read_paired(self.dataset, self.root, self.sentences)

    def content(self, paired: PairedSet, pairs: Pairs) -> tuple[TableContent, dict[Side, list[int]]]:
        """Features of both sides, the pairs, and the labels; and the width of each of the features."""
        assert pairs.split is not None
        train = given_split(pairs.split) == Part.TRAIN
        rows = pairs.index[1, train].unique().tolist()
        texts = [self._text(paired, features, rows) for features in self.text]
        images = [_stored(paired.image, name, "image") for name in self.image]
        tables: dict[Side, FeatureTable] = {
            "source": FeatureTable(_beside(images), paired.image.ids, None),
            "target": FeatureTable(_beside(texts), paired.text.ids, None),
        }
        labels = paired.labels_of(self.labels) if self.labels is not None else {}
        widths: dict[Side, list[int]] = {"source": [x.shape[1] for x in images], "target": [x.shape[1] for x in texts]}
        return TableContent(tables, pairs, labels), widths

    def _text(self, paired: PairedSet, features: Text, train: list[int]) -> Tensor:
        """Features of all texts [M, D], fitted on the rows that train."""
        if isinstance(features, str):
            return _stored(paired.text, features, "text")
        if paired.texts is None:
            raise DataError(f"text: found {type(features).__name__} for {paired.name}, which has no raw texts")
        return features.fit([paired.texts[row] for row in train]).transform(paired.texts)


def _stored(side: Modality, name: str, option: str) -> Tensor:
    if name not in side.features:
        wanted = suggest(name, side.features) if side.features else "The set has none."
        fitted = " Texts have those that are fitted, such as {class_path: Lsa}." if option == "text" else ""
        raise DataError(f"{option}: found no features {name!r}. {wanted}{fitted}")
    return side.features[name].x.float()


def _beside(parts: Sequence[Tensor]) -> Tensor:
    """Features side by side, each row of each of unit length."""
    return torch.cat([unit(part) for part in parts], 1)


def _marked(pairs: Pairs, part: Tensor) -> Pairs:
    return replace(pairs, split=tuple(Part(number).name.lower() for number in part.tolist()))
