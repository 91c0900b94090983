"""Closed-form statistics of ratings: the bias estimate b_ui = mu + b_u + b_i, counts and spreads."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RatingStatistics:
    """What the visible ratings say of each user and item, in rating units.

    Shapes:
        mean: scalar, of all visible ratings. spread: scalar, root mean square of what the biases leave of them.
        user_bias, user_count, user_spread: [N_u]. item_bias, item_count, item_spread: [N_i].
    """

    mean: Tensor
    spread: Tensor
    user_bias: Tensor
    item_bias: Tensor
    user_count: Tensor
    item_count: Tensor
    user_spread: Tensor
    item_spread: Tensor

    def estimate(self, user: Tensor, item: Tensor) -> Tensor:
        """Return b_ui for pairs, [E]."""
        return self.mean + self.user_bias[user] + self.item_bias[item]


def rating_statistics(
    user: Tensor,
    item: Tensor,
    rating: Tensor,
    num_users: int,
    num_items: int,
    *,
    user_shrink: float = 15.0,
    item_shrink: float = 10.0,
    sweeps: int = 5,
) -> RatingStatistics:
    """Fit user and item biases by alternating ridge steps, and measure counts and spreads.

    b_i = sum_u (r_ui - mu - b_u) / (item_shrink + n_i), then b_u likewise, ``sweeps`` times; shrinkage and order as in
    Koren, Factor in the Neighbors (2010), section 2.1. The spread of a user is the root of the mean square of what the
    biases leave of their ratings, where five ratings of the overall mean square are added. A user or item without a
    rating has bias 0 and the overall spread. Without any rating everything is 0. Costs O(sweeps · E).

    Shapes:
        user, item: [E] long. rating: [E] float.
    """
    ones = torch.ones_like(rating)
    user_count, item_count = _total(ones, user, num_users), _total(ones, item, num_items)
    mean = rating.mean() if len(rating) else rating.new_zeros(())
    user_bias, item_bias = rating.new_zeros(num_users), rating.new_zeros(num_items)
    for _ in range(sweeps):
        item_bias = _total(rating - mean - user_bias[user], item, num_items) / (item_shrink + item_count)
        user_bias = _total(rating - mean - item_bias[item], user, num_users) / (user_shrink + user_count)
    square = (rating - mean - user_bias[user] - item_bias[item]).square()
    overall = square.mean() if len(rating) else mean

    def spread(node: Tensor, count: Tensor) -> Tensor:
        return ((_total(square, node, len(count)) + 5 * overall) / (count + 5)).sqrt()

    spreads = spread(user, user_count), spread(item, item_count)
    return RatingStatistics(mean, overall.sqrt(), user_bias, item_bias, user_count, item_count, *spreads)


def _total(values: Tensor, node: Tensor, size: int) -> Tensor:
    """Sum of the values at each node, [size]."""
    return values.new_zeros(size).index_add(0, node, values)
