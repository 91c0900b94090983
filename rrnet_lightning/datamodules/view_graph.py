"""One view of scored samples -> its graph; several views -> their graphs side by side; and the neighbours' vote."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from torch_geometric.data import HeteroData

from rrnet_lightning.data import TRAIN, Candidates
from rrnet_lightning.data.candidates import MIN_LOG_PROB
from rrnet_lightning.graph import (
    INTER,
    SOURCE,
    SOURCE_INTRA,
    TARGET,
    TARGET_INTRA,
    adjacency,
    build_graph,
    correct_and_smooth,
    recall,
    validate,
)


@dataclass(frozen=True, eq=False)
class ViewGraph:
    """A view with all that its graphs, one a stage, have in common.

    Attributes:
        samples: the view.
        x: [N, D] float, the samples' node attributes.
        intra: [2, K] long, neighbour -> sample. cosine: [K] float, of their features.
        pairs: [2, E] long, sample -> candidate class.
    """

    samples: Candidates
    x: Tensor
    intra: Tensor
    cosine: Tensor
    pairs: Tensor

    def asks(self, role: int) -> bool:
        """Whether it holds samples of this role."""
        return bool((self.samples.role == role).any())

    def recall(self, role: int) -> float:
        """Share of the samples of this role whose true class is a candidate."""
        return recall(self.pairs, self.samples.label.where(self.samples.role == role, -1))

    def graph(self, role: int, words: Tensor, target_intra: Tensor, *, everyone: bool, evidence: bool) -> HeteroData:
        """Training samples and those of the role asked; all samples for `everyone`. Fields as in ``stage_graph``."""
        samples = self.samples
        train, asked = samples.role == TRAIN, samples.role == role
        present = torch.ones_like(train) if everyone else train | asked
        row = present.cumsum(0) - 1
        source, target = self.pairs[:, present[self.pairs[0]]]
        y = (samples.label[source] == target) & (train | asked)[source]
        here = present[self.intra[1]]
        data = build_graph(
            self.x[present],
            words,
            torch.stack([row[source], target]),
            source_intra=row[self.intra[:, here]],
            target_intra=target_intra,
            prior=samples.log_probs[source, target],
            y=y.float(),
        )
        data[SOURCE].log_probs = samples.log_probs[present]
        data[SOURCE_INTRA].cosine = self.cosine[here]
        data[SOURCE].n_id = (torch.arange(len(train)) if samples.row is None else samples.row)[present]
        data[INTER].observed, data[INTER].asked = train[source] & evidence, asked[source]
        return data


def edge_cosine(x: Tensor, edges: Tensor, chunk: int = 1 << 16) -> Tensor:
    """Cosine of the ends of every edge, [E]; `chunk` edges at a time, so never [E, D] numbers in memory.

    Shapes:
        x: [N, D] float. edges: [2, E] long.
    """
    parts = [cosine_similarity(x[ends[0]], x[ends[1]]) for ends in edges.split(chunk, dim=1)]
    return torch.cat(parts) if parts else x.new_empty(0)


def side_by_side(graphs: Sequence[HeteroData]) -> HeteroData:
    """Disjoint union: nodes and edges of all graphs, none between two of them; ``n_id`` still leads to the full data.

    Raises:
        GraphError: the union breaks the contract.
    """
    if len(graphs) == 1:
        return graphs[0]
    joined, first = HeteroData(), torch.zeros(2, dtype=torch.long)
    parts: dict[object, list[Tensor]] = {}
    for graph in graphs:
        shift = dict(zip((SOURCE, TARGET), first, strict=True))
        for store in graph.stores:
            ends = (store._key[0], store._key[2]) if isinstance(store._key, tuple) else ()
            for name, value in store.items():
                if name == "edge_index":
                    value = value + torch.stack([shift[end] for end in ends])[:, None]
                parts.setdefault((store._key, name), []).append(value)
        first = first + torch.tensor([len(graph[SOURCE].x), len(graph[TARGET].x)])
    for key in (SOURCE, TARGET, SOURCE_INTRA, TARGET_INTRA, INTER):
        for name in graphs[0][key]:
            joined[key][name] = torch.cat(parts[key, name], dim=1 if name == "edge_index" else 0)
    validate(joined)
    return joined


def neighbour_votes(data: HeteroData, visible: Tensor, temperature: float | None = None) -> Tensor:
    """Return [E] float, the share of the source's labelled neighbours whose label is the target; 0 without any.

    A neighbour counts as labelled where its true pair is among the ``visible`` [E] candidates. A sample is never its
    own neighbour, so a vote tells nothing of its own label. Takes memory for samples x classes.

    Args:
        data: a graph; with a temperature its source intra-edges hold ``cosine``.
        visible: [E] bool, edges whose label may be read.
        temperature: T of the neighbours' weights exp(cosine / T); None counts each as one.
    """
    neighbour, node = data[SOURCE_INTRA].edge_index
    label = _labels(data, visible)
    said = label[neighbour]
    if temperature is not None:
        said = said * _weights(data[SOURCE_INTRA].cosine, node, label.any(1)[neighbour], temperature)[:, None]
    votes = torch.zeros_like(label).index_add_(0, node, said)
    votes = votes / votes.sum(1, keepdim=True).clamp(min=1e-12)
    return votes[*data[INTER].edge_index]


def nearest_labelled(data: HeteroData, visible: Tensor) -> Tensor:
    """Return [E] float, the cosine of the source and its closest labelled neighbour whose label is the target.

    Where it has none, the cosine of its farthest neighbour: one of that class would be farther still. Labelled as in
    :func:`neighbour_votes`; 0 without any neighbour.
    """
    intra = data[SOURCE_INTRA]
    neighbour, node = intra.edge_index
    label = _labels(data, visible)
    farthest = torch.zeros(len(label)).scatter_reduce(0, node, intra.cosine, "amin", include_self=False)
    known, target = label.nonzero(as_tuple=True)  # at most one label a sample
    of = torch.full((len(label),), -1).index_copy_(0, known, target)[neighbour]
    told = of >= 0
    place = node[told] * label.size(1) + of[told]
    closest = farthest[:, None].expand_as(label).flatten().scatter_reduce(0, place, intra.cosine[told], "amax")
    return closest.view_as(label)[*data[INTER].edge_index]


def smoothed(data: HeteroData, visible: Tensor, temperature: float | None = None) -> Tensor:
    """Return [E] log-probabilities of Correct&Smooth over the source intra-edges, from the visible labels.

    Neighbours weigh as in :func:`neighbour_votes`. At least MIN_LOG_PROB; the initial ones where no label is visible.
    Corrections are scaled to the mean error on labelled samples, over all views that lie side by side.
    """
    edges, cosine = data[SOURCE_INTRA].edge_index, data[SOURCE_INTRA].cosine
    source, target = data[INTER].edge_index
    number = data[TARGET].n_id[target]  # of the class: targets are repeated where several views lie side by side
    known = visible & (data[INTER].y > 0)
    log_probs: Tensor = data[SOURCE].log_probs
    if not known.any():
        return log_probs[source, number]
    label = torch.full((len(log_probs),), -1).index_copy_(0, source[known], number[known])
    weight = torch.ones_like(cosine) if temperature is None else ((cosine - 1) / temperature).exp()
    scores = correct_and_smooth(log_probs.exp(), label, adjacency(edges, weight, len(label)))
    return scores[source, number].clamp(min=math.exp(MIN_LOG_PROB)).log()


def _labels(data: HeteroData, visible: Tensor) -> Tensor:
    """[samples, classes], 1 where a true pair is among the visible candidates."""
    inter = data[INTER]
    label = torch.zeros(len(data[SOURCE].x), len(data[TARGET].x))
    label[*inter.edge_index] = (visible & (inter.y > 0)).float()
    return label


def _weights(cosine: Tensor, node: Tensor, counts: Tensor, temperature: float) -> Tensor:
    """exp(cosine / T), divided by that of the node's closest neighbour that counts: no overflow at small T."""
    closest = torch.full((int(node.max()) + 1 if len(node) else 0,), -torch.inf)
    closest = closest.scatter_reduce(0, node, cosine.where(counts, -torch.inf), "amax")
    return ((cosine - closest[node]) / temperature).exp().where(counts, 0)
