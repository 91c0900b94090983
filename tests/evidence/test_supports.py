"""Which ratings a pair hears by themselves, beside a plain reference."""

import math

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from rrnet_lightning.evidence import supports
from rrnet_lightning.evidence.supports import rating_supports
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET

USERS, ITEMS, K = 11, 8, 2
Rated = dict[tuple[int, int], float]
Support = tuple[tuple[int, int], tuple[int, int], float, int]  # speaks, hears, similarity, side


def graph(seed: int = 0) -> HeteroData:
    """Ratings of all pairs in random order; some are visible, some asked, some neither; the last user has none."""
    rng = torch.Generator().manual_seed(seed)
    inter = torch.cartesian_prod(torch.arange(USERS - 1), torch.arange(ITEMS)).T
    data = HeteroData()
    data[SOURCE].x, data[TARGET].x = torch.zeros(USERS, 1), torch.zeros(ITEMS, 1)
    data[INTER].edge_index = inter
    part = torch.randint(4, (inter.shape[1],), generator=rng)
    data[INTER].visible, data[INTER].supervised = part < 2, part == 2
    z = torch.randint(-2, 3, (inter.shape[1],), generator=rng).float()
    data[INTER].edge_attr = torch.stack([data[INTER].visible.float(), z], 1)
    return data


def alike(one: Rated, two: Rated) -> float:
    """By what two rated in common: rated thing -> z each."""
    common = one.keys() & two.keys()
    sizes = [math.sqrt(sum(z * z for z in ratings.values())) for ratings in (one, two)]
    if not common or not all(sizes):
        return 0.0
    dot = sum(one[key] * two[key] for key in common)
    return dot / (sizes[0] * sizes[1]) * len(common) / (len(common) + 10)


def reference(data: HeteroData) -> list[Support]:
    """Pair by pair, user by user."""
    inter = data[INTER]
    pairs = [(s, t) for s, t in inter.edge_index.T.tolist()]
    known = {pair: float(z) for pair, z, seen in zip(pairs, inter.edge_attr[:, 1], inter.visible, strict=True) if seen}
    found: list[Support] = []
    for pair in (pair for pair, asked in zip(pairs, inter.supervised, strict=True) if asked):
        for side in (0, 1):

            def row(node: int, side: int = side) -> Rated:
                return {(key[1 - side], 0): z for key, z in known.items() if key[side] == node}

            said = [key for key in known if key[1 - side] == pair[1 - side] and key[side] != pair[side]]
            scored = [(round(alike(row(pair[side]), row(key[side])), 6), key) for key in said]
            best = sorted((-score, key) for score, key in scored if score > 0)[:K]
            found += [(key, pair, -score, side) for score, key in best]
    return sorted(found)


@pytest.mark.parametrize("chunk", [256, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_supports_are_those_of_the_plain_reference(seed: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supports, "CHUNK", chunk)
    data = graph(seed)
    pairs, (edges, attr) = data[INTER].edge_index.T.tolist(), rating_supports(data, data[INTER].visible, K)
    found = [
        (tuple(pairs[speaks]), tuple(pairs[hears]), number / 5, int(kind))
        for speaks, hears, number, kind in zip(*edges.tolist(), attr[:, 0].tolist(), attr[:, 2].tolist(), strict=True)
    ]
    wanted = reference(data)
    assert len(found) == len(wanted) > 20
    for one, other in zip(sorted(found), wanted, strict=True):
        assert (one[:2], one[3]) == (other[:2], other[3]) and one[2] == pytest.approx(other[2], abs=1e-5)
    assert torch.equal(attr[:, 1] + attr[:, 2], torch.ones(len(attr)))
    assert (edges[1].diff() >= 0).all() and data[INTER].visible[edges[0]].all()


def test_hidden_answers_have_no_say() -> None:
    before, after = graph(), graph()
    hidden = ~after[INTER].visible
    after[INTER].edge_attr[hidden, 1] = torch.from_numpy(np.arange(int(hidden.sum()), dtype=np.float32))
    one, two = (rating_supports(data, data[INTER].visible, K) for data in (before, after))
    assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])


def test_nobody_asks() -> None:
    data = graph()
    data[INTER].supervised[:] = False
    assert rating_supports(data, data[INTER].visible, K)[0].shape == (2, 0)


def test_no_visible_rating_says_nothing() -> None:
    data = graph()
    data[INTER].visible[:] = False
    edges, attr = rating_supports(data, data[INTER].visible, K)
    assert edges.shape == (2, 0) and attr.shape == (0, 3)
