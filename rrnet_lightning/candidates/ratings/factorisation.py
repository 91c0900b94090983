"""Factorisation of ratings alone: biased MF and SVD++."""

import torch
from torch import Tensor

from rrnet_lightning.candidates.ratings.base import RatingBaseline
from rrnet_lightning.candidates.ratings.tables import SetSum, Table, TrainingRatings


class BiasedMF(RatingBaseline):
    """Biased matrix factorisation (Koren, Bell and Volinsky, IEEE Computer 2009).

    r_ui = μ + b_u + b_i + q_i · p_u

    minimise  Σ_(u,i) (r_ui - r̂_ui)² + λ (b_u² + b_i² + |p_u|² + |q_i|²)

    the sum over training ratings, so that a row's penalty is λ times its number of ratings. μ is their mean.
    """

    mean: Tensor

    def build(self, train: TrainingRatings) -> None:
        """Make p, q and the biases."""
        of_user, of_item = train.user_count, train.item_count
        self.register_buffer("mean", train.rating.mean(), persistent=False)
        self.user_bias = Table(of_user, 1, self.decay * of_user, std=0)
        self.item_bias = Table(of_item, 1, self.decay * of_item, std=0)
        self.user = Table(of_user, self.rank, self.decay * of_user)
        self.item = Table(of_item, self.rank, self.decay * of_item)

    def rate(self, user: Tensor, item: Tensor) -> Tensor:
        """r_ui of the equation above."""
        return self.bias(user, item) + (self.taste(user) * self.item.at(item)).sum(1)

    def taste(self, user: Tensor) -> Tensor:
        """What q_i is multiplied with, [B, rank]."""
        return self.user.at(user)

    def bias(self, user: Tensor, item: Tensor) -> Tensor:
        """μ + b_u + b_i, [B]."""
        return self.mean + (self.user_bias.at(user) + self.item_bias.at(item)).squeeze(1)


class SVDpp(BiasedMF):
    """SVD++ (Koren, KDD 2008, equation 15).

    r_ui = μ + b_u + b_i + q_i · (p_u + |N(u)|^-1/2 Σ_(j in N(u)) y_j)

    minimise  Σ_(u,i) (r_ui - r̂_ui)² + λ (b_u² + b_i² + |p_u|² + |q_i|² + Σ_(j in N(u)) |y_j|²)

    N(u): the items that u rated in the training part.
    """

    def build(self, train: TrainingRatings) -> None:
        """Make y and N(u) as well."""
        super().build(train)
        self.rated = SetSum(train.user, train.item, train.num_users)
        times = torch.zeros(train.num_items).index_add_(0, train.item, train.user_count[train.user])
        self.implicit = Table(train.item_count, self.rank, self.decay * times)

    def taste(self, user: Tensor) -> Tensor:
        """The bracket of the equation, [B, rank]."""
        return super().taste(user) + self.rated.of(self.implicit.rows).index_select(0, user)
