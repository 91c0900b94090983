"""What is asked of each set of pictures and texts, over each generator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rrnet_lightning.candidates.retrieval import (
    CCA,
    DSCMR,
    DualEncoder,
    Ridge,
    SemanticMatching,
    Several,
    SpaceGenerator,
)
from rrnet_lightning.data.paired.text_features import Lsa
from rrnet_lightning.datamodules import RetrievalDataModule
from rrnet_lightning.datamodules.tables.datamodule import Mode
from rrnet_lightning.evidence.seen import Bridges


@dataclass(frozen=True)
class Set:
    """A data set as it is asked, with one generator.

    Attributes:
        data: options of the datamodule; of a list of stored splits the seed takes one.
        generator: stage one.
        class_share: of the target mass, see ``RankingObjective``.
        splits: names of stored splits, by seed; none: drawn by seed. One alone: seeds change what is random.
        modes: in which it is asked.
    """

    data: dict[str, Any]
    generator: SpaceGenerator
    class_share: float = 0.0
    splits: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = ("inductive", "transductive")

    @property
    def same_queries(self) -> bool:
        """Whether all splits ask the same."""
        return len(self.splits) == 1

    def make(self, seed: int, mode: Mode) -> RetrievalDataModule:
        """The datamodule of one split."""
        stored = self.splits[seed % len(self.splits)] if self.splits else None
        data = RetrievalDataModule(
            generator=self.generator, stored_split=stored, seed=seed, mode=mode, batch_size=256, **self.data
        )
        data.setup()
        return data


LABELLED = Bridges(classes=True)
SETS: dict[str, Callable[[SpaceGenerator], Set]] = {
    "emoji": lambda generator: Set(
        {"dataset": "emoji", "text": ["glove", Lsa(100)], "labels": "subgroup", "relations": LABELLED, "top_k": 400}
        | {"val_share": 0.0731, "test_share": 0.2924},
        generator,
        0.2,
    ),
    "pascal": lambda generator: Set(
        {"dataset": "pascal_sentence", "text": ["bert"], "labels": "class", "relations": LABELLED, "top_k": 100},
        generator,
        0.2,
        tuple("01234"),
    ),
    "wikipedia": lambda generator: Set(
        {"dataset": "wikipedia", "image": ["sift"], "text": ["topics"], "labels": "category"}
        | {"relations": LABELLED, "top_k": 100},
        generator,
        0.2,
        ("official",),
    ),
    "flickr8k": lambda generator: Set(
        {"dataset": "flickr8k", "text": [Lsa(400)], "top_k": 100}, generator, splits=("official",)
    ),
}
GENERATORS: dict[str, SpaceGenerator] = {
    "cca": CCA(),
    "ridge": Ridge(),
    "sm": SemanticMatching(),
    "dual": DualEncoder(),
    "dscmr": DSCMR(),
    "dual+sm": Several([DualEncoder(), SemanticMatching()]),
    "dual+dscmr": Several([DualEncoder(), DSCMR()]),
}
