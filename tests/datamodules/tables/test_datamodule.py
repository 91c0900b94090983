"""Two tables: what a batch shows, what it asks, and what it must not depend on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.retrieval import CCA
from rrnet_lightning.candidates.retrieval.space import Space
from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.matching import joining, self_training
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER, PAIR, SUPPORT
from tests.datamodules.tables.two_tables import ROWS, TEST, graphs, said, task
from tests.fake import write_tables


@pytest.fixture
def tables(tmp_path: Path) -> list[Tensor]:
    write_tables(tmp_path, ROWS)
    return [torch.from_numpy(np.load(tmp_path / f"{name}.npy")) for name in ("source", "target")]


def test_arrays_are_tables_without_names(tables: list[Tensor]) -> None:
    rows = np.stack([np.arange(ROWS)] * 2)
    one = TablesDataModule.of(tables[0].numpy(), tables[1], rows)
    pairs = as_pairs(rows, num_sources=ROWS, num_targets=ROWS)
    two = TablesDataModule.of(as_features(tables[0]), as_features(tables[1]), pairs)
    assert torch.equal(one.tables["source"], two.tables["source"]) and torch.equal(one.part, two.part)
    with pytest.raises(DataError, match="pairs"):
        TablesDataModule.of(tables[0], tables[1], rows[:1])


def test_all_folds_are_fitted_once_to_fit(tables: list[Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """And to test the first alone: its scales are the same."""
    fits, fit = [], CCA.fit_rows

    def counted(*given: Any) -> Space:
        fits.append(given)
        return fit(*given)

    monkeypatch.setattr(CCA, "fit_rows", counted)
    scales = []
    for stage, wanted in (("fit", 4), ("test", 1)):
        data = task(tables, stage=stage)
        scales.append(data.scales["edge"](torch.ones(1, data.edge_dim - 2)))
        assert len(fits) == wanted
        fits.clear()
    assert torch.equal(*scales)


def rows_of(graph: HeteroData, edges: Tensor) -> set[tuple[int, int]]:
    """Pairs of rows of some inter-edges."""
    source, target = graph[INTER].edge_index[:, edges]
    rows = zip(graph["source"].n_id[source].tolist(), graph["target"].n_id[target].tolist(), strict=True)
    return set(rows)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("mode", "same"), [("inductive", True), ("transductive", False)])
def test_what_is_said_of_a_query_depends_on_other_queries_in_transductive_mode_alone(
    tables: list[Tensor], side: int, mode: Any, same: bool
) -> None:
    changed = [table.clone() for table in tables]
    changed[side][95:120] = changed[side][95:120].flip(1) + 0.5
    row = 91
    before, after = said(task(tables, mode=mode), side, row), said(task(changed, mode=mode), side, row)
    assert len(before) == 6 and (before == after) is same


def test_asked_answers_reach_no_input(tables: list[Tensor]) -> None:
    partner = torch.arange(ROWS)
    partner[90:] = partner[90:].roll(7)
    for one, other in zip(graphs(task(tables)), graphs(task(tables, partner)), strict=True):
        assert not torch.equal(one[INTER].y, other[INTER].y)
        for store in (*one.node_types, *one.edge_types):
            for name, value in one[store].items():
                if isinstance(value, Tensor) and name not in ("y", "missed"):
                    assert torch.equal(value, other[store][name]), (store, name)


@pytest.mark.parametrize("stage", ["train", "val", "test"])
def test_only_pairs_known_in_the_stage_speak(tables: list[Tensor], stage: Any) -> None:
    data = task(tables)
    for graph, (view, _) in zip(graphs(data, stage), Blocks(data, stage).blocks, strict=True):
        inter = graph[INTER]
        speak = inter.visible.nonzero().squeeze(1)
        known = set(map(tuple, view.reference.pairs.T.tolist()))
        assert len(speak) and rows_of(graph, inter.visible) <= known
        assert not known & set(map(tuple, view.truth.T.tolist()))
        assert set(graph[SUPPORT].edge_index[0].tolist()) == set(speak.tolist())
        assert inter.supervised[graph[SUPPORT].edge_index[1]].all() and not inter.message[speak].any()
        assert graph[PAIR].num_nodes == inter.edge_index.shape[1]


def test_candidates_are_the_best_of_the_generator_and_the_rest_ranks_behind(tables: list[Tensor]) -> None:
    data = task(tables, order="cosine")
    view = data.views("test")[0]
    space = data.generator.fit(
        data.tables["source"], data.tables["target"], view.reference.pairs, torch.ones(90), seed=0
    )
    scores = space.source(data.tables["source"])[90:] @ space.target(data.tables["target"])[90:].T
    ranks = (scores > scores.diagonal()[:, None]).sum(1) + 1
    graph = graphs(data)[0]
    source = graph["source"].n_id[graph[INTER].edge_index[0]]
    target = graph["target"].n_id[graph[INTER].edge_index[1]]
    for row in range(30):
        own = graph[INTER].asks[:, 0] & (source == 90 + row)
        assert sorted((target[own] - 90).tolist()) == sorted(scores[row].topk(6).indices.tolist())
        missed = graph["source"].missed[graph["source"].n_id == 90 + row].reshape(-1)
        assert [rank for rank in missed.tolist() if rank > 0] == ([int(ranks[row])] if ranks[row] > 6 else [])


@pytest.mark.parametrize(("split", "sides"), [("sources", [0]), ("targets", [1]), ("pairs", [0, 1]), ("both", [0, 1])])
def test_what_is_new_asks_and_known_partners_are_no_candidates(
    tables: list[Tensor], split: Any, sides: list[int]
) -> None:
    rows = torch.arange(ROWS)
    index = torch.cat([torch.stack([rows, rows]), torch.stack([rows[::2], rows[::2] + 1])], 1)  # two rows a component
    pairs = as_pairs(index, num_sources=ROWS, num_targets=ROWS)
    data = TablesDataModule.of(as_features(tables[0]), as_features(tables[1]), pairs, split=split, top_k=5, folds=3)
    data.setup()
    found = graphs(data)
    assert [graph[INTER].asks.any(0).nonzero().squeeze(1).tolist() for graph in found] == [[side] for side in sides]
    known = set(map(tuple, data.views("test")[0].reference.pairs.T.tolist()))
    for graph in found:
        assert not rows_of(graph, graph[INTER].supervised) & known
    if split == "both":
        truth = data.views("test")[0].truth
        assert not any({s, t} & {end for pair in known for end in pair} for s, t in truth.T.tolist())


def test_unlabelled_rows_ask_in_training_too(tables: list[Tensor]) -> None:
    data = task(tables, mode="transductive", unlabelled=True)
    for view in data.views("train"):
        known, asked = (set(pairs[0].tolist()) for pairs in (view.reference.pairs, view.truth))
        assert set(view.queries["source"].tolist()) == set(range(ROWS)) - known == asked | set(range(80, ROWS))
        assert torch.equal(view.queries["source"], view.base["source"])
    assert data.views("test")[0].base["target"].tolist() == list(TEST)


def test_the_generator_trains_itself_without_the_pairs_of_the_fold(tables: list[Tensor]) -> None:
    data = task(tables, mode="transductive", self_training=2)
    one, two = data.tables["source"], data.tables["target"]
    for view in data.views("train"):
        space = self_training(data.generator, one, two, view.pairs, rounds=2)
        torch.testing.assert_close(view.look("source", torch.arange(5)).vectors[-1], space.source(one[:5]))
        joined = joining(space, one, two, view.pairs)
        assert joined.shape[1] and torch.equal(view.reference.pairs, torch.cat([view.pairs, joined], 1))
        assert not (joined[:, :, None] == view.pairs[:, None]).any()
    assert all(graph[SUPPORT].edge_index.shape[1] for graph in graphs(data, "train"))


def test_classes_of_known_rows_vote_and_make_pairs_relevant(tables: list[Tensor]) -> None:
    classes = Labels(("a", "b", "c"), torch.nn.functional.one_hot(torch.arange(ROWS) % 3, 3).bool())
    relations = Bridges(neighbours=4, hubness=4, supports=2, classes=True)
    data = task(tables, relations=relations, labels={"source": classes, "target": classes})
    assert data.edge_dim == task(tables).edge_dim + 2
    graph = graphs(data)[0]
    inter = graph[INTER]
    same = graph["source"].n_id[inter.edge_index[0]] % 3 == graph["target"].n_id[inter.edge_index[1]] % 3
    assert torch.equal(inter.relevant[inter.supervised], same[inter.supervised])
    with pytest.raises(DataError, match=r"relations.classes: found true without labels"):
        task(tables, relations=relations)


def test_batches_of_some_queries_say_what_one_of_all_says(tables: list[Tensor]) -> None:
    whole, parts = said(task(tables), 0, 100), said(task(tables, batch_size=7), 0, 100)
    assert whole.keys() == parts.keys()
    assert all(whole[row] == pytest.approx(parts[row], abs=1e-4) for row in whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k: found 0, wanted at least 1"),
        ({"folds": 1}, "folds: found 1, wanted at least 2"),
        ({"folds": 81}, "folds: found 81, wanted at most 80"),
        ({"batch_size": 0}, "batch_size: found 0"),
        ({"self_training": -1}, "self_training: found -1, wanted at least 0"),
        ({"self_training": 1}, "self_training: found it with mode inductive, wanted transductive"),
        ({"unlabelled": True}, "unlabelled: found it with mode inductive, wanted transductive"),
    ],
)
def test_options_out_of_range_are_named(tables: list[Tensor], options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        task(tables, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighbours": 0}, "relations.neighbours: found 0, wanted at least 1"),
        ({"temperature": 0.0}, "relations.temperature: found 0.0, wanted more than 0"),
        ({"supports": 11}, "relations.supports: found 11, wanted at most 10"),
    ],
)
def test_relations_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Bridges(**options)
