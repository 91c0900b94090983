"""A user's own candidates and scores in place of the generator's."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.links import Scores
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.datamodules.tables.listed import Listed
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.module import RRNetModule, asked_of
from rrnet_lightning.objectives import RankingObjective
from tests.candidates.retrieval.tables import tables

ROWS, PARTS = 60, ("train",) * 30 + ("val",) * 10 + ("test",) * 20
GRID = torch.cartesian_prod(torch.arange(ROWS), torch.arange(ROWS)).T


def listing(keep: Tensor | None = None) -> Scores:
    """Every seventh pair in a random order, scores far from cosines; source 45 has none, nor have targets 50 to 59."""
    some = (GRID.sum(0) % 7 == 0) & (GRID[0] != 45) & (GRID[1] < 50)
    index = GRID[:, some if keep is None else some & keep]
    draw = torch.Generator().manual_seed(0)
    index = index[:, torch.randperm(index.shape[1], generator=draw)]
    return Scores(index, 100 * torch.randn(index.shape[1], generator=draw).round(decimals=1))


def task(scores: Scores | None, **options: Any) -> TablesDataModule:
    source, target, _ = tables(ROWS)
    pairs = as_pairs(torch.arange(ROWS).repeat(2, 1), split=PARTS, num_sources=ROWS, num_targets=ROWS)
    options = {"top_k": 3, "folds": 3} | options
    data = TablesDataModule.of(as_features(source), as_features(target), pairs, scores=scores, **options)
    data.setup()
    return data


def graphs(data: TablesDataModule, stage: Any = "test") -> list[HeteroData]:
    blocks = Blocks(data, stage)
    return [blocks[(0, torch.tensor([number]))] for number in range(len(blocks))]


@pytest.mark.parametrize("side", [0, 1])
def test_candidates_are_the_best_listed_ones_and_the_score_is_the_prior(side: int) -> None:
    scores = listing()
    data = task(scores)
    (graph,) = (graph for graph in graphs(data) if graph[INTER].asks[:, side].any())
    inter = graph[INTER]
    ends = [graph[name].n_id[inter.edge_index[i]] for i, name in enumerate(("source", "target"))]
    given = dict(zip(map(tuple, scores.index.T.tolist()), scores.score.tolist(), strict=True))
    for row in range(40, 60):
        own = inter.asks[:, side] & (ends[side] == row)
        found = [given[pair] for pair in zip(ends[0][own].tolist(), ends[1][own].tolist(), strict=True)]
        known = {pair: score for pair, score in given.items() if pair[side] == row and pair[1 - side] >= 40}
        assert sorted(found) == sorted(known.values(), reverse=True)[:3][::-1]
        scale = data.scales["edge"]
        assert inter.prior[own].tolist() == pytest.approx(
            [(score - scale.mean[0].item()) / scale.deviation[0].item() for score in found], abs=1e-5
        )
    assert data.edge_dim == task(None).edge_dim + 1 == inter.edge_attr.shape[1]


def test_what_is_not_listed_ranks_behind_in_the_generators_order() -> None:
    data, plain = task(listing()), task(None, top_k=1)
    view = data.views("test")[0]
    rows, base = view.queries["source"], view.base["target"]
    order = plain.views("test")[0].scores("source", view.look("source", rows))
    ranked, listed = Listed.of(listing(), ROWS).ahead(order, "source", rows, base)
    assert torch.equal(ranked[~listed], order[~listed].double())
    assert listed.any(1).tolist() == [row != 5 for row in range(20)] and ranked[listed].min() > ranked[~listed].max()
    (graph,) = (graph for graph in graphs(data) if graph[INTER].asks[:, 0].any())
    lost = graph["source"].missed[graph["source"].n_id == 45]
    assert lost[lost >= 0].tolist() == [int((order[5] > order[5, 5]).sum()) + 1]  # as if there were no list


def test_a_batch_of_queries_without_a_candidate_counts_as_missed() -> None:
    data = task(listing(), batch_size=1)
    network = RRNetModule(
        data.source_dim, data.target_dim, data.edge_dim, 4, ["inter", "pair", "inter"],
        support_dim=data.support_dim, prior=True, objective=RankingObjective(),
    ).eval()  # fmt: skip
    empty = [graph for graph in graphs(data) if not graph[INTER].supervised.any()]
    assert len(empty) == 1 + 10  # source 45, and the targets without
    logits = network(empty[0])
    assert logits.shape == (empty[0][INTER].edge_index.shape[1],)
    asked = asked_of(empty[0], torch.float32)
    assert network.objective.loss(logits[:0], asked) == 0 and len(asked.missed[0]) == 1
    metrics = network.metrics["test"]
    network.log = lambda *args, **options: None  # type: ignore[method-assign]
    network.test_step(empty[0], 0)
    assert metrics["source/candidate_recall"].compute() == 0  # type: ignore[index]


def test_known_pairs_that_are_not_listed_have_the_lowest_score() -> None:
    found = Listed.of(Scores(torch.tensor([[2, 0], [1, 1]]), torch.tensor([3.0, -5.0])), 4)
    assert found.column(torch.tensor([0, 2, 2]), torch.tensor([1, 1, 2])).tolist() == [-5, 3, -5]


def test_a_list_without_what_training_asks_is_refused() -> None:
    with pytest.raises(DataError, match="scores_path: found no candidate of what the first fold of training asks"):
        task(listing(GRID[0] >= 40))


def test_new_sources_are_refused() -> None:
    data = task(listing())
    with pytest.raises(DataError, match="predict_path: found new sources with scores_path"):
        data.ask(data.tables["source"][:2])
