"""MappingDataModule: scored samples -> graphs that map them to class names. What images and sounds have in common."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.data import SPELLING_DIM, TEST, TRAIN, VAL, Candidates, DataError, class_vectors
from rrnet_lightning.datamodules.base import GraphDataModule, Stage
from rrnet_lightning.graph import INTER, SOURCE, SOURCE_INTRA, TARGET, build_graph, knn_edges, recall, top_k_pairs

ROLES = {"train": TRAIN, "val": VAL, "test": TEST, "predict": TEST}


class MappingDataModule(GraphDataModule):
    """Samples (sources) are mapped to class names (targets); a task says what its :class:`Candidates` are.

    Inter-edges are each sample's ``top_k`` classes by initial score. Labels of training samples are the evidence, in
    every stage; a sample's label is shown or hidden on all its edges at once. A training sample and a test sample see
    alike: neighbours are training samples other than themselves, and scores come from a classifier that saw neither.

    ``edge_attr`` is [score, known, +1 on the true class and -1 on others where known, vote]: the initial
    log-probability, shifted and scaled by the training samples' candidates; the label where it may be seen; the share
    of the sample's labelled neighbours that are of this class. Without evidence it is the score alone. ``prior`` is the
    initial log-probability.

    The scores of *other* training samples were fitted with a sample's label among hundreds, as in any stacking; its own
    were not, and nothing at all was fitted with a validation or test label.

    Args:
        source_k: neighbours of a sample, by cosine of the features.
        target_k: neighbours of a class name, by cosine of the word vectors.
        top_k: candidate classes of a sample.
        add_truth: give a training sample its true class as a further candidate where its top k miss it. The network can
            then tell a miss by the extra candidate, which no test sample has; use it where misses are common.
        transductive: unlabelled validation and test samples may be neighbours, and all candidate edges pass messages.
            Otherwise only labelled samples' edges do, and what is said of a sample depends on no other unlabelled one.
        votes: put the neighbours' vote into ``edge_attr``; without it only messages carry the neighbours' labels.
        word_vectors: as in :func:`rrnet_lightning.data.class_vectors`; None for vectors of the names' spelling, which
            tell classes apart but know nothing of their meaning.
        unknown: a class name without any known word is an ``error``, or gets a vector of its ``spelling``.
        evidence, mask_ratio, batch_size, fan_out, eval_fan_out, steps_per_epoch, num_workers: see
            :class:`GraphDataModule`.

    Raises:
        DataError: ``source_k``, ``target_k`` or ``top_k`` larger than there are neighbours or classes (at ``setup``).
    """

    def __init__(
        self,
        *,
        source_k: int = 10,
        target_k: int = 3,
        top_k: int = 5,
        add_truth: bool = False,
        transductive: bool = False,
        votes: bool = True,
        word_vectors: str | None = None,
        unknown: Literal["error", "spelling"] = "error",
        evidence: bool = True,
        mask_ratio: float = 0.2,
        batch_size: int | None = None,
        fan_out: Sequence[int] = (10, 10),
        eval_fan_out: Sequence[int] | None = None,
        steps_per_epoch: int = 10,
        num_workers: int = 0,
    ) -> None:
        super().__init__(
            evidence=evidence,
            mask_ratio=mask_ratio,
            batch_size=batch_size,
            fan_out=fan_out,
            eval_fan_out=eval_fan_out,
            steps_per_epoch=steps_per_epoch,
            num_workers=num_workers,
        )
        self.source_k, self.target_k, self.top_k, self.add_truth = source_k, target_k, top_k, add_truth
        self.transductive, self.votes, self.word_vectors = transductive, votes, word_vectors
        self.unknown: Literal["error", "spelling"] = unknown
        self.samples: Candidates | None = None

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Names of the targets, known before any data is read."""

    @abstractmethod
    def candidates(self) -> Candidates:
        """Return what stage one found; called once, at ``setup``."""

    @property
    def target_dim(self) -> int:
        """Width of the word vectors."""
        source = self.word_vectors
        if source is None:
            return SPELLING_DIM
        collection = re.search(r"-(\d+)$", source)  # gensim names end with the width: no download to learn it
        if collection and not Path(source).expanduser().exists():
            return int(collection[1])
        return class_vectors(self.class_names, source, unknown=self.unknown).shape[1]

    @property
    def edge_dim(self) -> int:
        """Score, and with evidence the two columns of the label and the vote."""
        return (4 if self.votes else 3) if self.evidence else 1

    def setup(self, stage: str = "") -> None:
        """Build what all stages share: neighbours, candidates and the classes' vectors."""
        if self.samples is not None:
            return
        samples = self.candidates()
        train = samples.role == TRAIN
        pool = torch.ones_like(train) if self.transductive else train
        _check_at_most("source_k", self.source_k, int(pool.sum()) - 1, "the neighbours that a training sample has")
        _check_at_most("target_k", self.target_k, len(samples.names) - 1, "the other classes")
        _check_at_most("top_k", self.top_k, len(samples.names), "the classes", least=1)
        self.source_ids, self.target_ids = samples.ids, samples.names
        self.words = class_vectors(samples.names, self.word_vectors, unknown=self.unknown)
        self.source_intra = knn_edges(samples.features, self.source_k, pool=pool, group=samples.group)
        self.target_intra = knn_edges(self.words, self.target_k)
        truth = samples.label.where(train, -1)
        self.pairs = top_k_pairs(samples.log_probs, self.top_k, truth=truth, add_truth=train & self.add_truth)
        known = samples.log_probs[self.pairs[0], self.pairs[1]][train[self.pairs[0]]]
        self.score_mean, self.score_scale = known.mean(), known.std().clamp(min=1e-6)
        self.samples = samples
        self._log_recall(samples)

    def _log_recall(self, samples: Candidates) -> None:
        roles = {name: samples.role == role for name, role in ROLES.items() if name != "predict"}
        found = [
            f"{name} {recall(self.pairs, samples.label.where(rows, -1)):.4f}"
            for name, rows in roles.items()
            if rows.any()
        ]
        rank_zero_info(f"candidate recall, the ceiling of accuracy, at top_k={self.top_k}: {', '.join(found)}")

    def stage_graph(self, stage: Stage) -> HeteroData:
        """Training samples and those asked in this stage; with ``transductive`` all samples."""
        samples = self.samples
        assert samples is not None, "setup() comes first"
        train, asked = samples.role == TRAIN, samples.role == ROLES[stage]
        present = torch.ones_like(train) if self.transductive else train | asked
        row = present.cumsum(0) - 1
        pairs = self.pairs[:, present[self.pairs[0]]]
        source, target = pairs
        y = (samples.label[source] == target) & (train | asked)[source]
        data = build_graph(
            samples.features[present],
            self.words,
            torch.stack([row[source], target]),
            source_intra=row[self.source_intra[:, present[self.source_intra[1]]]],
            target_intra=self.target_intra,
            prior=samples.log_probs[source, target],
            y=y.float(),
        )
        data[SOURCE].n_id = present.nonzero().squeeze(1)
        data[INTER].observed, data[INTER].asked = train[source] & self.evidence, asked[source]
        return data

    def answer_group(self, data: HeteroData) -> Tensor:
        """Return the source of every edge: one candidate's answer tells that of the others."""
        source: Tensor = data[INTER].edge_index[0]
        return source

    def reveal(self, data: HeteroData, visible: Tensor) -> None:
        """Write score and visible labels into ``edge_attr``, and which edges pass messages."""
        inter = data[INTER]
        columns = [(inter.prior - self.score_mean) / self.score_scale]
        if self.evidence:
            columns += [visible.float(), (2 * inter.y - 1).where(visible, 0)]
        if self.evidence and self.votes:
            columns.append(neighbour_votes(data, visible))
        inter.edge_attr = torch.stack(columns, 1)
        inter.message = torch.ones_like(visible) if self.transductive else visible


def neighbour_votes(data: HeteroData, visible: Tensor) -> Tensor:
    """Return [E] float, the share of the source's labelled neighbours whose label is the target; 0 without any.

    A neighbour counts as labelled where its true pair is among the ``visible`` [E] candidates. A sample is never its
    own neighbour, so a vote tells nothing of its own label. Takes memory for samples x classes.
    """
    inter = data[INTER]
    source, target = inter.edge_index
    label = torch.zeros(len(data[SOURCE].x), len(data[TARGET].x))
    label[source, target] = (visible & (inter.y > 0)).float()
    neighbour, node = data[SOURCE_INTRA].edge_index
    votes = torch.zeros_like(label).index_add_(0, node, label[neighbour])
    return (votes / votes.sum(1, keepdim=True).clamp(min=1))[source, target]


def _check_at_most(field: str, found: int, most: int, what: str, least: int = 0) -> None:
    if not least <= found <= most:
        raise DataError(f"{field}: found {found}, wanted {least} to {most}, {what}. Set --data.{field} in this range")
