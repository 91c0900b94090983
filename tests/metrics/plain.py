"""Retrieval metrics by plain loops: the mean over all orders of equal scores."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

Order = list[bool]  # relevant or not, from the best to the worst


def orders(scores: Sequence[float], relevant: Sequence[bool], missed: Sequence[int] = ()) -> Iterator[Order]:
    """Every order that the scores allow, missed ranks behind."""
    for p in itertools.permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(p)):
            tail = [rank in missed for rank in range(len(scores) + 1, max(missed, default=0) + 1)]
            yield [relevant[i] for i in p] + tail


def mean(value: Callable[[Order], float], *query: Sequence[float]) -> float:
    """Mean of a value over all orders of a query."""
    values = [value(order) for order in orders(*query)]  # type: ignore[arg-type]
    return sum(values) / len(values)


def precision(order: Order, k: int | None = None, z: str = "found") -> float:
    ranks = [i for i, hit in enumerate(order[:k], start=1) if hit]
    z_of = {"found": len(ranks), "min": min(k or len(order), sum(order)), "all": sum(order)}
    return sum(j / rank for j, rank in enumerate(ranks, start=1)) / max(z_of[z], 1)


def first(order: Order) -> int:
    return order.index(True) + 1


def ndcg(order: Order, k: int | None = None) -> float:
    def gain(hits: Order) -> float:
        return sum(hit / math.log2(i + 1) for i, hit in enumerate(hits[:k], start=1))

    return gain(order) / gain(sorted(order, reverse=True))
