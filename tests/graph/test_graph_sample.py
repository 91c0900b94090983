"""Subgraphs against a set-based reference."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.build import build_graph, given_edges, given_pairs
from rrnet_lightning.graph.sample import NeighborSampler
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA, message_ends, validate

TYPES = (SOURCE_INTRA, TARGET_INTRA, INTER)
Edge = tuple[int, int]


def random_graph(seed: int, num_sources: int = 60, num_targets: int = 40) -> HeteroData:
    """A sparse random graph whose nodes and edges know their own row."""
    rng = torch.Generator().manual_seed(seed)

    def draw(rows: int, columns: int, count: int) -> Tensor:
        flat = torch.randperm(rows * columns, generator=rng)[:count]
        return torch.stack([flat // columns, flat % columns])

    inter, _ = given_pairs(draw(num_sources, num_targets, 90), num_sources, num_targets)
    message = torch.rand(90, generator=rng) < 0.7
    data = build_graph(
        torch.randn(num_sources, 3, generator=rng, dtype=torch.double),
        torch.randn(num_targets, 3, generator=rng, dtype=torch.double),
        inter,
        source_intra=given_edges(draw(num_sources, num_sources, 60), num_sources),
        target_intra=given_edges(draw(num_targets, num_targets, 40), num_targets),
        edge_attr=torch.randn(90, 2, generator=rng),
        message=message,
        supervised=~message,
        y=torch.arange(90.0),
    )
    data[SOURCE].n_id = data[SOURCE].n_id + 1000
    data[INTER].row = torch.arange(90)
    data[SOURCE].label = torch.arange(num_sources)
    data.title = "carried"
    return data


def subgraph(
    data: HeteroData, seeds: Tensor, fan_out: list[int], rng: torch.Generator | None = None, targets_whole: int = 1024
) -> HeteroData:
    return NeighborSampler(data, fan_out, targets_whole=targets_whole).sample(data, seeds, rng)


def edge_sets(data: HeteroData) -> dict[tuple[str, str, str], set[Edge]]:
    """Edges of every type, by n_id."""
    out = {}
    for edge_type in TYPES:
        sender, receiver = data[edge_type].edge_index
        ends = data[edge_type[0]].n_id[sender], data[edge_type[2]].n_id[receiver]
        out[edge_type] = set(zip(ends[0].tolist(), ends[1].tolist(), strict=True))
    return out


def reference(data: HeteroData, seeds: list[int], hops: int) -> tuple[set[int], set[int], list[set[Edge]]]:
    """Sources, targets and edges within reach, one node at a time, with all neighbours taken."""
    intra_s, intra_t, inter = (set(map(tuple, data[t].edge_index.T.tolist())) for t in TYPES)
    message = {tuple(e) for e, m in zip(data[INTER].edge_index.T.tolist(), data[INTER].message, strict=True) if m}
    kept: list[set[Edge]] = [set(), set(), {(s, t) for s, t in inter if s in seeds}]
    sources, targets = set(seeds), {t for _, t in kept[2]}
    for _ in range(hops):
        kept[0] |= {(a, b) for a, b in intra_s if b in sources}
        kept[1] |= {(a, b) for a, b in intra_t if b in targets}
        kept[2] |= {(s, t) for s, t in message if s in sources or t in targets}
        sources |= {a for a, _ in kept[0]} | {s for s, _ in kept[2]}
        targets |= {a for a, _ in kept[1]} | {t for _, t in kept[2]}
    return sources, targets, kept


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hops", [0, 1, 2, 3])
def test_all_neighbours_match_the_set_reference(seed: int, hops: int) -> None:
    data, seeds = random_graph(seed), [7, 3, 31]
    sub = subgraph(data, torch.tensor(seeds), [-1] * hops, targets_whole=0)
    validate(sub)
    sources, targets, kept = reference(data, seeds, hops)
    assert sub[SOURCE].n_id.tolist() == [s + 1000 for s in sorted(sources)]
    assert sub[TARGET].n_id.tolist() == sorted(targets)
    found = edge_sets(sub)
    assert found[SOURCE_INTRA] == {(a + 1000, b + 1000) for a, b in kept[0]}
    assert found[TARGET_INTRA] == kept[1]
    assert found[INTER] == {(s + 1000, t) for s, t in kept[2]}


def propagate(data: HeteroData, rounds: int) -> Tensor:
    """A plain message-passing network: one number per inter edge."""
    v = {SOURCE: data[SOURCE].x, TARGET: data[TARGET].x}
    intra = [(t[0], *data[t].edge_index) for t in (SOURCE_INTRA, TARGET_INTRA)]
    (s_told, t_told), (source, target) = message_ends(data[INTER].message), data[INTER].edge_index
    for _ in range(rounds):
        new = {key: x.clone() for key, x in v.items()}
        for key, sender, receiver in intra:
            new[key].index_add_(0, receiver, (v[key][sender] * v[key][receiver]).tanh())
        pair = (v[SOURCE][source] * v[TARGET][target]).tanh()
        new[SOURCE].index_add_(0, source[s_told], pair[s_told])
        new[TARGET].index_add_(0, target[t_told], pair[t_told])
        v = new
    return torch.sum(v[SOURCE][source] * v[TARGET][target], dim=1)


@pytest.mark.parametrize("targets_whole", [0, 1024])
def test_network_sees_no_difference_on_the_seeds(targets_whole: int) -> None:
    data = random_graph(11)
    seeds = torch.tensor([2, 40, 59])
    sub = subgraph(data, seeds, [-1, -1], targets_whole=targets_whole)
    assert len(sub[SOURCE].x) < len(data[SOURCE].x)
    of_seeds = torch.isin(sub[SOURCE].label[sub[INTER].edge_index[0]], seeds)
    assert of_seeds.any()
    expected = propagate(data, 2)[sub[INTER].row[of_seeds]]
    torch.testing.assert_close(propagate(sub, 2)[of_seeds], expected)


def test_every_field_follows_its_node_or_edge() -> None:
    data = random_graph(4)
    before = {key: value.clone() for key, value in data[INTER].items()}
    seeds = torch.tensor([5, 5, 20])
    sub = subgraph(data, seeds, [2, 1], torch.Generator().manual_seed(0), targets_whole=0)
    validate(sub)
    rows = sub[INTER].row
    for key in ("edge_attr", "y"):
        assert torch.equal(sub[INTER][key], data[INTER][key][rows])
    assert sub[INTER].message.any() and not (sub[INTER].message & ~data[INTER].message[rows, None]).any()
    assert torch.equal(sub[SOURCE].x, data[SOURCE].x[sub[SOURCE].label])
    assert torch.equal(sub[SOURCE].label[sub[INTER].edge_index[0]], data[INTER].edge_index[0, rows])
    assert sub.title == "carried"
    of_seeds = torch.isin(data[INTER].edge_index[0], seeds)
    assert set(of_seeds.nonzero().squeeze(1).tolist()) <= set(rows.tolist())
    assert torch.equal(sub[INTER].supervised, (data[INTER].supervised & of_seeds)[rows])
    assert all(torch.equal(data[INTER][key], value) for key, value in before.items())


def test_few_targets_are_taken_whole() -> None:
    data = random_graph(0)
    sub = subgraph(data, torch.tensor([0]), [1], targets_whole=40)
    assert torch.equal(sub[TARGET].n_id, data[TARGET].n_id)
    assert torch.equal(sub[TARGET_INTRA].edge_index, data[TARGET_INTRA].edge_index)
    assert len(subgraph(data, torch.tensor([0]), [1], targets_whole=39)[TARGET].x) < 40


def test_whole_targets_are_all_reached_through_intra_edges() -> None:
    rows = torch.arange(6)
    hub = torch.stack([rows[1:], torch.zeros_like(rows[1:])])
    data = build_graph(torch.ones(6, 1), torch.ones(6, 1), torch.stack([rows, rows]), target_intra=hub)
    sub = subgraph(data, torch.tensor([0]), [1, 1])
    assert sub[SOURCE].n_id.tolist() == [0, 1, 2, 3, 4, 5]  # each neighbour of target 0 drew its own source
    assert len(subgraph(data, torch.tensor([0]), [1, 1], targets_whole=0)[SOURCE].x) == 2


def star(leaves: int) -> HeteroData:
    """Every source is linked to target 0, and is a neighbour of source 0."""
    others = torch.arange(1, leaves)
    pairs = torch.stack([torch.arange(leaves), torch.zeros(leaves).long()])
    intra = torch.stack([others, torch.zeros_like(others)])
    return build_graph(torch.ones(leaves, 1), torch.ones(1, 1), pairs, source_intra=intra)


def test_fan_out_bounds_what_a_node_draws() -> None:
    data = star(500)
    sub = subgraph(data, torch.tensor([0]), [5, 0], torch.Generator().manual_seed(0), targets_whole=0)
    assert sub[SOURCE_INTRA].edge_index.size(1) == 5
    assert 5 <= sub[INTER].edge_index.size(1) <= 6  # five drawn by the target, and the seed's own edge
    assert len(subgraph(data, torch.tensor([0]), [600])[SOURCE].x) == 500


def test_a_node_aggregates_only_what_was_drawn_for_it() -> None:
    """Ten seeds of 200 sources share a target and say 1, the others 0: what it hears is not what the seeds say."""
    data, rng, seeds = star(200), torch.Generator().manual_seed(0), torch.arange(10)
    data[INTER].edge_attr = (torch.arange(200) < 10).float()[:, None]
    sampler, heard = NeighborSampler(data, [5]), []
    for _ in range(200):
        sub = sampler.sample(data, seeds, rng)
        at_source, at_target = message_ends(sub[INTER].message)
        assert at_target.sum() == 5 and sub[INTER].edge_index[0, at_source].bincount().max() <= 5
        heard.append(sub[INTER].edge_attr[at_target].mean())
    assert abs(float(torch.stack(heard).mean()) - 0.05) < 0.02  # standard deviation .007


def test_each_end_draws_from_its_own_messages() -> None:
    data = random_graph(3)
    tells_source = torch.rand(90, generator=torch.Generator().manual_seed(1)) < 0.5
    data[INTER].message = torch.stack([tells_source, ~tells_source], 1)
    sub = subgraph(data, torch.arange(60), [-1], targets_whole=0)
    assert torch.equal(sub[INTER].message, data[INTER].message)
    seeds = torch.tensor([2, 40, 59])
    sub = subgraph(data, seeds, [-1, -1], targets_whole=0)
    of_seeds = torch.isin(sub[SOURCE].label[sub[INTER].edge_index[0]], seeds)
    torch.testing.assert_close(propagate(sub, 2)[of_seeds], propagate(data, 2)[sub[INTER].row[of_seeds]])


def test_neighbours_are_drawn_uniformly() -> None:
    data, rng = star(9), torch.Generator().manual_seed(0)
    data[INTER].message[:] = False
    sampler = NeighborSampler(data, [3])
    drawn = torch.cat([sampler.sample(data, torch.tensor([0]), rng)[SOURCE].n_id[1:] for _ in range(800)])
    assert len(drawn) == 800 * 3  # three different ones each time
    assert (drawn.bincount(minlength=9)[1:] - 300).abs().max() < 60  # mean 300, standard deviation 13.7


def test_generator_decides_and_messages_are_read_anew() -> None:
    data, seeds = star(200), torch.tensor([0])
    sampler = NeighborSampler(data, [4])

    def nodes(seed: int) -> object:
        return sampler.sample(data, seeds, torch.Generator().manual_seed(seed))[SOURCE].n_id.tolist()

    assert nodes(1) == nodes(1) != nodes(2)
    data[INTER].message = torch.arange(200) == 77
    data[SOURCE_INTRA].edge_index = data[SOURCE_INTRA].edge_index[:, :0]
    sub = NeighborSampler(data, [4]).sample(data, seeds)
    assert sub[SOURCE].n_id.tolist() == [0, 77]
    with pytest.raises(GraphError, match="source-intra-source: found 0 edges, wanted the 199 of construction"):
        sampler.sample(data, seeds)


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        (torch.tensor([60]), r"seeds: found 60 at \[0\], wanted 0 <= entry < 60"),
        (torch.tensor([0.0]), r"seeds: found float32 \[1\], wanted long \[\*\]"),
        (torch.tensor([], dtype=torch.long), "seeds: found none, wanted at least one"),
    ],
)
def test_bad_seeds_are_named(seeds: Tensor, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        subgraph(random_graph(0), seeds, [1])


def test_bad_fan_out_is_named() -> None:
    with pytest.raises(GraphError, match=r"fan_out: found \[5, -2\], wanted entries >= 0"):
        NeighborSampler(random_graph(0), [5, -2])
