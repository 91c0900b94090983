"""Peers that learn nothing: what they read, and that they are what they are called. And RR-Net without some columns."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from benchmarks.tables import tasks
from benchmarks.tables.models import Without, columns, graphs
from benchmarks.tables.peers import OTHERS, PEERS, ends, expanded, inverted_softmax, k_reciprocal, self_trained
from rrnet_lightning.candidates.retrieval import CCA
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER
from tests.benchmarks.test_tables import small

RELATIONS = Bridges(neighbours=4, hubness=3, supports=2, classes=True)


@pytest.fixture(scope="module")
def data() -> TablesDataModule:
    return tasks.split(tasks.Task(small, 60, 6, {"generator": CCA(), "relations": RELATIONS, "top_k": 5}), 0)


@pytest.mark.parametrize("name", PEERS)
def test_only_those_that_say_so_read_other_queries(name: str, data: TablesDataModule) -> None:
    (view,) = data.views("test")
    queries = view.queries | {"source": view.queries["source"][:15]}
    found, alone = (PEERS[name].scores(data, each)["source"] for each in (view, replace(view, queries=queries)))
    assert torch.allclose(found[:15], alone, atol=1e-5) == (OTHERS not in PEERS[name].uses)


def test_expansion_adds_partners_by_hand() -> None:
    """Of cosines 1, .6 and 0 the two largest count, squared: [1, 0] + 1 · [0, 1] + .36 · [1, 0]."""
    known, partners = torch.tensor([[1.0, 0], [0, 1], [0.6, 0.8]]), torch.tensor([[0.0, 1], [-1, 0], [1, 0]])
    wanted = torch.nn.functional.normalize(torch.tensor([[1.36, 1.0]]), dim=1)
    torch.testing.assert_close(expanded(torch.tensor([[1.0, 0]]), known, partners, k=2, alpha=2), wanted)


def test_inverted_softmax_is_a_share_among_known_rows(data: TablesDataModule) -> None:
    (view,) = data.views("test")
    (query, base), bank = ends(view, "source"), view.reference.halves["source"].vectors[-1]
    wanted = (query @ base.T / 0.1).exp() / (bank @ base.T / 0.1).exp().sum(0)
    torch.testing.assert_close(inverted_softmax(view, "source", 0.1).exp(), wanted)


def plain_k_reciprocal(rows: Tensor, queries: int, k1: int, k2: int, share: float) -> Tensor:
    """The published procedure, row by row."""
    distance = 2 - 2 * rows @ rows.T
    distance = distance / distance.max(1, keepdim=True).values
    order = distance.argsort(1).tolist()

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in order[i][: k + 1] if i in order[j][: k + 1]}

    weight = torch.zeros_like(distance)
    for i in range(len(rows)):
        near = mutual(i, k1)
        halves = [mutual(j, round(k1 / 2)) for j in near]
        more = set().union(near, *(half for half in halves if len(half & near) > 2 / 3 * len(half)))
        for j in more:
            weight[i, j] = (-distance[i, j]).exp()
    weight /= weight.sum(1, keepdim=True)
    weight = torch.stack([weight[order[i][:k2]].mean(0) for i in range(len(rows))])
    shared = torch.minimum(weight[:queries, None], weight[None, queries:]).sum(2)
    return (1 - share) * (1 - shared / (2 - shared)) + share * distance[:queries, queries:]


def test_k_reciprocal_is_that_of_a_loop(data: TablesDataModule) -> None:
    """Less a constant, and the larger the better."""
    (view,) = data.views("test")
    query, base = ends(view, "source")
    wanted = plain_k_reciprocal(torch.cat([query, base]), len(query), 8, 3, 0.3)
    torch.testing.assert_close(0.7 - k_reciprocal(view, "source", 8, 3, 0.3), wanted)


def test_self_training_without_a_round_is_csls(data: TablesDataModule) -> None:
    (view,) = data.views("test")
    for side, scores in PEERS["csls-test"].scores(data, view).items():
        torch.testing.assert_close(self_trained(data, view, rounds=0)[side], scores)
        assert not torch.allclose(self_trained(data, view, rounds=1)[side], scores, atol=1e-3)


def test_what_is_left_out_is_not_read(data: TablesDataModule) -> None:
    data.setup()
    model, graph = Without(data, "hubness").eval(), next(iter(graphs(data, "test")))
    edge, node = columns(data.relations)
    assert len(edge) == data.edge_dim and len(node) == data.source_dim
    before = model(graph)
    for name, read in (("hubness", False), ("bridge", True)):
        at = edge.index(name)
        graph[INTER].edge_attr[:, at] += 1
        assert torch.equal(model(graph), before) != read
