"""Average precision, with every choice that published figures differ by."""

from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.metrics.ranks import Ranking, Ties, log_choose, rank

Divisor = Literal["found", "min", "all"]


def average_precision(
    scores: Tensor, relevant: Tensor, *, k: int | None = None, z: Divisor = "found", ties: Ties = "expected"
) -> Tensor:
    """Return the average precision of each query: (1 / Z) * sum over relevant items j in the k best of j / rank_j.

    A query without a relevant item gets 0; leave it out of a mean where it should not count.

    Args:
        scores: see Shapes.
        relevant: see Shapes.
        k: how many of the best items count; None: all.
        z: ``found``: Z is the number of relevant items among the k best; ``min``: that or k, whichever is smaller, of
            all relevant items; ``all``: all relevant items. Without ``k`` the three agree.
        ties: order of equal scores, see :func:`rrnet_lightning.metrics.ranks.rank`. ``expected`` is the mean over all
            orders, in closed form: see :func:`ranked_precision`.

    Shapes:
        scores: [..., N] float. relevant: [..., N] bool.  returns: [...] double.

    Raises:
        ValueError: the shapes differ, or ``k`` is below 1.
    """
    if scores.shape != relevant.shape or not scores.dim():
        found = f"scores {list(scores.shape)}, relevant {list(relevant.shape)}"
        raise ValueError(f"average_precision: found {found}, wanted one shape [..., N]")
    if k is not None and k < 1:
        raise ValueError(f"average_precision: found k={k}, wanted at least 1")
    rows = scores.shape[:-1].numel()
    query = torch.arange(rows, device=scores.device).repeat_interleave(scores.size(-1))
    ranking, names = rank(query, scores.reshape(-1), relevant.reshape(-1), ties=ties)
    full = ranking.num_relevant.new_zeros(rows)
    full[names] = ranked_precision(ranking, k, z)
    return full.reshape(scores.shape[:-1])


def ranked_precision(ranking: Ranking, k: int | None = None, z: Divisor = "found") -> Tensor:
    """Return the expected average precision of each query, [Q] double; 0 where no item is relevant.

    A block of n items, h relevant, after s items, a relevant, adds in expectation
    ``sum_t (h / n) * (a + 1 + (t - 1) * (h - 1) / (n - 1)) / (s + t)``.
    Where the k-th rank cuts a block after m of its items and Z is ``found``, Z varies too. Given that i of the m are
    relevant the block adds the same sum with m for n and i for h, and Z is a + i; i is hypergeometric.
    """
    r, cut = ranking, torch.inf if k is None else k
    slope = (r.place - 1) * (r.k - 1) / (r.n - 1).clamp(min=1)
    gain = torch.where(r.position <= cut, r.k / r.n * (r.found + 1 + slope) / r.position, 0)
    if k is None or z == "all":
        return r.total(gain) / r.num_relevant.clamp(min=1)
    if z == "min":
        return r.total(gain) / r.num_relevant.clamp(min=1, max=k)
    whole = r.before + r.n <= k
    done = r.total(torch.where(whole, gain, 0))
    certain = r.total(torch.where(whole, r.k / r.n, 0))
    split = torch.zeros_like(done).index_fill(0, r.query[~whole & (r.before < k)], 1) > 0
    return torch.where(split, _cut(r, k, done), done / certain.clamp(min=1))


def _cut(r: Ranking, k: int, done: Tensor) -> Tensor:
    """Expected AP of the queries with a block that rank k cuts; its item t stands for i = t - 1 relevant ones."""
    m = k - r.before
    cut = (m > 0) & (m < r.n)
    inside = cut & (r.place <= m)
    ones = r.total(torch.where(inside, 1 / r.position, 0))[r.query]
    steps = r.total(torch.where(inside, (r.place - 1) / r.position, 0))[r.query]
    i = r.place - 1
    chance = (log_choose(r.k, i) + log_choose(r.n - r.k, m - i) - log_choose(r.n, m)).exp()
    adds = i / m.clamp(min=1) * ((r.found + 1) * ones + (i - 1) / (m - 1).clamp(min=1) * steps)
    value = (done[r.query] + adds) / (r.found + i).clamp(min=1)
    return r.total(torch.where(cut, chance * value, 0))
