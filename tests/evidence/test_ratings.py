"""What visible ratings say, beside a plain reference that works it out slowly."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.evidence.ratings import rating_paths, write_evidence
from rrnet_lightning.evidence.statistics import rating_statistics
from rrnet_lightning.graph.build import build_graph
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET
from tests.evidence import plain

USERS, ITEMS, K = 14, 9, 3
SCALE = (0.5, 4.0)
TRUST = [(2, 5), (5, 2), (7, 0), (0, 3), (13, 1)]  # neighbour, user


def ratings(seed: int = 0, *, high: bool = False) -> dict[plain.Pair, float]:
    """At the lower end of the scale or near, or at the upper; no rating by the last user, none of the last item."""
    rng = np.random.default_rng(seed)
    values = rng.choice([0.5] * 9 + [1.0], size=(USERS - 1, ITEMS - 1))
    given = {(u, i): float(values[u, i]) for u in range(USERS - 1) for i in range(ITEMS - 1) if rng.random() < 0.6}
    return {pair: 4.5 - r if high else r for pair, r in given.items()}


def graph(known: dict[plain.Pair, float]) -> tuple[HeteroData, list[plain.Pair]]:
    """All pairs are candidates: those rated and those not."""
    pairs = [(u, i) for u in range(USERS) for i in range(ITEMS)]
    y = torch.tensor([known.get(pair, 0.0) for pair in pairs])
    inter = torch.tensor(pairs).T.contiguous()
    data = build_graph(
        torch.zeros(USERS, 4), torch.zeros(ITEMS, 4), inter, source_intra=torch.tensor(TRUST).T.contiguous(), y=y
    )
    data[INTER].observed = torch.tensor([pair in known for pair in pairs])
    return data, pairs


def shown(known: dict[plain.Pair, float], pairs: list[plain.Pair]) -> tuple[Tensor, dict[plain.Pair, float]]:
    """Some of the ratings, as a step shows them: a mask of the pairs, and what a reference may read."""
    kept = {pair: r for number, (pair, r) in enumerate(known.items()) if number % 4}
    return torch.tensor([pair in kept for pair in pairs]), kept


def close(found: Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found.double().numpy(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_statistics_are_those_of_the_plain_reference(seed: int) -> None:
    known = ratings(seed)
    wanted = plain.statistics(known, USERS, ITEMS)
    user, item = torch.tensor(list(known)).T
    found = rating_statistics(user, item, torch.tensor(list(known.values())), USERS, ITEMS)
    close(found.mean, np.array(wanted.mean))
    close(found.spread, np.array(wanted.spread))
    for end, (bias, count, spread) in enumerate(
        [
            (found.user_bias, found.user_count, found.user_spread),
            (found.item_bias, found.item_count, found.item_spread),
        ]
    ):
        close(bias, np.array(list(wanted.bias[end].values())))
        close(count, np.array(list(wanted.count[end].values())))
        close(spread, np.array(list(wanted.spreads[end].values())))
    close(found.estimate(user, item), np.array([wanted.estimate(*pair) for pair in known]))
    assert found.user_bias[-1] == 0 and found.item_bias[-1] == 0  # of whom nothing is known


@pytest.mark.parametrize("high", [False, True])
def test_what_is_written_is_that_of_the_plain_reference(high: bool) -> None:
    known = ratings(high=high)
    data, pairs = graph(known)
    rated = torch.tensor(list(known)).T
    data.paths = rating_paths(data, rated, K, trust=True)
    visible, kept = shown(known, pairs)
    write_evidence(data, visible, SCALE, statistics=True)

    links = [
        (plain.co_rating(list(known), 1, ITEMS, K), 1),
        (plain.co_rating(list(known), 0, USERS, K), 0),
        (dict.fromkeys(TRUST, 1.0), 0),
    ]
    attr, prior = plain.evidence(pairs, kept, links, (USERS, ITEMS), SCALE)
    close(data[INTER].edge_attr, attr)
    close(data[INTER].prior, prior)
    for store, wanted in zip((SOURCE, TARGET), plain.attributes(kept, (USERS, ITEMS)), strict=True):
        close(data[store].x, wanted)
    assert data[INTER].message.equal(visible) and "paths" not in data

    place = data[INTER].prior.sigmoid()  # the case has what it should tell apart: priors at the bound and just off it
    bound = 0.98 if high else 0.02
    assert place.isclose(torch.tensor(bound)).any() and ((place - bound).abs() > 0.01).any()
    assert (((place < 0.2) | (place > 0.8)) & ((place > 0.021) & (place < 0.979))).any()


def test_a_scorers_estimates_are_written_last_in_deviations_from_the_bias_estimate() -> None:
    known = ratings()
    data, pairs = graph(known)
    data.paths = []
    visible, kept = shown(known, pairs)
    initial = torch.linspace(*SCALE, len(pairs))
    data[INTER].initial = initial.clone()
    write_evidence(data, visible, SCALE, statistics=False)
    stats = plain.statistics(kept, USERS, ITEMS)
    wanted = [(r - stats.estimate(*pair)) / stats.spread for r, pair in zip(initial.tolist(), pairs, strict=True)]
    close(data[INTER].edge_attr[:, 3], np.array(wanted))
    assert data[INTER].edge_attr.shape == (len(pairs), 4) and "initial" not in data[INTER]
    assert not data[SOURCE].x.any()  # statistics off: attributes are left as they are
