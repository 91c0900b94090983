"""Pair units: inter-edges that hear inter-edges."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.schema import INTER, PAIR, SUPPORT, validate
from rrnet_lightning.nn.layers import Options, PairLayer
from rrnet_lightning.nn.rrnet import RRNet
from tests.graphs import EDGE_DIM, random_graph

SUPPORT_DIM = 3


def supported_graph(seed: int = 0, supports: int = 30) -> HeteroData:
    """A random graph whose pairs support each other at random."""
    data = random_graph(seed)
    rng = torch.Generator().manual_seed(seed)
    pairs = data[INTER].edge_index.shape[1]
    index = torch.randint(pairs, (2, supports), generator=rng)
    data[PAIR].num_nodes = pairs
    data[SUPPORT].edge_index = index[:, index[1].argsort(stable=True)]
    data[SUPPORT].edge_attr = torch.randn(supports, SUPPORT_DIM, generator=rng).double()
    validate(data)
    return data


def network(units: list[Any], **options: Any) -> RRNet:
    torch.manual_seed(0)
    return RRNet(4, 3, EDGE_DIM, 8, units, support_dim=SUPPORT_DIM, **options).double()


def by_hand(layer: PairLayer, edges: Tensor, index: Tensor, attr: Tensor) -> Tensor:
    """The equations of the layer, one pair and one head at a time."""
    new = []
    for edge in range(len(edges)):
        heard = [i for i in range(index.shape[1]) if index[1, i] == edge]
        said = torch.stack(
            [layer.message(edges[index[0, i]][None], edges[edge][None], attr[i][None])[0] for i in heard]
            or [edges.new_zeros(layer.heads * (layer.width + 1))]
        )
        parts = []
        for head in range(layer.heads):
            weight = said[:, layer.heads * layer.width + head].softmax(0) if heard else torch.zeros(1).double()
            parts.append((weight[:, None] * said[:, head * layer.width : (head + 1) * layer.width]).sum(0))
        new.append(layer.update(edges[edge][None], torch.cat(parts)[None])[0])
    return torch.stack(new)


@pytest.mark.parametrize("residual", [False, True])
def test_a_pair_hears_the_weighted_sum_of_what_others_say(residual: bool) -> None:
    torch.manual_seed(0)
    layer = PairLayer(8, SUPPORT_DIM, Options(residual=residual), heads=2).double()
    edges = torch.randn(5, 8).double()
    index, attr = torch.tensor([[1, 2, 0, 4, 1], [0, 0, 0, 2, 3]]), torch.randn(5, SUPPORT_DIM).double()
    expected = by_hand(layer, edges, index, attr) + (edges if residual else 0)
    assert torch.allclose(layer(edges, index, attr), expected, atol=1e-12)


@pytest.mark.parametrize("units", [["inter", "pair"], ["pair", "inter"], ["intra", "inter", "pair", "inter", "pair"]])
def test_gradients_reach_every_parameter(units: list[Any]) -> None:
    net = network(units)
    net(supported_graph()).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


def test_a_pair_reaches_those_it_supports_alone() -> None:
    """With one inter unit nothing else carries what one edge holds to another."""
    data, net = supported_graph(), network(["inter", "pair"])
    before = net(data)
    data[INTER].edge_attr[3] += 1
    changed = (net(data) != before).nonzero().squeeze(1)
    hears = data[SUPPORT].edge_index[1, data[SUPPORT].edge_index[0] == 3]
    assert sorted(set(changed.tolist())) == sorted({3, *hears.tolist()})


def test_a_batch_equals_its_graphs_run_apart() -> None:
    graphs, net = [supported_graph(seed) for seed in range(3)], network(["inter", "pair", "inter"])
    batch = Batch.from_data_list(graphs)
    validate(batch)
    assert torch.allclose(net(batch), torch.cat([net(graph) for graph in graphs]), atol=1e-12)


def test_hops_count_units_that_update_nodes() -> None:
    assert network(["intra", "inter", "pair", "inter", "pair"]).hops == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[PAIR].__setitem__("num_nodes", 3), "pair.num_nodes: found 3, wanted 20"),
        (lambda data: data[SUPPORT].edge_index.add_(20), "pair-support-pair.edge_index"),
        (
            lambda data: data[SUPPORT].__setitem__("edge_index", data[SUPPORT].edge_index.flip(1)),
            "sorted by the pair that hears",
        ),
        (lambda data: data[SUPPORT].edge_attr.fill_(torch.nan), "pair-support-pair.edge_attr: found 90 NaN"),
        (
            lambda data: data[SUPPORT].__setitem__("edge_attr", data[SUPPORT].edge_attr.float()),
            "pair-support-pair.edge_attr: found float32, wanted float64",
        ),
    ],
)
def test_breach_is_named(spoil: Any, message: str) -> None:
    data = supported_graph()
    spoil(data)
    with pytest.raises(GraphError, match=message):
        validate(data)


def test_graphs_without_supports_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="units: found 'pair' for graphs without support"):
        RRNet(4, 3, EDGE_DIM, 8, ["inter", "pair"])
    with pytest.raises(ValueError, match="units: found 'pair' first with edge_state and residual off"):
        network(["pair", "inter"], edge_state=False)
