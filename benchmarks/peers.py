"""What a user would install or write in a line instead, behind one signature: (ratings, rows, seed) -> predictor."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.rows import BenchmarkError
from rrnet_lightning.data import Ratings, rating_statistics

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
    """r_ui = mu + b_u + b_i, shrunk biases of :func:`rrnet_lightning.data.rating_statistics`, kept on the scale."""
    user, item, rating = ratings.user[rows], ratings.item[rows], ratings.rating[rows].double()
    stats = rating_statistics(user, item, rating, ratings.num_users, ratings.num_items)
    return lambda user, item: stats.estimate(user, item).clamp(*ratings.scale)


def surprise_svd(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """Surprise's biased matrix factorisation by SGD, 10 factors, all else its defaults."""
    return _surprise(_import_surprise().SVD(n_factors=10, random_state=seed), ratings, rows)


def surprise_knn(ratings: Ratings, rows: Tensor, seed: int = 0) -> Predictor:
    """Surprise's item kNN around baselines, shrunk Pearson correlation, all else its defaults.

    Raises:
        BenchmarkError: its dense matrices over pairs of items do not fit into memory.
    """
    surprise = _import_surprise()
    # Four sums and the similarity, 8 bytes each for every pair of items (surprise.similarities.pearson_baseline).
    need = 5 * 8 * int(ratings.item[rows].bincount().count_nonzero()) ** 2 / 2**30
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    if need > have:
        raise BenchmarkError(
            f"surprise-knn: needs about {need:.0f} GiB for all pairs of items, found {have:.0f} GiB on this machine. "
            "Leave it out of --models"
        )
    options = {"name": "pearson_baseline", "user_based": False}
    return _surprise(surprise.KNNBaseline(sim_options=options, verbose=False), ratings, rows)


PEERS = {
    "global": Peer(global_mean),
    "user": Peer(user_mean),
    "item": Peer(item_mean),
    "bias": Peer(bias),
    "surprise-svd": Peer(surprise_svd, seeded=True),
    "surprise-knn": Peer(surprise_knn),
}


def _mean_by(group: Tensor, rating: Tensor, size: int) -> Tensor:
    """Mean rating of each group, [size] double; that of all ratings where a group has none."""
    total = torch.zeros(size, dtype=torch.double).index_add_(0, group, rating.double())
    count = torch.bincount(group, minlength=size)
    return torch.where(count > 0, total / count.clamp(min=1), rating.double().mean())


def _import_surprise() -> Any:
    try:
        import surprise
    except ImportError as error:
        raise BenchmarkError(
            f"Surprise cannot be imported ({error}). Install it with `pip install 'rrnet-lightning[bench]'`, "
            "or leave surprise-* out of --models"
        ) from error
    return surprise


def _surprise(algorithm: Any, ratings: Ratings, rows: Tensor) -> Predictor:
    """Fit one of Surprise's algorithms. Its Dataset is used as it is: loading one from rows would take pandas."""
    surprise = _import_surprise()
    columns = (ratings.user[rows].tolist(), ratings.item[rows].tolist(), ratings.rating[rows].tolist())
    data = surprise.Dataset(surprise.Reader(rating_scale=ratings.scale))
    algorithm.fit(data.construct_trainset([(*row, None) for row in zip(*columns, strict=True)]))

    def predict(user: Tensor, item: Tensor) -> Tensor:
        pairs = zip(user.tolist(), item.tolist(), strict=True)
        return torch.tensor([algorithm.predict(*pair).est for pair in pairs], dtype=torch.double)

    return predict
