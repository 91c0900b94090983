"""What one stage, or one fold of training, knows and asks of two tables, and which candidates its queries have."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.candidates.contract import random_folds
from rrnet_lightning.candidates.retrieval.space import SIDES, Side, other
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.split import By, units
from rrnet_lightning.datamodules.tables.listed import Listed
from rrnet_lightning.datamodules.tables.rows import place, within
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.matching import without_partner
from rrnet_lightning.evidence.reference import Reference
from rrnet_lightning.evidence.seen import Seen
from rrnet_lightning.graph.knn import stable_top_k

Order = Literal["cosine", "csls", "bridge"]
CHUNK = 1024


@dataclass(eq=False)
class View:
    """What one stage, or one fold of training, knows and asks.

    Attributes:
        tables: [N, D] features of sources and targets.
        reference: made of the known pairs, and of those that joined them in self-training, which come last.
        pairs: [2, P] long, the known pairs.
        truth: [2, A] long, true pairs that are asked.
        queries: rows of each side that ask, ascending; a side may have none.
        base: rows of each side among which the other side's queries search, ascending.
        top_k: candidates of a query, at most all of the base.
        order: what ranks the base: the cosine in the generator's space; the cosine less the hubness of the base row
            (CSLS with banks of known rows); or cos(ŝ, t) + cos(s, t̂), the bridge.
        member: classes of the rows of each side, [N, C] bool; None where there are none.
        new: a side, and [M, D] features of rows of it that are in no table, N, N + 1, ...; then these alone ask.
        listed: the user's own candidates and their scores; then all others rank behind, and are no candidates.
        edges: the user's own neighbours, [2, E] long, neighbour -> row of a side, sorted by row.
    """

    tables: dict[Side, Tensor]
    reference: Reference
    pairs: Tensor
    truth: Tensor
    queries: dict[Side, Tensor]
    base: dict[Side, Tensor]
    top_k: int
    order: Order = "csls"
    member: dict[Side, Tensor] | None = None
    new: tuple[Side, Tensor] | None = None
    listed: Listed | None = None
    edges: dict[Side, Tensor] = field(default_factory=dict)
    seen: dict[Side, Seen] = field(default_factory=dict)

    def look(self, side: Side, rows: Tensor) -> Seen:
        """See rows of a table; those of the base are seen once."""
        if self.new is not None and side == self.new[0]:
            return self.reference.look(side, self.new[1][rows - len(self.tables[side])])
        at = place(rows, self.base[side])
        return self.see_base(side)[at] if (at >= 0).all() else self._look(side, rows)

    def see_base(self, side: Side) -> Seen:
        """The base of one side, seen once."""
        if side not in self.seen:
            self.seen[side] = self._look(side, self.base[side])
        return self.seen[side]

    def _look(self, side: Side, rows: Tensor) -> Seen:
        return self.reference.look(side, self.tables[side][rows], place(rows, self.known(side)))

    def known(self, side: Side) -> Tensor:
        """The known rows of one side, ascending."""
        known = self.reference.known
        return known.sources if side == "source" else known.targets

    def numbers(self, side: Side, rows: Tensor) -> Tensor:
        """Numbers [n, node_width] of rows of a table that speak; known ones were seen before."""
        at = place(rows, self.known(side))
        numbers = self.reference.seen[side].numbers[at]
        new = at < 0
        if new.any():
            numbers[new] = self._look(side, rows[new]).numbers
        return numbers

    def scores(self, side: Side, query: Seen) -> Tensor:
        """Scores [n, B] by which the base of the other side is ranked for queries of one side."""
        base = self.see_base(other(side))
        if self.order == "bridge":
            return query.carried[-1] @ base.vectors[-1].T + query.vectors[-1] @ base.carried[-1].T
        scores = query.vectors[-1] @ base.vectors[-1].T
        if self.order == "csls" and self.reference.relations.hubness:
            hub = 2 * self.reference.relations.bridged  # its column, behind the similarities
            scores = 2 * scores - base.numbers[:, hub]
        return scores


@dataclass(frozen=True, eq=False)
class Found:
    """The candidates of some queries of one side.

    Attributes:
        pairs: [2, E] long, rows (source, target) in the tables, query after query, best first.
        y: [E] bool. relevant: [E] bool, by class; None without classes.
        missed, missed_class: [n, R] long, ranks of true (relevant) rows that are no candidates, -1 as padding.
    """

    pairs: Tensor
    y: Tensor
    relevant: Tensor | None
    missed: Tensor
    missed_class: Tensor | None


def search(view: View, side: Side, rows: Tensor, scores: Tensor) -> Found:
    """Find the candidates of queries, ``rows`` [n] of one side, by ``scores`` [n, B], which are overwritten.

    Known partners are no candidates.
    """
    base = view.base[other(side)]
    listed = None
    if view.listed is not None:
        scores, listed = view.listed.ahead(scores, side, rows, base)
    here, there = (0, 1) if side == "source" else (1, 0)
    known, truth = (within(pairs[[here, there]], rows, base)[0] for pairs in (view.pairs, view.truth))
    scores[known[0], known[1]] = -torch.inf
    columns = stable_top_k(scores, min(view.top_k, len(base)))
    found = scores.gather(1, columns) > -torch.inf  # some queries have fewer
    if listed is not None:
        found &= listed.gather(1, columns)
    true = torch.zeros(scores.shape, dtype=torch.bool)
    true[truth[0], truth[1]] = True
    ends = [rows[:, None].expand_as(columns)[found], base[columns][found]]
    relevant = missed_class = None
    if view.member is not None:
        alike = (view.member[side][rows].float() @ view.member[other(side)][base].float().T > 0) | true
        relevant, missed_class = alike.gather(1, columns)[found], _missed(scores, alike, columns, found)
    pairs = torch.stack(ends if side == "source" else ends[::-1])
    return Found(pairs, true.gather(1, columns)[found], relevant, _missed(scores, true, columns, found), missed_class)


def _missed(scores: Tensor, true: Tensor, columns: Tensor, found: Tensor) -> Tensor:
    """Ranks of the true columns that are not among those found, [n, R], -1 as padding; ties go to the lower column."""
    query, column = true.scatter(1, columns, true.gather(1, columns) & ~found).nonzero(as_tuple=True)
    count = query.bincount(minlength=len(scores))
    ranks = torch.full((len(scores), int(count.max()) if len(scores) else 0), -1)
    place = torch.arange(len(query)) - (count.cumsum(0) - count)[query]
    for some in torch.arange(len(query)).split(CHUNK):
        q, c = query[some], column[some]
        row, own = scores[q], scores[q, c][:, None]
        ahead = (row > own) | ((row == own) & (torch.arange(scores.shape[1]) < c[:, None]))
        ranks[q, place[some]] = ahead.sum(1) + 1
    return ranks


def fold_pairs(index: Tensor, by: By, folds: int, repeats: int, seed: int) -> Iterator[Tensor]:
    """Yield which of the pairs [2, P] each fold asks, [P] bool, cut as a test is.

    Raises:
        DataError: fewer units than folds.
    """
    unit = units(index, by)
    number = int(unit.max()) + 1
    if number < folds:
        raise DataError(f"folds: found {folds}, wanted at most {number}, what training has to cut by {by!r}")
    for hidden in random_folds(number, folds, repeats, seed).unbind(1):
        yield hidden[unit]


def who_asks(
    truth: Tensor, by: By, sizes: tuple[int, int], known: Tensor | None = None
) -> tuple[dict[Side, Tensor], dict[Side, Tensor]]:
    """Return the rows of each side that ask, and those among which the other side's queries search.

    New rows ask: those of the pairs asked or, with ``known``, all that have no known partner. Where both ends are new,
    they search among each other; else among all.

    Shapes:
        truth: [2, A] long, the pairs asked. sizes: rows of the two tables. known: [2, P] long, the known pairs.
    """
    rows: dict[Side, Tensor] = {
        side: truth[i].unique() if known is None else without_partner(sizes[i], known[i])
        for i, side in enumerate(SIDES)
    }
    none = torch.empty(0, dtype=torch.long)
    queries: dict[Side, Tensor] = {
        "source": rows["source"] if by != "targets" else none,
        "target": rows["target"] if by != "sources" else none,
    }
    everyone: dict[Side, Tensor] = {side: torch.arange(size) for side, size in zip(SIDES, sizes, strict=True)}
    return queries, rows if by == "both" else everyone


def members(labels: Mapping[Side, Labels]) -> dict[Side, Tensor] | None:
    """Classes of both sides in common columns, [N, C] bool each; None unless both have labels.

    Raises:
        DataError: no label is common to both.
    """
    if len(labels) < 2:
        return None
    names = sorted(set(labels["source"].names) & set(labels["target"].names))
    if not names:
        found = [labels[side].names[0] for side in SIDES]
        raise DataError(
            f"source_labels, target_labels: found no common label (sources {found[0]!r}, targets {found[1]!r}), wanted "
            "the same names on both sides"
        )
    return {side: labels[side].member[:, [labels[side].names.index(name) for name in names]] for side in SIDES}


def known_members(member: Mapping[Side, Tensor] | None, pairs: Tensor) -> dict[Side, Tensor] | None:
    """Classes [N, C] bool of the rows of known pairs [2, P] alone: all other rows have none."""
    if member is None:
        return None
    known = {side: torch.zeros_like(member[side]) for side in SIDES}
    for side, row in zip(SIDES, pairs, strict=True):
        known[side][row] = member[side][row]
    return known
