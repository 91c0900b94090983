"""The contract: every breach has its error; batches of graphs keep it."""

from collections.abc import Callable

import pytest
import torch
from torch_geometric.data import Batch, HeteroData

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.build import build_graph
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA, validate


def graph(shift: float = 0.0) -> HeteroData:
    """3 sources, 2 targets, 4 candidate pairs, every optional field."""
    return build_graph(
        torch.arange(6.0).view(3, 2) + shift,
        torch.arange(8.0).view(2, 4) + shift,
        torch.tensor([[0, 0, 1, 2], [0, 1, 1, 0]]),
        source_intra=torch.tensor([[0, 2, 1], [1, 0, 2]]),
        target_intra=torch.tensor([[0, 1], [1, 0]]),
        edge_attr=torch.tensor([[1.0], [0.0], [2.0], [0.0]]),
        prior=torch.zeros(4),
        visible=torch.tensor([True, False, True, False]),
        supervised=torch.tensor([False, True, False, False]),
    )


def _set(store: str | tuple[str, str, str], key: str, value: object) -> Callable[[HeteroData], None]:
    return lambda data: data[store].__setitem__(key, value)


def _drop(store: str | tuple[str, str, str], key: str) -> Callable[[HeteroData], None]:
    return lambda data: data[store].__delitem__(key)


NAN = torch.tensor([[1.0, 2.0], [float("nan"), 1.0], [float("inf"), 0.0]])
BREACHES = [
    (_drop(SOURCE, "x"), r"source\.x: found nothing, wanted float \[\*, \*\]"),
    (_set(SOURCE, "x", [1.0]), r"source\.x: found list, wanted float"),
    (_set(SOURCE, "x", torch.zeros(3, 2).long()), r"source\.x: found int64 \[3, 2\], wanted float"),
    (_set(TARGET, "x", torch.zeros(3)), r"target\.x: found float32 \[3\], wanted float \[\*, \*\]"),
    (_set(SOURCE, "x", NAN), r"source\.x: found 2 NaN or inf, first in row 1, wanted finite values"),
    (_set(TARGET, "n_id", torch.arange(3)), r"target\.n_id: found int64 \[3\], wanted long \[2\]"),
    (_drop(SOURCE_INTRA, "edge_index"), r"source-intra-source\.edge_index: found"),
    (_set(SOURCE_INTRA, "edge_index", torch.zeros(2, 1)), r"edge_index: found float32 \[2, 1\], wanted long \[2, \*\]"),
    (
        _set(TARGET_INTRA, "edge_index", torch.tensor([[0], [2]])),
        r"target-intra.* row 1: found 2 at \[0\], wanted 0 <=",
    ),
    (_set(SOURCE_INTRA, "edge_index", torch.tensor([[-1], [2]])), r"source-intra.* row 0: found -1 at \[0\]"),
    (
        _set(SOURCE_INTRA, "edge_index", torch.tensor([[0, 1], [1, 0]])),
        r"fall after edge 0, wanted .* receiver \(row 1\)",
    ),
    (
        _set(INTER, "edge_index", torch.tensor([[0, 2, 1, 2], [0, 0, 0, 1]])),
        r"fall after edge 1, wanted .* source \(row 0\)",
    ),
    (
        _set(INTER, "edge_index", torch.tensor([[0, 1, 2, 3], [0, 0, 0, 1]])),
        r"inter.* row 0: found 3 at \[3\], wanted 0 <=",
    ),
    (_set(INTER, "message", torch.ones(4)), r"message: found float32 \[4\], wanted bool \[4\]"),
    (_set(INTER, "message", torch.ones(4, 3).bool()), r"message: found bool \[4, 3\], wanted bool \[4, 2\]"),
    (_drop(INTER, "message"), r"message: found nothing"),
    (_set(INTER, "supervised", torch.ones(3).bool()), r"supervised: found bool \[3\], wanted bool \[4\]"),
    (_set(INTER, "y", torch.ones(4).long()), r"\.y: found int64 \[4\], wanted float \[4\]"),
    (_set(INTER, "y", torch.full((4,), float("nan"))), r"\.y where supervised: found 1 NaN or inf, first in row 1"),
    (_set(INTER, "edge_attr", torch.ones(4)), r"edge_attr: found float32 \[4\], wanted float \[4, \*\]"),
    (_set(INTER, "edge_attr", torch.full((4, 1), float("inf"))), r"edge_attr: found 4 NaN or inf, first in row 0"),
    (_set(INTER, "prior", torch.ones(4, 1)), r"prior: found float32 \[4, 1\], wanted float \[4\]"),
    (_set(INTER, "visible", torch.ones(4)), r"visible: found float32 \[4\], wanted bool \[4\]"),
    (
        _set(INTER, "visible", torch.ones(4).bool()),
        r"found 1 edges both visible and supervised, first edge 1, wanted none",
    ),
    (
        _set(INTER, "edge_index", torch.tensor([[0, 0, 2, 2], [0, 1, 1, 1]])),
        r"found \(2, 1\) more than once, wanted each",
    ),
    (_set(INTER, "edge_index", torch.tensor([[0, 0, 0, 2], [1, 0, 1, 1]])), r"found \(0, 1\) more than once"),
    (_set(INTER, "prior", torch.ones(4).half()), r"prior: found float16, wanted float32, as source\.x"),
    (_set(INTER, "relevant", torch.ones(4)), r"relevant: found float32 \[4\], wanted bool \[4\]"),
    (_set(INTER, "asks", torch.ones(4).bool()), r"asks: found bool \[4\], wanted bool \[4, 2\]"),
    (_set(INTER, "asks", torch.zeros(4, 2).bool()), r"asks: found 1 supervised edges that no end asks, first edge 1"),
    (_set(TARGET, "missed", torch.zeros(2).long()), r"target\.missed: found int64 \[2\], wanted long \[2, \*\]"),
    (_set(SOURCE, "missed_class", torch.zeros(3, 1)), r"source\.missed_class: found float32 \[3, 1\], wanted long"),
    (_set(TARGET, "x", torch.ones(2, 4).double()), r"target\.x: found float64, wanted float32, as source\.x"),
]


