"""Where rows of a table, and pairs of rows, stand among others."""

import torch
from torch import Tensor


def place(rows: Tensor, among: Tensor) -> Tensor:
    """Where each row stands in ``among``, which ascends; -1 where it does not."""
    if not len(among):
        return torch.full_like(rows, -1)
    at = torch.searchsorted(among, rows).clamp(max=len(among) - 1)
    return at.where(among[at] == rows, -1)


def within(pairs: Tensor, one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """Places (in ``one``, in ``two``, which ascend) of the pairs that have both ends there, and which pairs these are.

    Shapes:
        pairs: [2, P] long. one, two: [n] and [m] long.  returns: [2, Q] long and [Q] long.
    """
    at = torch.stack([place(pairs[0], one), place(pairs[1], two)])
    inside = (at >= 0).all(0).nonzero().squeeze(1)
    return at[:, inside], inside
