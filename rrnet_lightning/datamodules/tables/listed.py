"""A user's own candidates: listed pairs with scores, in place of what the generator proposes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval.space import Side
from rrnet_lightning.data.tables.links import Scores
from rrnet_lightning.datamodules.tables.rows import place, within

ABOVE = 4  # no order of the generator scores as high: cosines, their sums of two, and twice a cosine less a hubness


@dataclass(frozen=True, eq=False)
class Listed:
    """Listed pairs, by pair.

    Attributes:
        pairs: [2, L] long, sorted by source, then by target.
        key: [L] long, of each pair, ascending.
        score: [L] float.
        level: [L] long, place of the score among all distinct ones, the lowest first.
        size: rows of the target table.
    """

    pairs: Tensor
    key: Tensor
    score: Tensor
    level: Tensor
    size: int

    @classmethod
    def of(cls, scores: Scores, size: int) -> "Listed":
        """Sort what was read; ``size`` is the number of targets."""
        key, order = (scores.index[0] * size + scores.index[1]).sort()
        score = scores.score[order]
        return cls(scores.index[:, order], key, score, score.unique(return_inverse=True)[1], size)

    def ahead(self, scores: Tensor, side: Side, rows: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        """Put the listed pairs ahead of all others: what ranks, [n, B] float64, and which are listed, [n, B] bool.

        Shapes:
            scores: [n, B], by the generator, of the query ``rows`` [n] of one side and ``base`` [B] of the other.
        """
        pairs = self.pairs if side == "source" else self.pairs.flip(0)
        (query, column), inside = within(pairs, rows, base)
        ranked, listed = scores.double(), torch.zeros(scores.shape, dtype=torch.bool)
        ranked[query, column] = (ABOVE + self.level[inside]).double()
        listed[query, column] = True
        return ranked, listed

    def column(self, source: Tensor, target: Tensor) -> Tensor:
        """Scores of pairs of rows, [E]; those that are not listed get the lowest score there is."""
        at = place(source * self.size + target, self.key)
        return self.score[at].where(at >= 0, self.score.min())