@pytest.mark.parametrize(("spoil", "message"), BREACHES)
def test_breach_is_named(spoil: Callable[[HeteroData], None], message: str) -> None:
    data = graph()
    spoil(data)
    with pytest.raises(GraphError, match=message):
        validate(data)


def test_missing_stores_are_named() -> None:
    with pytest.raises(GraphError, match="source: found no such node store"):
        validate(HeteroData())
    data = graph()
    del data[TARGET_INTRA]
    with pytest.raises(GraphError, match=r"target-intra-target\.edge_index: found no such edge store"):
        validate(data)


def test_unsupervised_y_and_asks_extra_fields_and_a_message_for_each_end_are_free() -> None:
    data = graph()
    data[INTER].y = torch.tensor([float("nan"), 1.0, float("nan"), float("nan")])
    data[SOURCE].name = ["a", "b", "c"]
    data[INTER].message = torch.ones(4, 2).bool()
    data[INTER].asks = torch.tensor([[False, False], [False, True], [False, False], [False, False]])
    data[TARGET].missed = torch.tensor([[-1, -1], [3, -1]])
    validate(data)
    assert data[SOURCE].name == ["a", "b", "c"]


def test_batch_of_graphs_keeps_the_contract() -> None:
    graphs = [graph(), graph(10.0), graph(20.0)]
    batch = Batch.from_data_list(graphs)
    validate(batch)
    assert batch[SOURCE].x.tolist() == torch.cat([g[SOURCE].x for g in graphs]).tolist()
    assert batch[SOURCE].n_id.tolist() == [0, 1, 2] * 3
    offsets = torch.tensor([[3], [2]])
    expected = torch.cat([g[INTER].edge_index + i * offsets for i, g in enumerate(graphs)], dim=1)
    assert torch.equal(batch[INTER].edge_index, expected)
    expected = torch.cat([g[SOURCE_INTRA].edge_index + 3 * i for i, g in enumerate(graphs)], dim=1)
    assert torch.equal(batch[SOURCE_INTRA].edge_index, expected)
