"""Each model's answer and penalties against plain loops over its equations, on a handful of ratings."""

from collections.abc import Callable
from math import sqrt

import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.ratings.base import RatingBaseline
from rrnet_lightning.candidates.ratings.factorisation import BiasedMF, SVDpp
from rrnet_lightning.candidates.ratings.lightgcn import LightGCN
from rrnet_lightning.candidates.ratings.social import SocialMF, SoReg, TrustMF, TrustSVD, pearson
from rrnet_lightning.candidates.ratings.tables import Table, TrainingRatings

RATINGS = {(0, 0): 4.0, (0, 1): 2.0, (0, 2): 3.0, (1, 0): 3.0, (1, 2): 1.0, (2, 2): 2.0, (3, 0): 1.0, (3, 1): 3.5}
TRUST = {0: [1, 3], 1: [0], 4: [0, 2]}  # truster -> trusted; user 4 and item 3 have no rating
USERS, ITEMS, RANK, DECAY, SOCIAL = 5, 4, 3, 0.3, 0.7
PAIRS = [(user, item) for user in range(USERS) for item in range(ITEMS)]
N = {user: [item for rater, item in RATINGS if rater == user] for user in range(USERS)}
U = {item: [user for user, rated in RATINGS if rated == item] for item in range(ITEMS)}
T = {user: TRUST.get(user, []) for user in range(USERS)}
LINKS = [(user, trusted) for user in T for trusted in T[user]]
IN = {user: [truster for truster, trusted in LINKS if trusted == user] for user in range(USERS)}


def training(trust: list[tuple[int, int]] | None = None) -> TrainingRatings:
    user, item = torch.tensor(list(RATINGS)).T
    links = torch.tensor(LINKS if trust is None else trust, dtype=torch.long).reshape(-1, 2).flip(1).T
    return TrainingRatings(user, item, torch.tensor(list(RATINGS.values())), links, USERS, ITEMS, (0.5, 4.0))


def built(model: RatingBaseline) -> RatingBaseline:
    """The model with all numbers random, those that start at zero too, in double precision."""
    model.build(training())
    torch.manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model.double()


def rows(model: RatingBaseline, name: str) -> Tensor:
    table = getattr(model, name)
    assert isinstance(table, Table)
    return table.rows.detach()


def bias(m: RatingBaseline, u: int, i: int) -> Tensor:
    return sum(RATINGS.values()) / len(RATINGS) + rows(m, "user_bias")[u, 0] + rows(m, "item_bias")[i, 0]


def mean_of(model: RatingBaseline, name: str, members: list[int]) -> Tensor:
    """|S|^-1/2 · sum over the set."""
    table = rows(model, name)
    return sum((table[m] for m in members), torch.zeros(RANK).double()) / sqrt(max(len(members), 1))


def rate_mf(m: RatingBaseline, u: int, i: int) -> Tensor:
    return bias(m, u, i) + rows(m, "user")[u] @ rows(m, "item")[i]


def rate_svdpp(m: RatingBaseline, u: int, i: int) -> Tensor:
    return bias(m, u, i) + rows(m, "item")[i] @ (rows(m, "user")[u] + mean_of(m, "implicit", N[u]))


def rate_trustsvd(m: RatingBaseline, u: int, i: int) -> Tensor:
    return rate_svdpp(m, u, i) + rows(m, "item")[i] @ mean_of(m, "trusted", T[u])


def rate_trustmf(m: RatingBaseline, u: int, i: int) -> Tensor:
    item = (rows(m, "item")[i] + rows(m, "item_too")[i]) / 2
    return bias(m, u, i) + item @ (rows(m, "user")[u] + rows(m, "trusted_too")[u]) / 2


def rate_lightgcn(m: RatingBaseline, u: int, i: int) -> Tensor:
    """Two layers, written out."""
    user, item = [rows(m, "user")], [rows(m, "item")]
    for k in range(2):
        nexts: list[Tensor] = []
        for own, others in ((N, U), (U, N)):
            other = item[k] if own is N else user[k]
            zero = torch.zeros(RANK).double()
            nexts.append(
                torch.stack([sum((other[j] / sqrt(len(own[n]) * len(others[j])) for j in own[n]), zero) for n in own])
            )
        user.append(nexts[0])
        item.append(nexts[1])
    return bias(m, u, i) + (sum(user) / 3)[u] @ (sum(item) / 3)[i]  # type: ignore[index]


def sq(m: RatingBaseline, name: str, row: int) -> Tensor:
    return rows(m, name)[row].square().sum()


def pays_mf(m: RatingBaseline) -> Tensor:
    terms = [sq(m, "user_bias", u) + sq(m, "item_bias", i) + sq(m, "user", u) + sq(m, "item", i) for u, i in RATINGS]
    return DECAY * torch.stack(terms).sum()


def pays_svdpp(m: RatingBaseline) -> Tensor:
    return pays_mf(m) + DECAY * torch.stack([sq(m, "implicit", j) for u, _ in RATINGS for j in N[u]]).sum()


