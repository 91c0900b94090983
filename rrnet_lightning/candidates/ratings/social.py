"""Factorisation of ratings with a trust network: SoReg, SocialMF, TrustMF, TrustSVD.

T_u are the users whom u trusts. The factorisations of the first three papers have no biases (and squash r̂ by a sigmoid
in two of them); here they extend biased MF, which makes them stronger, so that trust is all that differs.
"""

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from scipy.sparse import csr_matrix
from torch import Tensor

from rrnet_lightning.candidates.ratings.factorisation import BiasedMF
from rrnet_lightning.candidates.ratings.tables import SetSum, Table, TrainingRatings
from rrnet_lightning.errors import DataError


class SocialBaseline(BiasedMF):
    """Base of the models that read the trust network as well: biased MF and a social term.

    Args:
        rank: width of the vectors.
        decay: weight λ of the penalties.
        social: weight β of the social term.
        batch_size: ratings in a mini-batch.
        optimizer: parameters -> optimiser.
        scheduler: optimiser -> learning-rate scheduler; None keeps the rate.

    Raises:
        DataError: ``social`` is negative.
    """

    trust: Tensor  # as in TrainingRatings

    def __init__(
        self,
        rank: int = 10,
        decay: float = 0.05,
        social: float = 0.1,
        batch_size: int = 256,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(rank, decay, batch_size, optimizer, scheduler)
        if social < 0:
            raise DataError(f"{type(self).__name__}: found social {social}, wanted at least 0")
        self.social = social

    def build(self, train: TrainingRatings) -> None:
        """Keep the links."""
        super().build(train)
        self.register_buffer("trust", train.trust, persistent=False)


class SoReg(SocialBaseline):
    """Social regularisation, each friend by itself (Ma et al., WSDM 2011, model SR2).

    biased MF, and  β Σ_u Σ_(v in T_u) s_uv |p_u - p_v|²

    s_uv = (1 + ρ_uv) / 2, ρ_uv Pearson's correlation of the training ratings of the items that both rated, around each
    user's mean of all his ratings; ρ_uv = 0 where it is not defined.
    """

    similarity: Tensor

    def build(self, train: TrainingRatings) -> None:
        """Compare the linked users' ratings."""
        super().build(train)
        self.register_buffer("similarity", (1 + pearson(train)) / 2, persistent=False)

    def extra(self) -> Tensor:
        """The social term."""
        trusted, truster = self.trust
        return self.social * (self.similarity @ (self.user.at(truster) - self.user.at(trusted)).square().sum(1))


class SocialMF(SocialBaseline):
    """SocialMF: a user's vector stays near the mean of those he trusts (Jamali and Ester, RecSys 2010).

    biased MF, and  β Σ_u |p_u - 1/|T_u| Σ_(v in T_u) p_v|²    over the users who trust someone
    """

    share: Tensor
    trusting: Tensor

    def build(self, train: TrainingRatings) -> None:
        """Count whom each user trusts."""
        super().build(train)
        count = torch.bincount(train.trust[1], minlength=train.num_users)
        self.register_buffer("share", count.clamp(min=1).reciprocal().unsqueeze(1), persistent=False)
        self.register_buffer("trusting", count.nonzero().squeeze(1), persistent=False)

    def extra(self) -> Tensor:
        """The social term."""
        trusted, truster = self.trust
        mean = torch.zeros_like(self.user.rows).index_add(0, truster, self.user.at(trusted)) * self.share
        return self.social * (self.user.rows - mean).index_select(0, self.trusting).square().sum()


class TrustMF(SocialBaseline):
    """TrustMF: one vector for a user as truster, one as trusted (Yang et al., IJCAI 2013).

    truster model   r_ui = μ + b_u + b_i + q_i · p_u      trusted model   r_ui = μ + b_u + b_i + q'_i · w'_u
                    t_uv = w_v · p_u                                      t_uv = w'_v · p'_u
    answer          r_ui = μ + b_u + b_i + (q_i + q'_i)/2 · (p_u + w'_u)/2

    minimise for both  Σ_(u,i) (r_ui - r̂_ui)² + β Σ_u Σ_(v in T_u) (1 - t_uv)² + λ |rows|² for each rating and each link
    """

    def build(self, train: TrainingRatings) -> None:
        """Make p', q', w and w', and let links count where p is penalised."""
        super().build(train)
        trusted, truster = (torch.bincount(ends, minlength=train.num_users).float() for ends in train.trust)
        ratings, items = train.user_count, train.item_count
        self.user = self._table(ratings + truster)
        self.trusted = self._table(trusted)
        self.user_too = self._table(truster)
        self.trusted_too = self._table(ratings + trusted)
        self.item_too = self._table(items)

    def _table(self, count: Tensor) -> Table:
        return Table(count, self.rank, self.decay * count)

    def rate(self, user: Tensor, item: Tensor) -> Tensor:
        """The answer of the equations above."""
        users, items = self.user.at(user) + self.trusted_too.at(user), self.item.at(item) + self.item_too.at(item)
        return self.bias(user, item) + (users * items).sum(1) / 4

    def error(self, user: Tensor, item: Tensor, rating: Tensor) -> Tensor:
        """Mean squared errors of both models, added."""
        rest = rating - self.bias(user, item)
        own = (self.user.at(user) * self.item.at(item)).sum(1)
        too = (self.trusted_too.at(user) * self.item_too.at(item)).sum(1)
        return F.mse_loss(own, rest) + F.mse_loss(too, rest)

    def extra(self) -> Tensor:
        """The social terms."""
        trusted, truster = self.trust
        own = (self.trusted.at(trusted) * self.user.at(truster)).sum(1)
        too = (self.trusted_too.at(trusted) * self.user_too.at(truster)).sum(1)
        return self.social * ((1 - own).square().sum() + (1 - too).square().sum())


class TrustSVD(SocialBaseline):
    """TrustSVD (Guo, Zhang and Yorke-Smith, AAAI 2015).

    r_ui = μ + b_u + b_i + q_i · (p_u + |N(u)|^-1/2 Σ_(j in N(u)) y_j + |T_u|^-1/2 Σ_(v in T_u) w_v)

    minimise  Σ_(u,i) [ (r_ui - r̂_ui)² + λ |N(u)|^-1/2 (b_u² + |p_u|²) + λ |U_i|^-1/2 (b_i² + |q_i|²)
                        + λ Σ_(j in N(u)) |U_j|^-1/2 |y_j|² + λ Σ_(v in T_u) |T'_v|^-1/2 |w_v|² ]
              + β Σ_u Σ_(v in T_u) [ (1 - w_v · p_u)² + |T_u|^-1/2 |p_u|² ]

    N(u): the items that u rated in the training part, U_i: who rated i there, T'_v: who trusts v. The penalties are
    paid for each rating, as in the authors' implementation (LibRec); outside the sum, as printed, they hardly bind.
    """

    def build(self, train: TrainingRatings) -> None:
        """Make all tables; their penalties are other ones than biased MF's."""
        super().build(train)
        (trusted, truster), users, items = train.trust, train.user_count, train.item_count
        trusts, trusters = (torch.bincount(ends, minlength=train.num_users).float() for ends in (truster, trusted))
        pays_y = torch.zeros_like(items).index_add_(0, train.item, users[train.user])
        pays_w = torch.zeros_like(users).index_add_(0, trusted, users[truster])
        of_user, of_item = self.decay * users.sqrt(), self.decay * items.sqrt()
        self.user_bias, self.item_bias = Table(users, 1, of_user, std=0), Table(items, 1, of_item, std=0)
        self.user = Table(users + trusts, self.rank, of_user + self.social * trusts.sqrt())
        self.item = Table(items, self.rank, of_item)
        self.implicit = Table(items, self.rank, self.decay * pays_y / items.clamp(min=1).sqrt())
        self.trusted = Table(trusters, self.rank, self.decay * pays_w / trusters.clamp(min=1).sqrt())
        self.rated = SetSum(train.user, train.item, train.num_users)
        self.trusts = SetSum(truster, trusted, train.num_users)

    def taste(self, user: Tensor) -> Tensor:
        """The bracket of the equation, [B, rank]."""
        of_all = self.rated.of(self.implicit.rows) + self.trusts.of(self.trusted.rows)
        return super().taste(user) + of_all.index_select(0, user)

    def extra(self) -> Tensor:
        """The social term."""
        trusted, truster = self.trust
        return self.social * (1 - (self.trusted.at(trusted) * self.user.at(truster)).sum(1)).square().sum()


def pearson(train: TrainingRatings) -> Tensor:
    """Correlation of the two users of each trust link over the items that both rated, [L]; see :class:`SoReg`."""
    trusted, truster = train.trust.numpy()
    total = torch.zeros(train.num_users).index_add_(0, train.user, train.rating)
    mean = total / train.user_count.clamp(min=1)
    place, shape = (train.user.numpy(), train.item.numpy()), (train.num_users, train.num_items)
    centred = csr_matrix(((train.rating - mean[train.user]).double().numpy(), place), shape=shape)
    rated = csr_matrix((np.ones(len(train.user)), place), shape=shape)

    def over_common(one: csr_matrix, other: csr_matrix) -> np.ndarray:
        return np.asarray(one[truster].multiply(other[trusted]).sum(1)).ravel()

    squares = centred.multiply(centred).tocsr()
    spread = np.sqrt(over_common(squares, rated) * over_common(rated, squares))
    value = over_common(centred, centred) / np.where(spread > 1e-9, spread, np.inf)
    return torch.from_numpy(value).float().clamp(-1, 1)
