"""A view becomes a graph; the graphs of several views are joined into one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.collate import collate

from rrnet_lightning.candidates.samples import TRAIN, ScoredSamples
from rrnet_lightning.graph.build import build_graph, recall
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, validate


@dataclass(frozen=True, eq=False)
class ViewGraph:
    """A view, and what the graphs of all stages made of it share.

    Attributes:
        samples: the view, N samples.
        x: [N, D] float, their node attributes.
        place: [N, P] float, their positions in the space in which similarity is measured.
        intra: [2, K] long, neighbour -> sample. cosine: [K] float, of the two positions.
        pairs: [2, E] long, the candidate pairs, sample -> class.
    """

    samples: ScoredSamples
    x: Tensor
    place: Tensor
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
        """Return the graph of the TRAIN samples and those of the role asked, with the fields of ``stage_graph``.

        Its sources hold ``place`` too, and their intra-edges ``cosine``. An answer that is neither shown nor asked in
        this stage is not in it: ``y`` is 0 there.

        Args:
            role: asked.
            words: [C, W] float, vectors of the class names.
            target_intra: [2, L] long, their neighbours.
            everyone: take the samples of all roles.
            evidence: the labels of TRAIN samples may be shown.
        """
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
        data[SOURCE].place = self.place[present]
        data[SOURCE_INTRA].cosine = self.cosine[here]
        data[SOURCE].n_id = (torch.arange(len(train)) if samples.row is None else samples.row)[present]
        data[INTER].observed, data[INTER].asked = train[source] & evidence, asked[source]
        return data


def side_by_side(graphs: Sequence[HeteroData]) -> HeteroData:
    """Join graphs into one, without an edge between two of them. ``n_id`` still leads to the full data.

    Raises:
        GraphError: the union breaks the contract.
    """
    if len(graphs) == 1:
        return graphs[0]
    joined, _, _ = collate(HeteroData, list(graphs), add_batch=False)  # Batch.from_data_list without its batch vectors
    validate(joined)
    return joined
