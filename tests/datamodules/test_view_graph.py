import torch
from torch_geometric.data import HeteroData

from rrnet_lightning.datamodules.view_graph import side_by_side
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA, validate
from rrnet_lightning.nn.rrnet import RRNet
from tests.graphs import random_graph


def with_fields(pairs: int, shift: int) -> HeteroData:
    """A graph with fields of its own, whose nodes are not the first rows of the full data."""
    data = random_graph(pairs=pairs, dtype=torch.float)
    for store in (SOURCE, TARGET):
        data[store].n_id = torch.arange(len(data[store].x)) + shift
    data[SOURCE].place = data[SOURCE].x + shift
    data[SOURCE_INTRA].cosine = torch.rand(data[SOURCE_INTRA].edge_index.size(1))
    data[INTER].observed = torch.arange(pairs) % 2 == 0
    return data


def test_graphs_side_by_side_keep_every_field_and_share_no_edge() -> None:
    graphs = [with_fields(40, 0), with_fields(30, 3), with_fields(20, 5)]
    joined = side_by_side(graphs)
    validate(joined)
    assert type(joined) is HeteroData and {"batch", "ptr"}.isdisjoint(joined.to_dict()[SOURCE])
    ends = {SOURCE: 0, TARGET: 0}
    rows = {SOURCE_INTRA: 0, TARGET_INTRA: 0, INTER: 0}
    for graph in graphs:
        for edge_type in rows:
            count = graph[edge_type].edge_index.size(1)
            here = slice(rows[edge_type], rows[edge_type] + count)
            offset = torch.tensor([[ends[edge_type[0]]], [ends[edge_type[2]]]])
            assert joined[edge_type].edge_index[:, here].equal(graph[edge_type].edge_index + offset)
            for name in set(graph[edge_type]) - {"edge_index"}:
                assert joined[edge_type][name][here].equal(graph[edge_type][name])
            rows[edge_type] += count
        for node_type, first in ends.items():
            count = len(graph[node_type].x)
            for name in graph[node_type]:  # n_id as it was: it leads to the full data
                assert joined[node_type][name][first : first + count].equal(graph[node_type][name])
            ends[node_type] += count
    assert all(joined[edge_type].edge_index.size(1) == count for edge_type, count in rows.items())


def test_a_network_answers_each_graph_as_it_would_alone() -> None:
    graphs = [with_fields(40, 0), with_fields(30, 3)]
    torch.manual_seed(0)
    widths = [graphs[0][store].x.size(1) for store in (SOURCE, TARGET)]
    network = RRNet(widths[0], widths[1], units=("intra", "inter", "inter"))
    network.eval()
    alone = torch.cat([network(graph) for graph in graphs])
    assert torch.allclose(network(side_by_side(graphs)), alone, atol=1e-6)
