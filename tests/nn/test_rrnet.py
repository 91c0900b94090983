"""What holds for the network whatever its numbers: symmetry, locality, gradients, memory, graphs that do not fit."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.utils._python_dispatch import TorchDispatchMode
from torch_geometric.data import Batch, HeteroData

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.build import build_graph, given_pairs
from rrnet_lightning.graph.sample import NeighborSampler
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA
from rrnet_lightning.nn.rrnet import PAPER_IMAGE_SOCIAL, RRNet, State
from tests.graphs import EDGE_DIM, of_type, random_graph
from tests.nn.reference import assert_close, network

KERNELS = ["hadamard", "bilinear", "concat"]


class Shapes(TorchDispatchMode):
    """Records the shape of every tensor an operation returns."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        self.seen |= {
            tuple(t.shape) for t in (out if isinstance(out, tuple | list) else [out]) if isinstance(t, Tensor)
        }
        return out


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_edge_costs_at_most_hidden_dim_numbers(kernel: str) -> None:
    hidden, dim = 8, 20
    data = random_graph(
        0, 13, 11, pairs=97, source_intra=90, target_intra=70, source_dim=dim, target_dim=dim, dtype=torch.float
    )
    net = network(hidden_dim=hidden, source_dim=dim, target_dim=dim, units=PAPER_IMAGE_SOCIAL, kernel=kernel).float()
    counts = {data[t].num_edges for t in (INTER, SOURCE_INTRA, TARGET_INTRA)}
    assert not counts & {dim, 2 * dim, 2 * dim + EDGE_DIM, hidden, 2 * hidden, 3 * hidden, 13, 11} and len(counts) == 3
    with Shapes() as forward:
        loss = net(data).sum()
    with Shapes() as backward:
        loss.backward()
    for seen in (forward.seen, backward.seen):
        edge_shapes = {shape for shape in seen if counts & set(shape)}
        assert {(count, hidden) for count in counts} <= edge_shapes
        assert [s for s in edge_shapes if torch.Size(s).numel() > max(hidden, EDGE_DIM) * max(counts & set(s))] == []


def relabel(data: HeteroData) -> tuple[HeteroData, Tensor]:
    """The same graph with its nodes and edges in another order, and the old row of each of the new inter edges."""
    rng = torch.Generator().manual_seed(5)
    new = {side: torch.randperm(data[side].num_nodes, generator=rng) for side in (SOURCE, TARGET)}  # old row -> new row

    def shuffle(edge_type: tuple[str, str, str]) -> tuple[Tensor, Tensor]:
        sender, receiver = data[edge_type].edge_index
        mixed = torch.randperm(len(sender), generator=rng)
        return torch.stack([new[edge_type[0]][sender], new[edge_type[2]][receiver]])[:, mixed], mixed

    pairs, mixed = shuffle(INTER)
    inter, order = given_pairs(pairs, data[SOURCE].num_nodes, data[TARGET].num_nodes)
    row = mixed[order]
    graph = build_graph(
        data[SOURCE].x[new[SOURCE].argsort()],
        data[TARGET].x[new[TARGET].argsort()],
        inter,
        source_intra=shuffle(SOURCE_INTRA)[0],
        target_intra=shuffle(TARGET_INTRA)[0],
        **{key: data[INTER][key][row] for key in ("edge_attr", "prior", "message")},
    )
    return of_type(graph, data[SOURCE].x.dtype), row


@pytest.mark.parametrize("kernel", KERNELS)
def test_relabelling_permutes_the_output(kernel: str) -> None:
    data, net = random_graph(), network(units=PAPER_IMAGE_SOCIAL, kernel=kernel, prior=True)
    relabelled, row = relabel(data)
    assert not torch.equal(row, row.sort().values)
    assert_close(net(relabelled), net(data)[row])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"units": PAPER_IMAGE_SOCIAL, "norm": True},
        {"units": PAPER_IMAGE_SOCIAL, "edge_state": False, "edge_dim": 0},
        {"units": PAPER_IMAGE_SOCIAL, "edge_state": False, "residual": True},
        {"units": ["inter", "inter"]},
    ],
    ids=str,
)
def test_gradients_reach_every_parameter(options: dict[str, Any]) -> None:
    net = network(hidden_dim=16, **options)  # wide enough that no hidden layer is dead
    net(random_graph()).sin().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_gradients_exist_without_intra_edges() -> None:
    net = network(units=PAPER_IMAGE_SOCIAL)
    net(random_graph(source_intra=0, target_intra=0)).sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


def test_an_edge_without_message_speaks_for_itself_alone() -> None:
    data, net = random_graph(), network(units=PAPER_IMAGE_SOCIAL)
    before = net(data)
    for message in (False, True):
        edge = int((data[INTER].message == message).nonzero()[0])
        changed = random_graph()
        changed[INTER].edge_attr[edge] += 1
        moved = (net(changed) != before).nonzero().squeeze(1).tolist()
        assert edge in moved and (len(moved) > 1) == message


def test_one_inter_unit_scores_each_pair_by_itself() -> None:
    data, net = random_graph(), network(units=["inter"])
    before = net(data)
    data[INTER].edge_attr[3] += 1
    assert (net(data) != before).nonzero().squeeze(1).tolist() == [3]


