"""The linear map of a concatenation, and the mean over edges."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rrnet_lightning.nn.ops import MLP, Aggregation, ConcatLinear, aggregate
from tests.nn.reference import assert_close


def inputs() -> tuple[list[Tensor], Tensor, Tensor]:
    """Edge rows [7, 4], rows of 3 and 5 nodes, [3, 2] and [5, 6], and the node of each of the 7 edges."""
    rng = torch.Generator().manual_seed(0)
    rows = [
        torch.randn(shape, generator=rng, dtype=torch.double, requires_grad=True) for shape in ((7, 4), (3, 2), (5, 6))
    ]
    return rows, torch.randint(3, (7,), generator=rng), torch.randint(5, (7,), generator=rng)


def values(forward: Callable[[list[Tensor], Tensor, Tensor], Tensor], parameters: list[nn.Parameter]) -> list[Tensor]:
    """The output, and the gradients of a curved function of it with respect to inputs and parameters."""
    rows, first, second = inputs()
    out = forward(rows, first, second)
    return [out, *torch.autograd.grad(out.sin().sum(), [*rows, *parameters])]


def parts(rows: list[Tensor], i: Tensor, j: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    return rows[0], (rows[1], i), (rows[2], j)


def concatenated(rows: list[Tensor], i: Tensor, j: Tensor) -> Tensor:
    return torch.cat([rows[0], rows[1][i], rows[2][j]], dim=1)


def test_concat_linear_is_the_linear_map_of_the_concatenation() -> None:
    ours, literal = ConcatLinear([4, 2, 6], 3).double(), nn.Linear(12, 3).double()
    literal.load_state_dict(ours.state_dict())
    found = values(lambda *args: ours(*parts(*args)), list(ours.parameters()))
    expected = values(lambda *args: literal(concatenated(*args)), list(literal.parameters()))
    assert_close(found, expected)


@pytest.mark.parametrize("norm", [False, True])
def test_mlp_is_the_mlp_of_the_concatenation(norm: bool) -> None:
    ours = MLP([4, 2, 6], 8, 3, norm=norm).double()
    literal = nn.Sequential(
        nn.Linear(12, 8), nn.LayerNorm(8) if norm else nn.Identity(), nn.ReLU(), nn.Linear(8, 3)
    ).double()
    for a, b in zip(literal.parameters(), ours.parameters(), strict=True):
        a.data.copy_(b.data)
    found = values(lambda *args: ours(*parts(*args)), list(ours.parameters()))
    expected = values(lambda *args: literal(concatenated(*args)), list(literal.parameters()))
    assert_close(found, expected)


def test_aggregate_by_hand() -> None:
    edges, node = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.tensor([2, 0, 2])
    assert aggregate(edges, node, 4).tolist() == [[3, 4], [0, 0], [3, 4], [0, 0]]
    assert aggregate(edges, node, 4, how="sum").tolist() == [[3, 4], [0, 0], [6, 8], [0, 0]]
    message = torch.tensor([False, False, True])
    assert aggregate(edges, node, 3, message).tolist() == [[0, 0], [0, 0], [5, 6]]
    assert aggregate(edges, node, 3, message, "sum").tolist() == [[0, 0], [0, 0], [5, 6]]


@pytest.mark.parametrize("state", [float("inf"), float("nan")])
def test_the_state_of_an_edge_without_message_reaches_no_node(state: float) -> None:
    edges = torch.tensor([[1.0, 2.0], [state, -state], [5.0, 6.0]], requires_grad=True)
    node, message = torch.tensor([0, 0, 0]), torch.tensor([True, False, True])
    found = aggregate(edges, node, 1, message)
    (gradient,) = torch.autograd.grad(found.sum(), edges)
    assert found.tolist() == [[3, 4]] and gradient.tolist() == [[0.5, 0.5], [0, 0], [0.5, 0.5]]


def test_reductions_of_bfloat16_run_in_float32() -> None:
    edges, node = torch.ones(1000, 2, dtype=torch.bfloat16), torch.zeros(1000, dtype=torch.long)
    wanted: list[tuple[Aggregation, int]] = [("sum", 1000), ("mean", 1)]  # counting in bfloat16 stops at 256
    for how, expected in wanted:
        total = aggregate(edges, node, 1, how=how)
        assert total.dtype == torch.bfloat16 and total.tolist() == [[expected, expected]]
