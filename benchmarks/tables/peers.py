"""Peers that learn nothing but the generator's space: scores of every query and every row that is searched.

Those that use no other test query answer queries one by one. The others want all queries at once. One setting each for
all tasks: of those tried, the one of highest recall@1 on the validation pairs of splits 0 and 1 of words and halves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import normalize

from rrnet_lightning.candidates.retrieval.space import SIDES, Side, other
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.rows import place
from rrnet_lightning.datamodules.tables.view import Order, View
from rrnet_lightning.evidence.matching import csls_scores, self_training
from rrnet_lightning.graph.knn import stable_top_k
from rrnet_lightning.objectives import sinkhorn

KNOWN, OTHERS, LABELS = "known rows", "other test queries", "labels"
"""What a model reads beside its query, the rows that are searched, and what the generator learnt."""
Scores = dict[Side, Tensor]


@dataclass(frozen=True)
class Peer:
    """A way to rank: for each side that asks, scores [queries, base] of a view. ``uses``: of what is named above."""

    uses: tuple[str, ...]
    scores: Callable[[TablesDataModule, View], Scores]

    @property
    def mode(self) -> str:
        """Whether a query's answer depends on the other queries."""
        return "transductive" if OTHERS in self.uses else "inductive"


def each(rank: Callable[[View, Side], Tensor]) -> Callable[[TablesDataModule, View], Scores]:
    """Rank for one side, then for the other."""
    return lambda data, view: {side: rank(view, side) for side in SIDES}


def ordered(order: Order, view: View, side: Side) -> Tensor:
    """The generator's cosine; CSLS with banks of known rows; or the bridge."""
    return replace(view, order=order).scores(side, view.look(side, view.queries[side]))


def ends(view: View, side: Side) -> tuple[Tensor, Tensor]:
    """Queries [Q, H] of one side and the rows [B, H] that they search, in the generator's space."""
    return view.look(side, view.queries[side]).vectors[-1], view.see_base(other(side)).vectors[-1]


def known_pairs(view: View, side: Side) -> tuple[Tensor, Tensor]:
    """Known rows [P, H] of one side and their partners [P, H], pair by pair, in the generator's space."""
    known, halves = view.reference.known, view.reference.halves
    rows = {"source": known.source, "target": known.target}
    here, there = (halves[each].vectors[-1][rows[each]] for each in (side, other(side)))
    return here, there


def expanded(rows: Tensor, known: Tensor, partners: Tensor, k: int, alpha: float) -> Tensor:
    """α query expansion: rows [N, H] plus the partners of their k nearest known rows, each times cosine^α."""
    cosine = (rows @ known.T).clamp(min=0)
    near = stable_top_k(cosine, k)
    weight = cosine.gather(1, near) ** alpha
    return normalize(rows + (weight[..., None] * partners[near]).sum(1), dim=1)


def query_expansion(view: View, side: Side, k: int = 3, alpha: float = 8.0) -> Tensor:
    """α query expansion (arXiv 1711.02512) of queries and of the rows they search, by known pairs alone.

    There a query adds its best answers to itself. Here it adds the partners of the nearest known rows of its own table.
    """
    query, base = ends(view, side)
    return (
        expanded(query, *known_pairs(view, side), k, alpha)
        @ expanded(base, *known_pairs(view, other(side)), k, alpha).T
    )


def inverted_softmax(view: View, side: Side, temperature: float = 0.07) -> Tensor:
    """Inverted softmax (arXiv 1702.03859): a row is shared out among the queries; here known rows stand for them."""
    query, base = ends(view, side)
    bank = view.reference.halves[side].vectors[-1]
    return query @ base.T / temperature - (bank @ base.T / temperature).logsumexp(0)


def csls_of_the_test(view: View, side: Side, k: int = 10) -> Tensor:
    """CSLS whose banks are the test queries themselves."""
    score = ordered("cosine", view, side)
    return 2 * score - score.topk(k, 0).values.mean(0) - score.topk(k, 1).values.mean(1, keepdim=True)


