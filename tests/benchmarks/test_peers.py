import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.common.jobs import BenchmarkError
from benchmarks.ratings.peers import PEERS, _cornac
from rrnet_lightning.data.ratings.reader import Ratings
from rrnet_lightning.data.splits import fold_split

CORNAC = ["cornac-mf", "cornac-pmf", "cornac-sorec"]


def dense_ratings(users: int, items: int) -> Ratings:
    """All pairs on a scale of 0 to 4: 4 for items of odd number, 0 for the others; the first user gives 0 to all."""
    user, item = torch.arange(users).repeat_interleave(items), torch.arange(items).repeat(users)
    rating = 4.0 * (item % 2) * (user > 0)
    names = [str(number) for number in range(max(users, items))]
    return Ratings(user, item, rating, torch.zeros(2, 0).long(), names[:users], names[:items], (0, 4), [])


def small_ratings() -> Ratings:
    user, item, rating = torch.tensor([[0, 0, 0], [0, 1, 4], [1, 0, 2], [1, 1, 1], [2, 2, 3]]).unbind(1)
    return Ratings(user, item, rating.float(), torch.zeros(2, 0).long(), ["a", "b", "c"], ["x", "y", "z"], (0, 4), [])


def need(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURPRISE_DATA_FOLDER", str(folder))  # it makes one when imported
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # Cornac sets it when imported
    pytest.importorskip(name.split("-")[0], reason="the bench extra is not installed")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("global", [7 / 4] * 3),  # of 0, 4, 2, 1
        ("user", [2, 3 / 2, 7 / 4]),  # the last user and item have no training rating
        ("item", [1, 5 / 2, 7 / 4]),
    ],
)
def test_means_are_those_by_hand(name: str, expected: list[float]) -> None:
    predict = PEERS[name].fit(small_ratings(), torch.arange(4), 0)
    assert predict(torch.arange(3), torch.arange(3)).tolist() == pytest.approx(expected)


def test_bias_stays_on_the_scale() -> None:
    ratings = dense_ratings(40, 40)
    estimate = PEERS["bias"].fit(ratings, torch.arange(1600), 0)(ratings.user, ratings.item)
    assert estimate.min() == 0
    assert estimate[ratings.rating == 4].min() > 3


@pytest.mark.parametrize("name", ["surprise-svd", "surprise-knn", "surprise-user-knn", *CORNAC])
def test_peer_learns_who_rated_what(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(name, tmp_path, monkeypatch)
    ratings, split = dense_ratings(40, 40), fold_split(1600, 5, 0, 0)
    predict = PEERS[name].fit(ratings, split.train, 0)
    estimate = predict(ratings.user[split.test], ratings.item[split.test])
    error = estimate - ratings.rating[split.test]
    assert error.square().mean().sqrt() < 0.4 * ratings.rating.std()
    assert estimate.min() >= 0 and estimate.max() <= 4


@pytest.mark.parametrize("name", CORNAC)
def test_cornac_repeats_itself(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(name, tmp_path, monkeypatch)
    ratings = dense_ratings(10, 10)

    def estimate(seed: int) -> Tensor:
        return PEERS[name].fit(ratings, torch.arange(0, 100, 3), seed)(ratings.user, ratings.item)

    assert torch.equal(estimate(3), estimate(3))
    assert not torch.equal(estimate(3), estimate(4))


@pytest.mark.parametrize("name", CORNAC)
def test_cornac_falls_back_to_the_mean(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(name, tmp_path, monkeypatch)
    ratings = dense_ratings(20, 20)
    rows = ((ratings.user < 19) & (ratings.item < 19)).nonzero().flatten()
    mean = ratings.rating[rows].mean().item()
    predict = PEERS[name].fit(ratings, rows, 0)
    known, item, user, both = predict(torch.tensor([5, 5, 19, 19]), torch.tensor([1, 19, 1, 19])).tolist()
    assert (item, both) == pytest.approx((mean, mean))
    assert known > mean + 0.5
    if name == "cornac-mf":
        assert user > mean + 0.5  # it keeps the bias of the item
    else:
        assert user == pytest.approx(mean)


def test_cornac_reads_trust_from_truster_to_trustee(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("cornac", tmp_path, monkeypatch)
    found = {}

    class Model:
        def fit(self, train: Any) -> None:
            names, users = list(train.uid_map), set(train.uir_tuple[0])
            truster, trustee, weight = train.user_graph.get_train_triplet(users, users)
            found.update({(names[u], names[v]): w for u, v, w in zip(truster, trustee, weight, strict=True)})

    trust = torch.tensor([[0, 2, 2, 3, 0], [1, 0, 1, 0, 3]])
    ratings = replace(dense_ratings(4, 5), trust=trust)
    _cornac(Model(), ratings, torch.arange(15), 0)  # no rating of the last user
    assert found == {(0, 1): 1, (2, 0): 1, (2, 1): 1}


@pytest.mark.parametrize("name", ["surprise-svd", "surprise-user-knn", *CORNAC])
def test_missing_library_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = name.split("-")[0]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BenchmarkError, match=rf"^{library} cannot be imported.*rrnet-lightning\[bench\].*{library}-\*"):
        PEERS[name].fit(small_ratings(), torch.arange(4), 0)


@pytest.mark.parametrize(("name", "kind"), [("surprise-knn", "items"), ("surprise-user-knn", "users")])
def test_knn_beyond_memory_is_refused(name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(name, tmp_path, monkeypatch)
    users, items = (2, 20) if kind == "items" else (20, 2)
    monkeypatch.setattr(os, "sysconf", lambda key: 100)  # 10,000 bytes; 20 of a kind take 16,000, two 160
    with pytest.raises(BenchmarkError, match=rf"^{name}: needs .* all pairs of {kind}"):
        PEERS[name].fit(dense_ratings(users, items), torch.arange(40), 0)
