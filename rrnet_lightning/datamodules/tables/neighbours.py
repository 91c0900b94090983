"""Who speaks to the asked rows within a side: the nearest known rows, or the user's own neighbours."""

import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval.space import Side
from rrnet_lightning.datamodules.tables.rows import place
from rrnet_lightning.datamodules.tables.view import View
from rrnet_lightning.evidence.seen import Seen


def neighbours(view: View, side: Side, rows: Tensor, seen: Seen, k: int, *, together: bool) -> Tensor:
    """Intra-edges [2, M] into asked rows: row of the neighbour in the table, and place of the row that hears it.

    Without given edges these are the ``k`` nearest known rows. Given ones come from known rows and from rows that do
    not ask; with ``together`` from all rows.

    Args:
        view: what is known and asked, and the given edges.
        side: of the rows.
        rows: [N] long, asked rows, ascending.
        seen: these rows.
        k: neighbours of a row, where none are given.
        together: queries hear of each other.
    """
    known = view.known(side)
    if side not in view.edges:
        near = seen.near[0][1][:, :k]
        at = torch.arange(len(near))[:, None].expand_as(near).reshape(-1)
        return torch.stack([known[near.reshape(-1)], at])
    sender, at = view.edges[side][0], place(view.edges[side][1], rows)
    heard = at >= 0
    if not together:
        heard &= (place(sender, view.queries[side]) < 0) | (place(sender, known) >= 0)
    return torch.stack([sender[heard], at[heard]])
