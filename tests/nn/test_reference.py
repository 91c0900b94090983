"""RRNet against loops over nodes and edges."""

from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.nn.rrnet import PAPER_IMAGE_SOCIAL
from tests.graphs import random_graph
from tests.nn.reference import assert_close, network, reference

OPTIONS: list[dict[str, Any]] = [
    {},
    {"units": PAPER_IMAGE_SOCIAL},
    {"units": ["inter", "inter"], "edge_dim": 0},
    {"units": PAPER_IMAGE_SOCIAL, "kernel": "bilinear", "aggregation": "sum", "norm": True},
    {"units": PAPER_IMAGE_SOCIAL, "kernel": "concat", "residual": True, "prior": True},
    {"units": PAPER_IMAGE_SOCIAL, "kernel": "concat", "edge_state": False, "edge_dim": 0, "norm": True},
    {"units": PAPER_IMAGE_SOCIAL, "kernel": "bilinear", "edge_state": False, "residual": True},
    {"units": ["inter"], "residual": True, "prior": True, "linear": True},
    {"units": ["intra", "intra", "inter"], "edge_state": False, "edge_dim": 0, "aggregation": "sum", "prior": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_network_computes_the_equations(options: dict[str, Any]) -> None:
    data, net = random_graph(), network(**options)
    expected = reference(net.state_dict(), data, **options)
    assert expected.std() > 1e-3
    assert_close(net(data), expected)


def silent() -> HeteroData:
    """No message reaches any node, over intra or inter edges."""
    data = random_graph(source_intra=0, target_intra=0)
    data[INTER].message = torch.zeros(20).bool()
    return data


def sparse() -> HeteroData:
    """Sources without a candidate, and with a single one."""
    data = random_graph(pairs=6)
    assert {0, 1} <= set(data[INTER].edge_index[0].bincount(minlength=8).tolist())
    return data


def one_sided() -> HeteroData:
    """Edges that tell both ends, the source, the target, or neither."""
    data = random_graph()
    data[INTER].message = torch.rand(20, 2, generator=torch.Generator().manual_seed(0)) < 0.5
    return data


EDGE_CASES = {
    "one-sided": one_sided(),
    "silent": silent(),
    "sparse": sparse(),
    "no intra edges": random_graph(source_intra=0, target_intra=0),
    "no inter edges": random_graph(pairs=0),
    "one node each": random_graph(num_sources=1, num_targets=1, pairs=1),
}


@pytest.mark.parametrize("case", EDGE_CASES)
@pytest.mark.parametrize("aggregation", ["mean", "sum"])
def test_missing_edges(case: str, aggregation: str) -> None:
    data, net = EDGE_CASES[case], network(units=PAPER_IMAGE_SOCIAL, aggregation=aggregation)
    expected = reference(net.state_dict(), data, units=PAPER_IMAGE_SOCIAL, aggregation=aggregation)
    logits = net(data)
    assert logits.shape == (data[INTER].num_edges,) and logits.isfinite().all()
    assert_close(logits, expected)
