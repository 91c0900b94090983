"""What a user would install or write in a line instead, behind one signature: (ratings, rows, seed) -> predictor."""

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.common.jobs import BenchmarkError
from rrnet_lightning.data.ratings.reader import Ratings
from rrnet_lightning.evidence.statistics import rating_statistics

Predictor = Callable[[Tensor, Tensor], Tensor]  # (user [P], item [P]) -> rating [P]


class Peer(NamedTuple):
    """A model to compare with.

    Attributes:
        fit: (ratings, rows to learn from [N] long, seed) -> predictor.
        seeded: its result depends on the seed.
    """

    fit: Callable[[Ratings, Tensor, int], Predictor]
    seeded: bool = False


def global_mean(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """r_ui = mu, the mean of all training ratings."""
    mean = ratings.rating[rows].double().mean()
    return lambda user, item: mean.expand(len(user))


def user_mean(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """r_ui = the user's mean; mu for a user without a training rating."""
    mean = _mean_by(ratings.user[rows], ratings.rating[rows], ratings.num_users)
    return lambda user, item: mean[user]


def item_mean(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """r_ui = the item's mean; mu for an item without a training rating."""
    mean = _mean_by(ratings.item[rows], ratings.rating[rows], ratings.num_items)
    return lambda user, item: mean[item]


def bias(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """r_ui = mu + b_u + b_i, the shrunk biases of :func:`rating_statistics`, kept on the scale."""
    user, item, rating = ratings.user[rows], ratings.item[rows], ratings.rating[rows].double()
    stats = rating_statistics(user, item, rating, ratings.num_users, ratings.num_items)
    return lambda user, item: stats.estimate(user, item).clamp(*ratings.scale)


def surprise_svd(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """Surprise's biased matrix factorisation by SGD, 10 factors, all else its defaults."""
    return _surprise(_library("surprise").SVD(n_factors=10, random_state=seed), ratings, rows)


def surprise_knn(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """Surprise's item kNN around baselines, shrunk Pearson correlation, all else its defaults.

    Raises:
        BenchmarkError: its dense matrices over pairs of items do not fit into memory.
    """
    return _surprise_knn("surprise-knn", "items", ratings.item[rows], ratings, rows)


def surprise_user_knn(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """Surprise's user kNN around baselines, shrunk Pearson correlation, all else its defaults.

    Raises:
        BenchmarkError: its dense matrices over pairs of users do not fit into memory.
    """
    return _surprise_knn("surprise-user-knn", "users", ratings.user[rows], ratings, rows)


# Settings of Cornac's models: lowest RMSE on the validation part of FilmTrust's fold 0 of 5 (fold seed 0), in small
# grids over rank, epochs, step and penalty; the test part was not looked at. All beat Cornac's defaults there. Of MF's
# ranks the smallest within .001 of the best, 800, which takes four times as long.


def cornac_mf(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """Cornac's biased matrix factorisation by SGD; settings chosen on validation."""
    settings = {"k": 200, "max_iter": 50, "learning_rate": 0.005, "lambda_reg": 0.02, "use_bias": True}
    return _cornac(_library("cornac").models.MF(**settings, seed=seed), ratings, rows, seed)


def cornac_pmf(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """Cornac's probabilistic matrix factorisation through a sigmoid, no biases; settings chosen on validation."""
    settings = {"k": 50, "max_iter": 50, "learning_rate": 0.001, "lambda_reg": 0.002}
    return _cornac(_library("cornac").models.PMF(**settings, seed=seed), ratings, rows, seed)


def cornac_sorec(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """Cornac's SoRec: PMF that factorises the trust links as well; settings chosen on validation."""
    settings = {"k": 100, "max_iter": 50, "learning_rate": 0.001, "lambda_reg": 0.003, "lambda_c": 1}
    return _cornac(_library("cornac").models.SoRec(**settings, seed=seed), ratings, rows, seed)


PEERS = {
    "global": Peer(global_mean),
    "user": Peer(user_mean),
    "item": Peer(item_mean),
    "bias": Peer(bias),
    "surprise-svd": Peer(surprise_svd, seeded=True),
    "surprise-knn": Peer(surprise_knn),
    "surprise-user-knn": Peer(surprise_user_knn),
    "cornac-mf": Peer(cornac_mf, seeded=True),
    "cornac-pmf": Peer(cornac_pmf, seeded=True),
    "cornac-sorec": Peer(cornac_sorec, seeded=True),
}


def _mean_by(group: Tensor, rating: Tensor, size: int) -> Tensor:
    """Mean rating of each group, [size] double; that of all ratings where a group has none."""
    total = torch.zeros(size, dtype=torch.double).index_add_(0, group, rating.double())
    count = torch.bincount(group, minlength=size)
    return torch.where(count > 0, total / count.clamp(min=1), rating.double().mean())


def _library(name: str) -> Any:
    """Import a library of the bench extra."""
    try:
        return import_module(name)
    except ImportError as error:
        raise BenchmarkError(
            f"{name} cannot be imported ({error}). Install it with `pip install 'rrnet-lightning[bench]'`, "
            f"or leave {name}-* out of --models"
        ) from error


def _surprise_knn(name: str, kind: str, number: Tensor, ratings: Ratings, rows: Tensor) -> Predictor:
    """Fit Surprise's kNN over users or items (`kind`); `number` [N] is that of each training rating."""
    surprise = _library("surprise")
    # Four sums and the similarity, 8 bytes each for every pair (surprise.similarities.pearson_baseline).
    need = 5 * 8 * int(number.bincount().count_nonzero()) ** 2 / 2**30
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if need > have:
        raise BenchmarkError(
            f"{name}: needs about {need:.0f} GiB for all pairs of {kind}, found {have:.0f} GiB on this machine. "
            "Leave it out of --models"
        )
    options = {"name": "pearson_baseline", "user_based": kind == "users"}
    return _surprise(surprise.KNNBaseline(sim_options=options, verbose=False), ratings, rows)


def _surprise(algorithm: Any, ratings: Ratings, rows: Tensor) -> Predictor:
    """Fit one of Surprise's algorithms. Its Dataset is used as it is: loading one from rows would take pandas."""
    surprise = _library("surprise")
    data = surprise.Dataset(surprise.Reader(rating_scale=ratings.scale))
    algorithm.fit(data.construct_trainset([(*row, None) for row in _triples(ratings, rows)]))

    def predict(user: Tensor, item: Tensor) -> Tensor:
        pairs = zip(user.tolist(), item.tolist(), strict=True)
        return torch.tensor([algorithm.predict(*pair).est for pair in pairs], dtype=torch.double)

    return predict


def _cornac(model: Any, ratings: Ratings, rows: Tensor, seed: int) -> Predictor:
    """Fit one of Cornac's models, on the rows in random order, as its own splits give them: its SGD does not shuffle.

    A pair that the model cannot score gets Cornac's default, the mean of the training ratings.
    """
    data = _library("cornac").data
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    train = data.Dataset.from_uir(list(_triples(ratings, rows[order])), seed=seed)
    train.min_rating, train.max_rating = ratings.scale  # not those that happen to be found
    links = data.GraphModality(data=[(*link, 1.0) for link in ratings.trust.T.tolist()])  # truster, trustee, weight
    train.add_modalities(user_graph=links.build(id_map=train.uid_map))
    model.fit(train)

    def predict(user: Tensor, item: Tensor) -> Tensor:
        pairs = zip(user.tolist(), item.tolist(), strict=True)
        known = [(train.uid_map.get(u, -1), train.iid_map.get(i, -1)) for u, i in pairs]
        return torch.tensor([float(model.rate(*pair)) for pair in known], dtype=torch.double).clamp(*ratings.scale)

    return predict


def _triples(ratings: Ratings, rows: Tensor) -> Iterator[tuple[int, int, float]]:
    """(user, item, rating) of each row."""
    return zip(ratings.user[rows].tolist(), ratings.item[rows].tolist(), ratings.rating[rows].tolist(), strict=True)
