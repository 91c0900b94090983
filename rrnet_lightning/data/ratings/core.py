"""The dense part of a rating data set."""

from dataclasses import replace

import torch
from torch import Tensor

from rrnet_lightning.data.ratings.reader import Dropped, Ratings
from rrnet_lightning.errors import DataError


def k_core(ratings: Ratings, k: int) -> Ratings:
    """Keep the largest part of the ratings in which every user and every item has at least ``k`` of them.

    The users and items left are numbered anew, in the same order. What falls away is counted.

    Raises:
        DataError: nothing is left.
    """
    kept = torch.ones(len(ratings.rating), dtype=torch.bool)
    while True:
        many = [
            torch.bincount(column[kept], minlength=size)[column] >= k
            for column, size in ((ratings.user, ratings.num_users), (ratings.item, ratings.num_items))
        ]
        smaller = kept & many[0] & many[1]
        if torch.equal(smaller, kept):
            break
        kept = smaller
    if not kept.any():
        raise DataError(f"k_core: found no users and items of {k} ratings or more, wanted some. Set a lower k.")
    users, items = ratings.user[kept].unique(), ratings.item[kept].unique()
    new_user = _renumber(users, ratings.num_users)
    trust = new_user[ratings.trust]
    both = (trust >= 0).all(0)
    return replace(
        ratings,
        user=new_user[ratings.user[kept]],
        item=_renumber(items, ratings.num_items)[ratings.item[kept]],
        rating=ratings.rating[kept],
        trust=trust[:, both],
        user_ids=[ratings.user_ids[row] for row in users.tolist()],
        item_ids=[ratings.item_ids[row] for row in items.tolist()],
        dropped=[
            *ratings.dropped,
            Dropped(int((~kept).sum()), f"ratings outside the {k}-core"),
            Dropped(int((~both).sum()), f"trust links outside the {k}-core"),
        ],
    )


def _renumber(rows: Tensor, size: int) -> Tensor:
    """Old number -> new number, -1 for those left out."""
    return torch.full((size,), -1).index_copy_(0, rows, torch.arange(len(rows)))
