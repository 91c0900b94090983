"""What is known in one view, and what it says of any row and of any pair: the relations that an edge carries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval.space import Side, Space, other
from rrnet_lightning.evidence.bridge import Known, carry, hubness, mass, nearest, unit, vote
from rrnet_lightning.evidence.dots import dots
from rrnet_lightning.evidence.seen import Bridges, Seen

Map = Callable[[Tensor], Tensor]
CHUNK = 32_768  # pairs whose numbers are made at once


@dataclass
class Half:
    """What is known of one side: its known rows in every space, and the means of their partners."""

    maps: list[Map]
    vectors: list[Tensor] = field(default_factory=list)
    partners: list[Tensor] = field(default_factory=list)
    listed: Tensor = field(default_factory=lambda: torch.empty(0, 0, dtype=torch.long))
    member: Tensor | None = None


class Reference:
    """Known pairs of a view, and the space fitted on them: says what they make of rows and pairs.

    What is said of a row depends on it and on the known pairs alone, so never on another query. A row is never its own
    neighbour. Time N · k · H and N times the known rows; memory (known rows + N) · H.

    Args:
        source: [N, D] features of both tables.
        target: see ``source``.
        pairs: [2, P] long, known.
        weight: [P], of each.
        space: fitted on these pairs alone.
        relations: what to say.
        member: [N, C] bool, classes of the rows of both tables; those of known rows alone are read.
    """

    def __init__(
        self,
        source: Tensor,
        target: Tensor,
        pairs: Tensor,
        weight: Tensor,
        space: Space,
        relations: Bridges,
        member: dict[Side, Tensor] | None = None,
    ) -> None:
        self.relations, self.known, self.pairs = relations, Known.of(pairs, weight), pairs
        tables = {"source": source[self.known.sources], "target": target[self.known.targets]}
        self.halves: dict[Side, Half] = {
            "source": Half(_maps(tables["source"], space.source, relations)),
            "target": Half(_maps(tables["target"], space.target, relations)),
        }
        if relations.classes and member is not None:
            self.halves["source"].member = member["source"][self.known.sources].float()
            self.halves["target"].member = member["target"][self.known.targets].float()
        for side, half in self.halves.items():
            half.vectors = [place(tables[side].float()) for place in half.maps]
        for side, half in self.halves.items():
            known = self._from(side)
            half.partners = [known.partners(x) for x in self._bridged(self.halves[other(side)].vectors)]
            half.listed = known.listed(relations.partners)
        self._carried = {
            side: self._neighbours(side, half.vectors, torch.arange(len(half.vectors[0])))[0]
            for side, half in self.halves.items()
        }
        self.seen: dict[Side, Seen] = {
            side: self.look(side, tables[side], torch.arange(len(tables[side]))) for side in self.halves
        }

    def look(self, side: Side, x: Tensor, own: Tensor | None = None) -> Seen:
        """See rows [N, D] of one side; ``own`` [N] long is a row's own place among the known ones, -1 for none."""
        vectors = [place(x.float()) for place in self.halves[side].maps]
        carried, near, similar = self._neighbours(side, vectors, own)
        numbers = [number for found in similar for number in (found[:, 0], found.mean(1))]
        if self.relations.hubness:
            numbers += self._hubness(side, vectors, carried)
        member = self.halves[side].member
        votes = [] if member is None else [vote(weight, position, member) for weight, position in near]
        return Seen(vectors, carried, near, votes, torch.stack(numbers, 1) if numbers else x.new_zeros(len(x), 0))

    def columns(self, source: Seen, target: Seen, pairs: Tensor) -> Tensor:
        """What the known pairs say of pairs [2, E] of rows of ``source`` and ``target``: [E, edge_width]."""
        columns = [dots(source.vectors[-1], target.vectors[-1], pairs)]
        bridged = zip(
            self._bridged(source.vectors),
            self._bridged(target.vectors),
            source.carried,
            target.carried,
            source.near,
            target.near,
            strict=True,
        )
        for s, t, s_there, t_there, s_near, t_near in bridged:
            columns += [dots(s_there, t, pairs), dots(s, t_there, pairs), mass(pairs, self.known, s_near, t_near)]
        columns += [dots(s, t, pairs) for s, t in zip(source.votes, target.votes, strict=True)]
        numbers = source.numbers[pairs[0]], target.numbers[pairs[1]]
        return torch.cat([torch.stack(columns, 1), *numbers], 1)

    @cached_property
    def known_columns(self) -> Tensor:
        """What the known pairs say of each other: [P, edge_width]."""
        pairs = torch.stack([self.known.source, self.known.target])
        said = [self.columns(self.seen["source"], self.seen["target"], some) for some in pairs.split(CHUNK, 1)]
        return torch.cat(said)

    def supports(self, source: Seen, target: Seen, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which known pairs speak to each of the pairs [2, E], sorted by the pair that hears.

        Returns:
            known pair [S] long, hearing pair [S] long, and how alike they are, [S, support_width].
        """
        found = [self._heard(source, target, some) for some in pairs.split(CHUNK, 1)]
        speaks, hears, attr = ([part[i] for part in found] for i in range(3))
        shift = [torch.full_like(part, i * CHUNK) for i, part in enumerate(hears)]
        return (
            torch.cat(speaks),
            torch.cat([part + more for part, more in zip(hears, shift, strict=True)]),
            torch.cat(attr),
        )

    def _heard(self, source: Seen, target: Seen, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        each = []
        for side, seen, rows in (("source", source, pairs[0]), ("target", target, pairs[1])):
            near = seen.near[0][1][:, : self.relations.supports]
            each.append(self.halves[side].listed[near].flatten(1)[rows])  # type: ignore[index]
        listed = torch.cat(each, 1)
        hears, place = (listed >= 0).nonzero(as_tuple=True)
        speaks, from_source = listed[hears, place], place < each[0].shape[1]
        q, u = self.known.source[speaks], self.known.target[speaks]
        s, t = ([x[row] for x in seen.vectors] for seen, row in ((source, pairs[0]), (target, pairs[1])))
        near, far = torch.stack([hears, q]), torch.stack([hears, u])
        sources, targets = self.halves["source"].vectors, self.halves["target"].vectors
        alike = [dots(mine, theirs, near) for mine, theirs in zip(s, sources, strict=True)]
        alike += [dots(mine, theirs, far) for mine, theirs in zip(t, targets, strict=True)]
        alike += [dots(s[-1], targets[-1], far), dots(t[-1], sources[-1], near)]
        return speaks, hears, torch.stack([*alike, from_source.float()], 1)

    def _neighbours(
        self, side: Side, vectors: list[Tensor], own: Tensor | None
    ) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]], list[Tensor]]:
        """Rows carried to the other side, and weights, positions and similarities of their neighbours, by space."""
        half = self.halves[side]
        carried, near, similar = [], [], []
        for x, bank, partners in zip(self._bridged(vectors), self._bridged(half.vectors), half.partners, strict=True):
            cosine, position = nearest(x, bank, self.relations.neighbours, own)
            weight = (cosine / self.relations.temperature).softmax(1)
            carried.append(carry(weight, position, partners))
            near.append((weight, position))
            similar.append(cosine)
        return carried, near, similar

    def _hubness(self, side: Side, vectors: list[Tensor], carried: list[Tensor]) -> list[Tensor]:
        k, opposite = self.relations.hubness, other(side)
        banks = self.halves[opposite].vectors
        found = [hubness(vectors[-1], banks[-1], k)]
        for x, there, bank, back in zip(
            self._bridged(vectors), carried, self._bridged(banks), self._carried[opposite], strict=True
        ):
            found += [hubness(there, bank, k), hubness(x, back, k)]
        return found

    def _bridged(self, by_space: list[Tensor]) -> list[Tensor]:
        """Those of the spaces that bridges are made in; the generator's space comes last."""
        return by_space if self.relations.space else by_space[:-1]

    def _from(self, side: Side) -> Known:
        return self.known if side == "source" else self.known.flipped()


def _maps(known: Tensor, into: Map, relations: Bridges) -> list[Map]:
    mean = known.float().mean(0)
    return [*([partial(_centred, mean)] if relations.raw else []), into]


def _centred(mean: Tensor, x: Tensor) -> Tensor:
    return unit(x - mean)