def sinkhorn_of_the_test(view: View, side: Side, temperature: float = 0.03) -> Tensor:
    """Sinkhorn on the generator's cosines of all test pairs."""
    score = ordered("cosine", view, side)
    pairs = torch.cartesian_prod(torch.arange(score.shape[0]), torch.arange(score.shape[1])).T
    return sinkhorn((score / temperature).reshape(-1), pairs).view_as(score)


def k_reciprocal(view: View, side: Side, k1: int = 20, k2: int = 6, share: float = 0.3) -> Tensor:
    """Re-ranking by k-reciprocal neighbours (arXiv 1701.08398), [Q, B], of all asked rows in the generator's space.

    There queries and gallery are images of one kind. Here neighbours are sought among the asked rows of both tables.
    ``share`` of the distance is that of the rows, the rest the Jaccard distance of their neighbourhoods. The settings
    are the published ones.
    """
    query, base = ends(view, side)
    rows = torch.cat([query, base])
    distance = 2 - 2 * rows @ rows.T
    distance /= distance.max(1, keepdim=True).values
    order = stable_top_k(-distance, min(k1 + 1, len(rows)))  # itself is the first

    def mutual(k: int) -> Tensor:
        near = torch.zeros(distance.shape).scatter_(1, order[:, : k + 1], 1.0)
        return near * near.T

    near, half = mutual(k1), mutual(round(k1 / 2))
    joins = near * (near @ half.T > 2 / 3 * half.sum(1))  # most of a neighbour's neighbours are neighbours
    weight = ((near + joins @ half) > 0) * (-distance).exp()
    weight = normalize(weight, p=1, dim=1)[order[:, :k2]].mean(1)
    there = weight[len(query) :]
    shared = torch.stack([torch.minimum(own[own > 0], there[:, own > 0]).sum(1) for own in weight[: len(query)]])
    return (1 - share) * shared / (2 - shared) - share * distance[: len(query), len(query) :]


def self_trained(data: TablesDataModule, view: View, rounds: int | None = None, k: int = 10) -> Scores:
    """The generator fitted again with the mutual nearest rows of the test, by CSLS, which answers too.

    As many rounds as the task's own generator takes, but one at least.
    """
    rounds = max(data.self_training, 1) if rounds is None else rounds
    rows = {side: torch.cat([view.pairs[i], view.queries[side]]).unique() for i, side in enumerate(SIDES)}
    source, target = (view.tables[side][rows[side]] for side in SIDES)
    pairs = torch.stack([place(view.pairs[i], rows[side]) for i, side in enumerate(SIDES)])
    space = self_training(data.generator, source, target, pairs, rounds=rounds, k=k, seed=data.seed)
    query = space.source(view.tables["source"][view.queries["source"]])
    base = space.target(view.tables["target"][view.queries["target"]])
    scores = csls_scores(query, base, query, base, min(k, len(query), len(base)))
    return {"source": scores, "target": scores.T}


PEERS = {
    "generator": Peer((), each(partial(ordered, "cosine"))),
    "csls": Peer((KNOWN,), each(partial(ordered, "csls"))),
    "bridge": Peer((KNOWN,), each(partial(ordered, "bridge"))),
    "alpha-query-expansion": Peer((KNOWN,), each(query_expansion)),
    "inverted-softmax": Peer((KNOWN,), each(inverted_softmax)),
    "csls-test": Peer((OTHERS,), each(csls_of_the_test)),
    "generator-sinkhorn": Peer((OTHERS,), each(sinkhorn_of_the_test)),
    "k-reciprocal": Peer((OTHERS,), each(k_reciprocal)),
    "k-reciprocal-chosen": Peer((OTHERS,), each(partial(k_reciprocal, k1=10, k2=3, share=0.9))),
    "self-training": Peer((OTHERS,), self_trained),
}
