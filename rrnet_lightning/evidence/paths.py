"""Paths of evidence: what neighbours of a user or item rated says something of a pair."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad


class Paths(NamedTuple):
    """P paths from one inter-edge to another, over one intra-edge: edge ``towards[p]`` hears of edge ``start[p]``.

    Source s and target r: edge (s, r) hears of (s, j) where j is a neighbour of r among the targets, or of (q, r)
    where q is a neighbour of s among the sources.

    Shapes:
        towards, start: [P] long, inter-edges. weight: [P] float, of the intra-edge. num_edges: inter-edges, E.
    """

    towards: Tensor
    start: Tensor
    weight: Tensor
    num_edges: int

    def gather(self, value: Tensor, visible: Tensor, shrink: float = 1.0) -> tuple[Tensor, Tensor]:
        """Average the visible values over the paths into each edge: sum(w x) / (shrink + sum(w)), and sum(w).

        Shapes:
            value: [E] float. visible: [E] bool.  returns: [E] and [E]; both 0 where no visible edge leads in.
        """
        weight = self.weight * visible[self.start]
        mass = weight.new_zeros(self.num_edges).index_add(0, self.towards, weight)
        total = weight.new_zeros(self.num_edges).index_add(0, self.towards, weight * value[self.start])
        return total / (shrink + mass), mass


def evidence_paths(inter: Tensor, intra: Tensor, weight: Tensor, *, side: int, observed: Tensor | None = None) -> Paths:
    """Find all paths over the intra-edges of the sources (``side`` 0) or of the targets (``side`` 1).

    Done once a graph. Time and memory grow with P, and with the paths that would lead to pairs that are no candidates.

    Shapes:
        inter: [2, E] long, distinct pairs. intra: [2, K] long, neighbour -> node. weight: [K] float.
        observed: [E] bool, the edges that may ever be visible; None for all.
    """
    stay, move = inter[1 - side], inter[side]
    size = 1 + max((int(rows.max()) for rows in (move, intra) if rows.numel()), default=0)
    by_neighbor = intra[0].argsort(stable=True)
    ptr = pad(intra[0].bincount(minlength=size).cumsum(0), (1, 0))
    degree = ptr[move + 1] - ptr[move]
    degree = degree if observed is None else degree * observed
    start = torch.arange(inter.shape[1]).repeat_interleave(degree)
    offset = torch.arange(len(start)) - (degree.cumsum(0) - degree)[start]
    edge = by_neighbor[ptr[move[start]] + offset]
    key, order = (stay * size + move).sort()
    wanted = stay[start] * size + intra[1, edge]
    place = torch.searchsorted(key, wanted).clamp(max=len(key) - 1)
    found = key[place] == wanted if len(key) else torch.zeros(0, dtype=torch.bool)
    return Paths(order[place[found]], start[found], weight[edge[found]], inter.shape[1])
