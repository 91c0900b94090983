"""All rows as candidates, where they fit."""

from typing import Any

import pytest
import torch

from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables import blocks
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER
from tests.candidates.retrieval.tables import tables

ROWS = 40


def task(pairs: torch.Tensor | None = None, **options: Any) -> TablesDataModule:
    source, target, _ = tables(ROWS)
    index = torch.arange(ROWS).repeat(2, 1) if pairs is None else pairs
    known = as_pairs(index, num_sources=ROWS, num_targets=ROWS)
    data = TablesDataModule.of(as_features(source), as_features(target), known, top_k=None, **options)
    data.setup()
    return data


def test_every_row_is_a_candidate_and_nothing_is_missed() -> None:
    data = task(split="sources")
    view = data.views("test")[0]
    graph = Blocks(data, "test")[(0, torch.tensor([0]))]
    asked = graph[INTER].supervised
    assert int(asked.sum()) == len(view.queries["source"]) * ROWS and graph["source"].missed.shape[1] == 0


def test_a_query_of_many_known_partners_takes_no_candidates_from_others() -> None:
    """What is said of a query does not depend on how many partners another of its batch has."""
    rows = torch.arange(ROWS)
    hub = torch.stack([torch.zeros(ROWS, dtype=torch.long), rows])
    data = task(torch.cat([torch.stack([rows, rows]), hub], 1), split="pairs")
    view = data.views("test")[0]
    for side, graph in enumerate(Blocks(data, "test")[(0, torch.tensor([number]))] for number in range(2)):
        known = view.reference.pairs[side]
        ends = graph[("source", "target")[side]].n_id[graph[INTER].edge_index[side]]
        for row in view.queries[("source", "target")[side]].tolist():
            own = graph[INTER].asks[:, side] & (ends == row)
            assert int(own.sum()) == ROWS - int((known == row).sum())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            "top_k: found null, which makes 320 pairs in a batch, wanted at most 200. Set batch_size 5 or less, or top",
        ),
        ({"batch_size": 5}, None),
        ({"mode": "transductive"}, "makes 320 pairs in a batch, wanted at most 200. Set top_k"),
    ],
)
def test_too_many_pairs_are_refused_with_what_to_do(
    options: dict[str, Any], message: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "ALL_PAIRS", 200)
    data = task(split="sources", folds=20, **options)
    if message is None:
        assert len(Blocks(data, "test")) == 2
    else:
        with pytest.raises(DataError, match=message):
            Blocks(data, "test")
