"""The same numbers, to the precision asked, in narrower types and compiled."""

import shutil
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from rrnet_lightning.nn.rrnet import PAPER_IMAGE_SOCIAL, RRNet
from tests.graphs import random_graph
from tests.nn.reference import assert_close, network

OPTIONS: list[dict[str, Any]] = [
    {"units": PAPER_IMAGE_SOCIAL, "kernel": "hadamard"},
    {"units": PAPER_IMAGE_SOCIAL, "kernel": "bilinear", "residual": True, "norm": True},
    {"units": PAPER_IMAGE_SOCIAL, "kernel": "concat", "aggregation": "sum", "prior": True},
]


def graph(dtype: torch.dtype) -> HeteroData:
    return random_graph(0, 20, 15, pairs=100, source_intra=60, target_intra=50, dtype=dtype)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("mode", ["float32", "bfloat16", "autocast"])
def test_narrow_types_stay_close_to_float64(options: dict[str, Any], mode: str) -> None:
    net = network(hidden_dim=16, **options)
    expected = net(graph(torch.double))
    dtype = torch.bfloat16 if mode == "bfloat16" else torch.float32
    with torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"):
        found = net.to(dtype)(graph(dtype))
    assert found.isfinite().all()
    # Rounding errors of six layers deep in a row, beside the spread of the logits; 0.07 seen with bfloat16's 3 digits.
    error = (found.double() - expected).norm() / (expected - expected.mean()).norm()
    assert error < (1e-5 if mode == "float32" else 0.1)


def outcome(net: RRNet, data: HeteroData, forward: Any) -> list[Tensor]:
    """Logits, and the gradients of all parameters."""
    logits: Tensor = forward(data)
    return [logits, *torch.autograd.grad(logits.square().mean(), list(net.parameters()))]


@pytest.mark.slow
def test_traced_whole_equals_eager() -> None:
    """Forward and backward in one graph each, without breaks; a second batch of another size is traced as well."""
    net = network(kernel="bilinear", norm=True, residual=True, prior=True)
    torch.compiler.reset()
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    for batch in (random_graph(1), Batch.from_data_list([random_graph(2), graph(torch.double)])):
        assert_close(outcome(net, batch, compiled), outcome(net, batch, net))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs g++, which is not on the PATH")
def test_compiled_whole_equals_eager() -> None:
    net = network(prior=True)
    torch.compiler.reset()
    with torch.no_grad():
        assert_close(torch.compile(net, fullgraph=True)(graph(torch.double)), net(graph(torch.double)))
