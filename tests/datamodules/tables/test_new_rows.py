"""New sources, in no table, that ask all targets."""

import torch

from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER
from tests.candidates.retrieval.tables import tables


def test_new_sources_are_asked_where_tables_have_labels() -> None:
    source, target, known = tables(60, 60)
    labels = Labels(("a", "b"), torch.nn.functional.one_hot(torch.arange(60) % 2, 2).bool())
    pairs = as_pairs(known, num_sources=60, num_targets=60)
    data = TablesDataModule.of(
        as_features(source), as_features(target), pairs, {"source": labels, "target": labels},
        relations=Bridges(classes=True), top_k=5, folds=3,
    )  # fmt: skip
    data.setup()
    graph = Blocks(data, "predict", views=[data.ask(source[:3])])[(0, torch.tensor([0]))]
    asked = graph[INTER].supervised
    assert int(asked.sum()) == 15 and graph[INTER].y[asked].isnan().all() and "relevant" not in graph[INTER]