def pays_soreg(m: RatingBaseline) -> Tensor:
    terms = torch.zeros(()).double()
    for u, v in LINKS:
        mean = {w: sum(RATINGS[w, i] for i in N[w]) / max(len(N[w]), 1) for w in (u, v)}
        a, b = ([RATINGS[w, i] - mean[w] for i in N[u] if i in N[v]] for w in (u, v))
        spread = sqrt(sum(x * x for x in a) * sum(y * y for y in b))
        rho = sum(x * y for x, y in zip(a, b, strict=True)) / spread if spread else 0.0
        terms = terms + (1 + rho) / 2 * (rows(m, "user")[u] - rows(m, "user")[v]).square().sum()
    return pays_mf(m) + SOCIAL * terms


def pays_socialmf(m: RatingBaseline) -> Tensor:
    user = rows(m, "user")
    terms = [(user[u] - torch.stack([user[v] for v in T[u]]).mean(0)).square().sum() for u in T if T[u]]
    return pays_mf(m) + SOCIAL * torch.stack(terms).sum()


def pays_trustmf(m: RatingBaseline) -> Tensor:
    total = pays_mf(m)
    for u, i in RATINGS:
        total = total + DECAY * (sq(m, "trusted_too", u) + sq(m, "item_too", i))
    for u, v in LINKS:
        own, too = rows(m, "user")[u] @ rows(m, "trusted")[v], rows(m, "user_too")[u] @ rows(m, "trusted_too")[v]
        ends = sq(m, "user", u) + sq(m, "trusted", v) + sq(m, "user_too", u) + sq(m, "trusted_too", v)
        total = total + SOCIAL * ((1 - own) ** 2 + (1 - too) ** 2) + DECAY * ends
    return total


def pays_trustsvd(m: RatingBaseline) -> Tensor:
    total = torch.zeros(()).double()
    for u, i in RATINGS:
        paid = (sq(m, "user_bias", u) + sq(m, "user", u)) / sqrt(len(N[u]))
        paid = paid + (sq(m, "item_bias", i) + sq(m, "item", i)) / sqrt(len(U[i]))
        paid = paid + sum(sq(m, "implicit", j) / sqrt(len(U[j])) for j in N[u])
        total = total + DECAY * (paid + sum(sq(m, "trusted", v) / sqrt(len(IN[v])) for v in T[u]))
    for u, v in LINKS:
        error = 1 - rows(m, "trusted")[v] @ rows(m, "user")[u]
        total = total + SOCIAL * (error**2 + sq(m, "user", u) / sqrt(len(T[u])))
    return total


Rate = Callable[[RatingBaseline, int, int], Tensor]
Pays = Callable[[RatingBaseline], Tensor]
CASES: dict[str, tuple[RatingBaseline, Rate, Pays]] = {
    "biasedmf": (BiasedMF(RANK, DECAY), rate_mf, pays_mf),
    "svdpp": (SVDpp(RANK, DECAY), rate_svdpp, pays_svdpp),
    "soreg": (SoReg(RANK, DECAY, SOCIAL), rate_mf, pays_soreg),
    "socialmf": (SocialMF(RANK, DECAY, SOCIAL), rate_mf, pays_socialmf),
    "trustmf": (TrustMF(RANK, DECAY, SOCIAL), rate_trustmf, pays_trustmf),
    "trustsvd": (TrustSVD(RANK, DECAY, SOCIAL), rate_trustsvd, pays_trustsvd),
    "lightgcn": (LightGCN(RANK, DECAY, layers=2), rate_lightgcn, pays_mf),
}


@pytest.mark.parametrize("name", CASES)
def test_answer_and_penalties_are_those_of_the_equations(name: str) -> None:
    model, rate, pays = CASES[name]
    model = built(model)
    found = model.rate(*torch.tensor(PAIRS).T)
    torch.testing.assert_close(found, torch.stack([rate(model, *pair) for pair in PAIRS]), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(model.penalty(), pays(model), rtol=1e-6, atol=1e-6)


def test_trustmf_learns_from_both_its_models() -> None:
    """The squared errors of each by itself, not that of their common answer."""
    model = built(TrustMF(RANK))
    train = training()
    expected = torch.zeros(()).double()
    for (u, i), rating in RATINGS.items():
        own = rows(model, "user")[u] @ rows(model, "item")[i]
        too = rows(model, "trusted_too")[u] @ rows(model, "item_too")[i]
        expected += ((rating - bias(model, u, i) - own) ** 2 + (rating - bias(model, u, i) - too) ** 2) / len(RATINGS)
    torch.testing.assert_close(model.error(train.user, train.item, train.rating.double()), expected)


def test_pearson_of_known_values() -> None:
    """Users 0 and 1 share items 0 and 2: around the means 3 and 2, (1, 0) and (1, -1). Users 2 and 4 share nothing."""
    assert pearson(training([(0, 1), (1, 0), (4, 2)])).tolist() == pytest.approx([1 / sqrt(2), 1 / sqrt(2), 0])


@pytest.mark.parametrize("name", CASES)
def test_strangers_get_the_mean_before_training(name: str) -> None:
    """Nothing is known of user 2 of no links, user 4 without them, and item 3: their rows start at zero."""
    model = CASES[name][0]
    model.build(training(trust=[]))
    user, item = torch.tensor([4, 4, 0]), torch.tensor([3, 0, 3])
    assert model.rate(user, item).tolist() == pytest.approx([sum(RATINGS.values()) / len(RATINGS)] * 3)
    assert model.penalty().isfinite()
