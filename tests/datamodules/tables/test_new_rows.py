"""New sources, in no table, that ask all targets; and what goes to the processes that make their graphs."""

import pickle

import pytest
import torch

from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER
from tests.candidates.retrieval.tables import tables
from tests.datamodules.seen import differences
from tests.datamodules.toy import trainer_of


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


@pytest.mark.parametrize("stage", ["train", "predict"])
def test_batches_go_to_processes_that_are_spawned(stage: Stage) -> None:
    """What goes there is pickled; a trainer cannot be."""
    source, target, known = tables(60, 60)
    data = TablesDataModule.of(source, target, known, top_k=5, folds=3)
    data.setup()
    data.trainer = trainer_of(1, loop=(n for n in range(1)))
    blocks = Blocks(data, stage)
    sent = pickle.loads(pickle.dumps(blocks))
    assert differences([blocks[(0, torch.tensor([0]))]], [sent[(0, torch.tensor([0]))]]) == set()
