"""Where the relevant items of many queries stand in their rankings, with ties in every order at once."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.errors import GraphError

Ties = Literal["expected", "stable", "optimistic", "pessimistic"]


@dataclass(frozen=True)
class Ranking:
    """Rankings of many queries: items sorted by query, then from the best to the worst. Made by :func:`rank`.

    Items of one query with equal scores are a *block*; within it every order is equally likely. A block of n items, k
    of them relevant, follows ``before`` items, ``found`` of them relevant. Its item at place t, from 1 to n, has rank
    before + t.

    Shapes:
        query: [M] long, 0 to Q - 1. place, before, n, k, found: [M] double. num_relevant: [Q] double.
    """

    query: Tensor
    place: Tensor
    before: Tensor
    n: Tensor
    k: Tensor
    found: Tensor
    num_relevant: Tensor

    @property
    def position(self) -> Tensor:
        """The ranks, [M] double, 1-based."""
        return self.before + self.place

    @cached_property
    def first(self) -> Tensor:
        """Probability that the query's first relevant item stands at this rank, [M] double: C(n-t, k-1) / C(n, k)."""
        holds = (self.found == 0) & (self.k > 0)
        chance = (log_choose(self.n - self.place, self.k - 1) - log_choose(self.n, self.k)).exp()
        return torch.where(holds & (self.place <= self.n - self.k + 1), chance, 0)

    def total(self, values: Tensor) -> Tensor:
        """Sum [M] values of each query's items, [Q]."""
        return torch.zeros_like(self.num_relevant).index_add(0, self.query, values)

    def recall(self, k: int) -> Tensor:
        """Probability that a relevant item is among the k best, [Q]: sum over ranks up to k of :attr:`first`."""
        return self.total(torch.where(self.position <= k, self.first, 0))

    def reciprocal_rank(self) -> Tensor:
        """Expected 1 / rank of the first relevant item, [Q]; 0 where there is none."""
        return self.total(self.first / self.position)

    def first_rank(self) -> Tensor:
        """Expected rank of the first relevant item, [Q]: before + (n + 1) / (k + 1); 0 where there is none."""
        return self.total(self.first * self.position)

    def ndcg(self, k: int | None = None) -> Tensor:
        """Expected normalised discounted cumulative gain, [Q], of the k best (None: of all); 0 where none is relevant.

        An item gains 1 / log2(rank + 1) where it is relevant: at a rank within a block with the chance k / n. The sum
        is divided by that of the best order of all relevant items.
        """
        within = self.position <= (torch.inf if k is None else k)
        gain = self.total(torch.where(within, self.k / self.n / (self.position + 1).log2(), 0))
        most = int(self.num_relevant.max()) if len(self.num_relevant) else 0
        discounts = 1 / torch.arange(2, most + 2, dtype=gain.dtype, device=gain.device).log2()
        ideal = torch.cat([gain.new_zeros(1), discounts.cumsum(0)])
        best = ideal[self.num_relevant.clamp(max=most if k is None else k).long()]
        return torch.where(best > 0, gain / best.clamp(min=1), 0)


def rank(
    query: Tensor, score: Tensor, relevant: Tensor, missed: Tensor | None = None, ties: Ties = "expected"
) -> tuple[Ranking, Tensor]:
    """Return the rankings of all queries, and the queries' names, [Q] long ascending.

    A score that is not a number counts against the model: last on a relevant item, first on another one. Costs a few
    sorts of all items.

    Args:
        query: see Shapes.
        score: see Shapes.
        relevant: see Shapes.
        missed: see Shapes.
        ties: order of equal scores. ``expected``: every order at once; ``stable``: as given; ``optimistic``: relevant
            ones first; ``pessimistic``: relevant ones last.

    Shapes:
        query: [E] long, any names. score: [E] float. relevant: [E] bool.
        missed: [M, 2] long, name of a query and rank of a relevant item that has no score; ranks start at 1 and lie
            beyond the query's scored items. Rows may repeat.

    Raises:
        GraphError: a missed item's rank is one of the scored items'.
    """
    missed = query.new_zeros(0, 2) if missed is None else missed.unique(dim=0)
    score = torch.where(score.isnan(), torch.where(relevant, -torch.inf, torch.inf), score.double())
    names, own = torch.cat([query, missed[:, 0]]).unique(return_inverse=True)
    score = torch.cat([score, -missed[:, 1].double()])
    hit = torch.cat([relevant, relevant.new_ones(len(missed))])
    late = torch.arange(len(hit), device=hit.device) >= len(query)
    group = own * 2 + late  # all scored items stand before the missed ones
    order = torch.arange(len(hit), device=hit.device)
    if ties in ("optimistic", "pessimistic"):
        order = hit.long().argsort(stable=True, descending=ties == "optimistic")
    order = order[score[order].argsort(stable=True, descending=True)]
    order = order[group[order].argsort(stable=True)]
    ranking = _blocks(own[order], group[order], score[order], hit[order].double(), len(names), ties == "expected")
    return _with_missed(ranking, late[order], -score[order]), names


def _with_missed(ranking: Ranking, late: Tensor, ranks: Tensor) -> Ranking:
    """Missed items at the ranks given."""
    scored = ranking.total((~late).double())[ranking.query]
    wrong = late & (ranks <= scored)
    if wrong.any():
        found = f"rank {int(ranks[wrong][0])} of a query with {int(scored[wrong][0])} candidates"
        raise GraphError.of("missed", found, "ranks beyond the candidates, or -1 as padding")
    return replace(ranking, before=torch.where(late, ranks - 1, ranking.before))


def _blocks(query: Tensor, group: Tensor, score: Tensor, hit: Tensor, size: int, tied: bool) -> Ranking:
    """Sorted items -> their blocks; ``before`` counts items, not ranks."""
    index = torch.arange(len(query), device=query.device)
    new = torch.ones_like(query, dtype=torch.bool)
    if tied:
        new[1:] = (group[1:] != group[:-1]) | (score[1:] != score[:-1])
    block, start = new.cumsum(0) - 1, index[new]
    counts = hit.new_zeros(len(start)).index_add(0, block, torch.ones_like(hit))
    hits = hit.new_zeros(len(start)).index_add(0, block, hit)
    done = hits.cumsum(0) - hits
    num_items = query.bincount(minlength=size)
    num_relevant = hit.new_zeros(size).index_add(0, query, hit)
    first_item, first_hit = num_items.cumsum(0) - num_items, num_relevant.cumsum(0) - num_relevant
    return Ranking(
        query,
        place=(index - start[block] + 1).double(),
        before=(start[block] - first_item[query]).double(),
        n=counts[block],
        k=hits[block],
        found=done[block] - first_hit[query],
        num_relevant=num_relevant,
    )


def log_choose(n: Tensor, k: Tensor) -> Tensor:
    """Logarithm of the binomial coefficient of [...] doubles; -inf where k < 0 or k > n."""
    inside = (k >= 0) & (k <= n)
    n, k = n.where(inside, 0), k.where(inside, 0)
    return torch.where(inside, (n + 1).lgamma() - (k + 1).lgamma() - (n - k + 1).lgamma(), -torch.inf)
