"""What labelled samples say of a candidate class, in numbers that an edge can carry."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from torch_geometric.data import HeteroData

from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET


@dataclass(frozen=True)
class Relations:
    """Which relations to labelled samples are written into ``edge_attr``, and how similarity is measured.

    Args:
        votes: the share of the sample's labelled neighbours that are of the class. Without it only messages carry the
            neighbours' labels.
        temperature: T; a neighbour's vote weighs exp(cosine / T). Infinite (.inf): all weigh the same.
        nearest: the cosine to the closest labelled neighbour of the class.
        prototypes: the cosine to the mean of the labelled samples of the class. A label is known to the graph only
            where it is among the sample's own candidates.
        discriminant: measure similarity after linear discriminant analysis of each view's TRAIN samples, with this
            share of the covariance shrunk, above 0 to 1, see :func:`discriminants`; 0 measures it in the features as
            they are. Needs HELD samples: those asked in training must not have shaped the space.

    Raises:
        DataError: ``temperature`` is not positive, or ``discriminant`` outside 0 to 1.
    """

    votes: bool = True
    temperature: float = math.inf
    nearest: bool = False
    prototypes: bool = False
    discriminant: float = 0.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise DataError(
                f"relations.temperature: found {self.temperature}, wanted more than 0, or .inf for equal votes"
            )
        if not 0 <= self.discriminant <= 1:
            raise DataError(f"relations.discriminant: found {self.discriminant}, wanted 0 (no analysis) to 1")

    @property
    def width(self) -> int:
        """Number of relations."""
        return self.votes + self.nearest + self.prototypes

    def check(self, *, evidence: bool, held: bool) -> None:
        """Check that discriminants can be made: labels may be shown (`evidence`), and there are HELD samples (`held`).

        Raises:
            DataError: names the options to set.
        """
        if self.discriminant and not evidence:
            raise DataError(
                "relations.discriminant: found with evidence off, which hides the labels it is made of. "
                "Set --data.relations.discriminant 0, or --data.evidence true"
            )
        if self.discriminant and not held:
            raise DataError(
                "relations.discriminant: found no held-out samples to ask in training, and must not let those asked "
                "shape the space. Set --data.relations.discriminant 0, or with feature files --data.cross_fit true"
            )

    def columns(self, data: HeteroData, visible: Tensor) -> dict[str, Tensor]:
        """Return columns of [E] float by name: the label itself in two, ``known`` and ``label``, and the relations.

        Args:
            data: a graph whose sources have ``place``, and their intra-edges ``cosine``.
            visible: [E] bool, candidate pairs whose answer may be read. Nothing depends on ``y`` elsewhere.
        """
        found = {"known": visible.float(), "label": (2 * data[INTER].y - 1).where(visible, 0)}
        if self.votes:
            found["vote"] = neighbour_votes(data, visible, self.temperature)
        if self.nearest:
            found["nearest"] = nearest_labelled(data, visible)
        if self.prototypes:
            found["prototype"] = prototypes(data, visible)
        return found


VOTES = Relations()


def pair_cosine(one: Tensor, two: Tensor, pairs: Tensor, chunk: int = 1 << 16) -> Tensor:
    """Return [E] float, the cosine of a row of `one` and a row of `two`; `chunk` pairs in memory at a time.

    Shapes:
        one: [N, P] float. two: [M, P] float. pairs: [2, E] long.
    """
    parts = [cosine_similarity(one[some[0]], two[some[1]]) for some in pairs.split(chunk, dim=1)]
    return torch.cat(parts) if parts else one.new_empty(0)


def prototypes(data: HeteroData, visible: Tensor) -> Tensor:
    """Return [E] float, the cosine of the source and the mean of the labelled sources of the target; 0 without any.

    Labelled as in :func:`neighbour_votes`; a source that is asked is not.
    """
    inter, place = data[INTER], data[SOURCE].place
    known, of = inter.edge_index[:, visible & (inter.y > 0)]
    total = place.new_zeros(len(data[TARGET].x), place.size(1)).index_add_(0, of, place[known])  # as good as the mean
    return pair_cosine(place, total, inter.edge_index)


def neighbour_votes(data: HeteroData, visible: Tensor, temperature: float = math.inf) -> Tensor:
    """Return [E] float, the share of the source's labelled neighbours whose label is the target; 0 without any.

    A neighbour is labelled where its true pair is a visible candidate. A sample is never its own neighbour, so a vote
    says nothing of its own label. Takes memory for samples x classes.

    Args:
        data: a graph whose source intra-edges hold ``cosine``.
        visible: [E] bool, edges whose label may be read.
        temperature: T of the neighbours' weights exp(cosine / T); infinite (.inf) counts each as one.
    """
    neighbour, node = data[SOURCE_INTRA].edge_index
    label = _labels(data, visible)
    weight = _weights(data[SOURCE_INTRA].cosine, node, label.any(1)[neighbour], temperature)
    said = label[neighbour] * weight[:, None]
    votes = torch.zeros_like(label).index_add_(0, node, said)
    votes = votes / votes.sum(1, keepdim=True).clamp(min=1e-12)
    return votes[*data[INTER].edge_index]


def nearest_labelled(data: HeteroData, visible: Tensor) -> Tensor:
    """Return [E] float, the cosine of the source and its closest labelled neighbour whose label is the target.

    Without a labelled neighbour of that class it is the cosine of the farthest neighbour: one of the class would be
    farther still. Without any neighbour it is 0. Labelled as in :func:`neighbour_votes`.
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
