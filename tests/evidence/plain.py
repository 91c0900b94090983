"""What `rating_statistics` and `write_evidence` should write, worked out slowly: loops over dicts, numpy's float64."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Pair = tuple[int, int]  # user, item
Weights = dict[Pair, float]  # (neighbour, node) -> weight


@dataclass
class Statistics:
    """Of the visible ratings; users and items in dicts of their own, by number."""

    mean: float
    spread: float
    bias: tuple[dict[int, float], dict[int, float]]
    count: tuple[dict[int, int], dict[int, int]]
    spreads: tuple[dict[int, float], dict[int, float]]

    def estimate(self, user: int, item: int) -> float:
        """b_ui."""
        return self.mean + self.bias[0][user] + self.bias[1][item]


def statistics(ratings: Mapping[Pair, float], users: int, items: int) -> Statistics:
    """Koren's biases: items shrunk by 10, users by 15, five rounds of items, then users; spreads of what is left."""
    mean = float(np.mean(list(ratings.values())))
    of_user = {user: {i: r for (u, i), r in ratings.items() if u == user} for user in range(users)}
    of_item = {item: {u: r for (u, i), r in ratings.items() if i == item} for item in range(items)}
    user_bias, item_bias = dict.fromkeys(range(users), 0.0), dict.fromkeys(range(items), 0.0)
    for _ in range(5):
        for item, given in of_item.items():
            item_bias[item] = sum(r - mean - user_bias[u] for u, r in given.items()) / (10 + len(given))
        for user, given in of_user.items():
            user_bias[user] = sum(r - mean - item_bias[i] for i, r in given.items()) / (15 + len(given))
    left = {(u, i): (r - mean - user_bias[u] - item_bias[i]) ** 2 for (u, i), r in ratings.items()}
    overall = float(np.mean(list(left.values())))

    def spreads(end: int, number: int) -> dict[int, float]:
        own = {n: [square for pair, square in left.items() if pair[end] == n] for n in range(number)}
        return {n: float(np.sqrt((sum(squares) + 5 * overall) / (len(squares) + 5))) for n, squares in own.items()}

    counts = {u: len(given) for u, given in of_user.items()}, {i: len(given) for i, given in of_item.items()}
    return Statistics(
        mean, float(np.sqrt(overall)), (user_bias, item_bias), counts, (spreads(0, users), spreads(1, items))
    )


def co_rating(rated: list[Pair], end: int, number: int, k: int) -> Weights:
    """The k users (end 0) or items (end 1) that share most items or users with each, nearest first, ties by number."""
    sets = [{pair[1 - end] for pair in rated if pair[end] == n} for n in range(number)]
    found: Weights = {}
    for node in range(number):
        near = []
        for other in range(number):
            common = len(sets[node] & sets[other])
            if other != node and common:
                weight = common / np.sqrt(len(sets[node]) * len(sets[other])) * common / (common + 10)
                near.append((-weight, other))
        found |= {(other, node): -weight for weight, other in sorted(near)[:k]}
    return found


def evidence(
    pairs: list[Pair],
    visible: Mapping[Pair, float],
    links: list[tuple[Weights, int]],
    sizes: Pair,
    scale: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """``edge_attr`` and ``prior`` of pairs; ``links``: neighbours of users (0) or items (1) that speak for a pair."""
    stats = statistics(visible, *sizes)
    rows, prior = [], []
    z = {pair: (r - stats.estimate(*pair)) / stats.spread for pair, r in visible.items()}
    for user, item in pairs:
        estimate = stats.estimate(user, item)
        row = [float((user, item) in visible), z.get((user, item), 0.0), (estimate - stats.mean) / stats.spread]
        for weights, end in links:
            node = (user, item)[end]
            heard = [
                (weight, z[other])
                for (neighbour, of), weight in weights.items()
                for other in [(neighbour, item) if end == 0 else (user, neighbour)]
                if of == node and other in z
            ]
            mass = sum(weight for weight, _ in heard)
            row += [sum(weight * value for weight, value in heard) / (1 + mass), np.log(1 + mass)]
        rows.append(row)
        place = min(max((estimate - scale[0]) / (scale[1] - scale[0]), 0.02), 0.98)
        prior.append(np.log(place / (1 - place)))
    return np.array(rows), np.array(prior)


def attributes(visible: Mapping[Pair, float], sizes: Pair) -> list[np.ndarray]:
    """``x`` of users and of items."""
    stats = statistics(visible, *sizes)
    return [
        np.array(
            [
                [
                    stats.bias[end][n] / stats.spread,
                    np.log(1 + stats.count[end][n]) / 3,
                    stats.spreads[end][n] / stats.spread - 1,
                    1 / (1 + stats.count[end][n]),
                ]
                for n in range(sizes[end])
            ]
        )
        for end in (0, 1)
    ]