def test_an_edge_can_tell_its_source_without_telling_its_target() -> None:
    data, net = random_graph(), network(units=["inter", "inter"])
    source, target = data[INTER].edge_index
    data[INTER].message = torch.tensor([True, False]).expand(20, 2)
    before, edge = net(data), int(source.bincount()[source].argmax())
    data[INTER].edge_attr[edge] += 1
    moved = net(data) != before
    assert torch.equal(moved, source == source[edge]) and bool(((target == target[edge]) & ~moved).any())


def test_a_batch_equals_its_graphs_run_apart() -> None:
    graphs, net = [random_graph(0), random_graph(1, 5, 7, pairs=11)], network(units=PAPER_IMAGE_SOCIAL, prior=True)
    assert_close(net(Batch.from_data_list(graphs)), torch.cat([net(g) for g in graphs]))


@pytest.mark.parametrize("units", [["inter"], ["intra", "inter"], ["inter", "intra", "inter"]], ids=str)
def test_a_subgraph_of_all_neighbours_gives_the_seeds_the_same_logits(units: list[str]) -> None:
    data, net = random_graph(3, 60, 50, pairs=70, source_intra=40, target_intra=30), network(units=units)
    seeds = data[INTER].edge_index[0, [0, 33, 69]]
    sub = NeighborSampler(data, [-1] * len(units), targets_whole=0).sample(data, seeds)
    assert sub[INTER].num_edges < 70 and not sub[INTER].message.all()
    of_seeds = torch.isin(sub[SOURCE].n_id[sub[INTER].edge_index[0]], seeds)
    expected = net(data)[torch.isin(data[INTER].edge_index[0], seeds)]
    assert_close(net(sub)[of_seeds], expected)


def tensors(data: HeteroData) -> tuple[Tensor, ...]:
    """The arguments of ``RRNet.score``, in order."""
    x, edges, inter = (data[SOURCE].x, data[TARGET].x), (SOURCE_INTRA, TARGET_INTRA, INTER), data[INTER]
    return *x, *(data[edge].edge_index for edge in edges), inter.message, inter.edge_attr, inter.prior


def test_network_is_its_encoder_units_and_decoder() -> None:
    data, net = random_graph(), network(units=PAPER_IMAGE_SOCIAL)
    graph = tensors(data)
    state = net.encoder(State(*graph[:6]), data[INTER].edge_attr)
    for unit in net.units:
        state = unit(state)
    assert torch.equal(net(data), net.decoder(state.inter).squeeze(1))


class Scores(nn.Module):
    """The network on tensors, as ``torch.export`` takes it."""

    def __init__(self, network: RRNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, *graph: Tensor) -> Tensor:
        return self.network.score(*graph)


def test_exported_network_scores_graphs_of_any_size() -> None:
    net = network(units=PAPER_IMAGE_SOCIAL, prior=True, linear=True)
    sources, targets, source_edges, target_edges, pairs = (Dim(name, min=2) for name in "stuvw")
    of_pairs = {1: pairs}, {0: pairs}, {0: pairs}, {0: pairs}
    shapes = {0: sources}, {0: targets}, {1: source_edges}, {1: target_edges}, *of_pairs
    exported = torch.export.export(Scores(net), tensors(random_graph()), dynamic_shapes=(shapes,)).module()
    for other in (random_graph(), random_graph(1, 9, 4, pairs=31, source_intra=20, target_intra=5)):
        assert_close(exported(*tensors(other)), net(other))


@pytest.mark.parametrize("options", [{}, {"units": PAPER_IMAGE_SOCIAL, "norm": True, "linear": True}], ids=str)
def test_reset_draws_all_parameters_as_at_first(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    net = RRNet(4, 3, EDGE_DIM, **options)
    first = [parameter.clone() for parameter in net.parameters()]
    for parameter in net.parameters():
        parameter.data.fill_(7)
    torch.manual_seed(0)
    net.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(first, net.parameters(), strict=True))


@pytest.mark.parametrize(
    ("store", "field", "value", "message"),
    [
        (SOURCE, "x", torch.zeros(8, 5).double(), r"source\.x: found .*\[8, 5\], wanted \[\*, 4\].*source_dim"),
        (TARGET, "x", torch.zeros(6, 3), r"target\.x: found float32, wanted float64"),
        (INTER, "edge_attr", torch.zeros(20, 3).double(), r"inter\.edge_attr: .*edge_dim is 2"),
        (INTER, "edge_attr", None, r"inter\.edge_attr: found nothing"),
        (INTER, "prior", None, r"inter\.prior: found nothing"),
        (INTER, "prior", torch.zeros(20), r"inter\.prior: found float32"),
    ],
)
def test_what_does_not_fit_the_network_is_named(store: Any, field: str, value: Tensor | None, message: str) -> None:
    data, net = random_graph(), network(prior=True)
    if value is None:
        del data[store][field]
    else:
        data[store][field] = value
    with pytest.raises(GraphError, match=message):
        net(data)


def test_dropout_acts_in_training_only() -> None:
    data, net, plain = random_graph(), network(dropout=0.5), network()
    assert not torch.equal(net(data), net(data))
    assert torch.equal(net.eval()(data), plain(data))


def test_evidence_adds_up_at_first() -> None:
    data, (net, plain) = random_graph(), (RRNet(4, 3, EDGE_DIM, linear=on).double() for on in (True, False))
    plain.load_state_dict({name: value for name, value in net.state_dict().items() if name != "linear.weight"})
    assert torch.allclose(net(data) - plain(data), data[INTER].edge_attr.sum(1))
