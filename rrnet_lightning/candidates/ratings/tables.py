"""What the models learn from, and the tables of vectors that they learn."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.build import given_edges


@dataclass(frozen=True, eq=False)
class TrainingRatings:
    """All that a model may learn from: the training ratings and the trust links, as tensors.

    Attributes:
        user, item: [R] long. rating: [R] float.
        trust: [2, L] long, trusted user -> truster, distinct, sorted by truster; both directions of each link if the
            data's ``trust`` is "both", none if it is "none".
        num_users, num_items: sizes of the full data.
        scale: lowest and highest rating possible.
    """

    user: Tensor
    item: Tensor
    rating: Tensor
    trust: Tensor
    num_users: int
    num_items: int
    scale: tuple[float, float]

    @classmethod
    def of(cls, data: Any) -> "TrainingRatings":
        """Take them from a :class:`SocialDataModule` that is set up.

        Raises:
            DataError: other data, or no training rating.
        """
        if not all(hasattr(data, name) for name in ("ratings", "split", "trust")):
            raise DataError(
                f"data: found {type(data).__name__}, wanted SocialDataModule: the model learns from ratings"
            )
        ratings, rows = data.ratings, data.split.train
        if not len(rows):
            raise DataError("train: found no rating, wanted at least one; use other folds")
        trust = ratings.trust.flip(0)[:, : 0 if data.trust == "none" else None]
        return cls(
            ratings.user[rows],
            ratings.item[rows],
            ratings.rating[rows],
            given_edges(trust, ratings.num_users, symmetric=data.trust == "both"),
            ratings.num_users,
            ratings.num_items,
            ratings.scale,
        )

    @property
    def user_count(self) -> Tensor:
        """Ratings of each user, [num_users] float."""
        return torch.bincount(self.user, minlength=self.num_users).float()

    @property
    def item_count(self) -> Tensor:
        """Ratings of each item, [num_items] float."""
        return torch.bincount(self.item, minlength=self.num_items).float()


class Table(nn.Module):
    """A learnt vector for each user, or each item, and its penalty: the sum over rows of penalty · |row|².

    Rows start at random, normal with standard deviation ``std``. Rows with a count of 0 start at zero: no rating or
    link will teach them.

    Shapes:
        count: [N] float, how many ratings or links teach a row. penalty: [N] float. rows: [N, width].
    """

    penalty: Tensor

    def __init__(self, count: Tensor, width: int, penalty: Tensor, std: float = 0.1) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(len(count), width) * std * (count > 0).unsqueeze(1))
        self.register_buffer("penalty", penalty, persistent=False)

    def at(self, index: Tensor) -> Tensor:
        """Return the rows of an index, [B] long -> [B, width]."""
        return self.rows.index_select(0, index)

    def cost(self) -> Tensor:
        """Return sum over rows of penalty · |row|², a scalar."""
        return self.penalty @ self.rows.square().sum(1)


class SetSum(nn.Module):
    """Adds up the vectors of a set: |S_n|^-1/2 Σ_(m in S_n) row_m for each n. An empty set gives zero.

    S_n may be the items that user n rated, or the users whom n trusts.

    Shapes:
        owner, member: [L] long, n and m of every member of every set. of: rows [M, H] -> [N, H].
    """

    member: Tensor
    start: Tensor
    factor: Tensor

    def __init__(self, owner: Tensor, member: Tensor, num_owners: int) -> None:
        super().__init__()
        count = torch.bincount(owner, minlength=num_owners)
        for name, value in {
            "member": member[owner.argsort(stable=True)],
            "start": count.cumsum(0) - count,
            "factor": count.clamp(min=1).float().rsqrt().unsqueeze(1),
        }.items():
            self.register_buffer(name, value, persistent=False)

    def of(self, rows: Tensor) -> Tensor:
        """Return the sum of each set."""
        return F.embedding_bag(self.member, rows, self.start, mode="sum") * self.factor
