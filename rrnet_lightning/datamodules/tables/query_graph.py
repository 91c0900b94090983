"""The graph of some queries of a view: their candidates, and the known pairs that speak for them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.retrieval.space import SIDES, Side
from rrnet_lightning.datamodules.tables.neighbours import neighbours
from rrnet_lightning.datamodules.tables.rows import place
from rrnet_lightning.datamodules.tables.view import Found, View, search
from rrnet_lightning.evidence.seen import Seen
from rrnet_lightning.graph.build import build_graph, given_pairs
from rrnet_lightning.graph.schema import INTER, PAIR, SOURCE, SUPPORT, validate

Asking = Sequence[tuple[Side, Tensor]]  # sides and their query rows


def query_graph(view: View, asking: Asking, intra: int, *, together: bool) -> HeteroData:
    """Return the graph of some queries: theirs and their candidates' rows, and the known rows that speak for them.

    Inter-edges are the candidate pairs and the known pairs that support one of them. Intra-edges lead from known rows
    to asked ones, or are given, see :func:`.neighbours`. Nothing leads into a row that speaks, so what is said of a
    query does not depend on the block it is in.
    A candidate pair is heard by the node that asks it; with ``together`` by both its ends. Columns are not scaled yet.

    Args:
        view: what is known and asked.
        asking: sides and their query rows.
        intra: neighbours of a row.
        together: queries hear of each other.
    """
    looked = {side: (rows, view.look(side, rows)) for side, rows in asking}
    found = [(side, rows, search(view, side, rows, view.scores(side, seen))) for side, (rows, seen) in looked.items()]
    asked = _Asked.union([(side, each) for side, _, each in found])
    alone = {side: queries for side, queries, _ in found}  # some may have no candidate
    rows = {side: torch.cat([asked.pairs[i], alone.get(side, asked.pairs[i])]).unique() for i, side in enumerate(SIDES)}
    seen = {side: _seen(view, side, rows[side], looked.get(side)) for side in SIDES}
    ends = torch.stack([place(asked.pairs[i], rows[side]) for i, side in enumerate(SIDES)])
    near = {side: neighbours(view, side, rows[side], seen[side], intra, together=together) for side in SIDES}
    spoken = _Spoken.of(view, seen, ends, near)
    everyone = {side: torch.cat([rows[side], spoken.nodes[side]]) for side in SIDES}
    data, order = _join(view, asked, ends, seen, spoken, everyone, together)
    for side in SIDES:
        data[side].n_id = everyone[side]
    for side, queries, each in found:
        _add_missed(data, side, place(queries, rows[side]), each)
    at = order.argsort()  # where each pair stands: asked ones first, then those known
    _add_supports(data, torch.stack([at[ends.shape[1] + spoken.speaker], at[spoken.hears]]), spoken.alike)
    validate(data)
    return data


def _seen(view: View, side: Side, rows: Tensor, looked: tuple[Tensor, Seen] | None) -> Seen:
    """See rows, those that were looked at only once."""
    return looked[1] if looked is not None and torch.equal(rows, looked[0]) else view.look(side, rows)


@dataclass(frozen=True, eq=False)
class _Asked:
    """Distinct candidate pairs [2, E] by source, who asks each [E, 2], whether it is true, and whether by class."""

    pairs: Tensor
    asks: Tensor
    y: Tensor
    relevant: Tensor | None

    @classmethod
    def union(cls, found: list[tuple[Side, Found]]) -> "_Asked":
        pairs = torch.cat([each.pairs for _, each in found], 1)
        wide = int(pairs[1].max()) + 1 if pairs.numel() else 1
        key, at = (pairs[0] * wide + pairs[1]).unique(return_inverse=True)

        def spread(values: list[Tensor]) -> Tensor:
            return torch.zeros(len(key), dtype=torch.bool).index_put_((at,), torch.cat(values))

        asks = torch.zeros(len(key), 2, dtype=torch.bool)
        asks[at, torch.cat([torch.full((each.pairs.shape[1],), SIDES.index(side)) for side, each in found])] = True
        by_class = [each.relevant for _, each in found if each.relevant is not None]
        relevant = spread(by_class) if by_class else None
        return cls(torch.stack([key // wide, key % wide]), asks, spread([each.y for _, each in found]), relevant)


@dataclass(frozen=True, eq=False)
class _Spoken:
    """The rows and known pairs of a view that speak in a block.

    Attributes:
        near: intra-edges [2, M] into the asked rows of each side: row of the neighbour, place of the row that hears.
        nodes: rows of each side that speak, ascending.
        known: [P] numbers of the known pairs that are there.
        pairs: [2, P], they by the positions of their ends in ``nodes``.
        speaker: [S] which of them speaks. hears: [S] the asked pair that hears. alike: [S, F].
    """

    near: dict[Side, Tensor]
    nodes: dict[Side, Tensor]
    known: Tensor
    pairs: Tensor
    speaker: Tensor
    hears: Tensor
    alike: Tensor

    @classmethod
    def of(cls, view: View, seen: dict[Side, Seen], ends: Tensor, near: dict[Side, Tensor]) -> "_Spoken":
        reference = view.reference
        none = torch.empty(0, dtype=torch.long)
        speaks, hears, alike = none, none, torch.empty(0, 0)
        if reference.relations.supports:
            speaks, hears, alike = reference.supports(seen["source"], seen["target"], ends)
            sure = speaks < view.pairs.shape[1]  # a pair that joined is asked
            speaks, hears, alike = speaks[sure], hears[sure], alike[sure]
        spoken = torch.zeros(reference.pairs.shape[1], dtype=torch.bool).index_fill_(0, speaks, True)
        known, speaker = spoken.nonzero().squeeze(1), (spoken.cumsum(0) - 1)[speaks]
        joins = dict(zip(SIDES, reference.pairs[:, known], strict=True))
        nodes: dict[Side, Tensor] = {side: torch.cat([joins[side], near[side][0]]).unique() for side in SIDES}
        pairs = torch.stack([place(joins[side], nodes[side]) for side in SIDES])
        return cls(near, nodes, known, pairs, speaker, hears, alike)

    def intra(self, side: Side, asked: int) -> Tensor:
        """Intra-edges [2, M] from nodes, which stand behind the asked ones, to those."""
        neighbour, row = self.near[side]
        return torch.stack([asked + place(neighbour, self.nodes[side]), row])


def _join(
    view: View,
    asked: _Asked,
    ends: Tensor,
    seen: dict[Side, Seen],
    spoken: _Spoken,
    everyone: dict[Side, Tensor],
    together: bool,
) -> tuple[HeteroData, Tensor]:
    """The graph, and the order in which its inter-edges took the asked pairs and behind them the known ones."""
    size = torch.tensor([len(seen[side].numbers) for side in SIDES])
    both = torch.cat([ends, spoken.pairs + size[:, None]], 1)
    inter, order = given_pairs(both, *(int(n) + len(spoken.nodes[side]) for n, side in zip(size, SIDES, strict=True)))
    x = {side: torch.cat([seen[side].numbers, view.numbers(side, spoken.nodes[side])]) for side in SIDES}
    new = order < ends.shape[1]

    def padded(values: Tensor) -> Tensor:
        return torch.cat([values, values.new_zeros(spoken.pairs.shape[1], *values.shape[1:])])[order]

    asks = padded(asked.asks)
    columns = _columns(view, seen, ends, spoken.known)[order]
    if view.listed is not None:
        scores = view.listed.column(everyone["source"][inter[0]], everyone["target"][inter[1]])
        columns = torch.cat([scores[:, None], columns], 1)
    data = build_graph(
        x["source"],
        x["target"],
        inter,
        source_intra=spoken.intra("source", int(size[0])),
        target_intra=spoken.intra("target", int(size[1])),
        edge_attr=torch.cat([~new[:, None], asks[:, 1:] & ~asks[:, :1], columns], 1),
        message=new[:, None] & (asks | together),
        supervised=new,
        visible=~new,
        y=(padded(asked.y) | ~new).float(),
    )
    data[INTER].asks = asks
    if asked.relevant is not None:
        data[INTER].relevant = padded(asked.relevant)
    return data, order


def _columns(view: View, seen: dict[Side, Seen], ends: Tensor, known: Tensor) -> Tensor:
    """What is said of the asked pairs and, behind them, of known ones."""
    columns = view.reference.columns(seen["source"], seen["target"], ends)
    return torch.cat([columns, view.reference.known_columns[known]]) if len(known) else columns


def _add_missed(data: HeteroData, side: Side, at: Tensor, found: Found) -> None:
    """Write the ranks of what is no candidate of the queries that stand ``at`` nodes of one side."""
    for name, ranks in (("missed", found.missed), ("missed_class", found.missed_class)):
        if ranks is not None:
            full = torch.full((len(data[side].x), ranks.shape[1]), -1)
            full[at] = ranks
            data[side][name] = full


def _add_supports(data: HeteroData, edges: Tensor, alike: Tensor) -> None:
    data[PAIR].num_nodes = data[INTER].edge_index.shape[1]
    data[SUPPORT].edge_index, data[SUPPORT].edge_attr = edges, alike.to(data[SOURCE].x.dtype)
