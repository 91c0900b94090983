"""MappingDataModule: what image and sound classification have in common. Scored samples become graphs."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.samples import HELD, TEST, TRAIN, VAL, ScoredSamples
from rrnet_lightning.data.word_vectors import class_vectors, vector_width
from rrnet_lightning.datamodules.base import GraphDataModule
from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.datamodules.view_graph import ViewGraph, side_by_side
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.discriminants import discriminants
from rrnet_lightning.evidence.labels import VOTES, Relations, pair_cosine
from rrnet_lightning.evidence.scale import SCALED, Scale, measure
from rrnet_lightning.graph.build import top_k_pairs
from rrnet_lightning.graph.knn import knn_edges
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA

Attributes = Literal["features", "scores", "profile"]
PROFILE = 10  # numbers of a profile


class MappingDataModule(GraphDataModule):
    """Samples are sources, class names are targets. A task says what its views of :class:`ScoredSamples` are.

    The candidate pairs are each sample's ``top_k`` classes by initial score, its log-probability. The evidence is the
    labels of TRAIN samples, in every stage. A label is shown or hidden on all edges of its sample at once.

    Training asks the HELD samples, all of them at each step. They are never evidence, and no model that scores them has
    seen their labels, so they look as test samples do. Several views lie side by side in one graph, without an edge
    between them. Validation takes the views with VAL samples, test the last one, the final view. Where no view has HELD
    samples, TRAIN samples ask themselves: a share of their labels is hidden at each step.

    ``edge_attr`` has these columns:

    - score: the initial log-probability, which is ``prior`` too;
    - known, label: 1 where the label is visible, and then +1 on the true class and -1 on the others; else 0;
    - what :class:`Relations` asks for: vote, nearest, prototype. They are read from visible labels alone.

    Scores and similarities are shifted and scaled to mean 0 and deviation 1 over the pairs that training asks. Without
    evidence ``edge_attr`` is the score alone.

    Args:
        source_k: neighbours of a sample, by cosine of the features, or in the space that ``relations`` chooses.
        target_k: neighbours of a class name, by cosine of the word vectors.
        top_k: candidate classes of a sample.
        attributes: what describes a sample to the network. ``features`` mean the same in views of one space only.
            ``scores`` are the log-probabilities of all classes, scaled; they mean the same in every view. ``profile``
            is the ten largest scores in order: how sure the model is, but not of what, so there is little to learn
            by heart.
        add_truth: where the ``top_k`` classes of a sample asked in training, or of a TRAIN sample, miss the true one,
            add it. The network can then tell a miss by the extra candidate, which no test sample has. Use it where
            misses are common.
        transductive: let validation and test samples be neighbours, without their labels, and let all candidate pairs
            pass messages. Otherwise only visible ones do, and what is said of a sample depends on no other that is
            asked.
        relations: which relations to labelled samples the edges carry.
        word_vectors: as in :func:`class_vectors`. None takes vectors of the spelling: they tell classes apart but know
            nothing of their meaning.
        unknown: a class name without any known word is an ``error``, or gets a vector of its ``spelling``.
        steps_per_epoch: training steps per epoch on full graphs.
        graph: evidence, masks and batches, the other options of :class:`GraphDataModule`. ``mask_ratio`` counts only
            where TRAIN samples ask themselves.

    Raises:
        DataError: at ``setup``: ``source_k``, ``target_k`` or ``top_k`` larger than there are neighbours or classes;
            ``features`` of several spaces as attributes; discriminants without HELD samples or evidence.
    """

    graph_only = ("parts",)

    def __init__(
        self,
        *,
        source_k: int = 10,
        target_k: int = 3,
        top_k: int = 5,
        attributes: Attributes = "features",
        add_truth: bool = False,
        transductive: bool = False,
        relations: Relations = VOTES,
        word_vectors: str | None = None,
        unknown: Literal["error", "spelling"] = "error",
        steps_per_epoch: int = 10,
        **graph: Any,
    ) -> None:
        super().__init__(steps_per_epoch=steps_per_epoch, **graph)
        self.source_k, self.target_k, self.top_k, self.add_truth = source_k, target_k, top_k, add_truth
        self.attributes, self.transductive, self.relations = attributes, transductive, relations
        self.word_vectors = word_vectors
        self.unknown: Literal["error", "spelling"] = unknown
        self.parts: list[ViewGraph] = []
        self._shown: tuple[Tensor, Tensor, Tensor] | None = None  # edges, labels visible, what was written

    @property
    @abstractmethod
    def feature_dim(self) -> int:
        """Width of the samples' features."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Names of the targets, known before any data is read."""

    @abstractmethod
    def views(self) -> Sequence[ScoredSamples]:
        """Return the views, the final one last, which holds all samples. Called once, at ``setup``."""

    @property
    def target_dim(self) -> int:
        """Width of the word vectors."""
        return vector_width(self.class_names, self.word_vectors, unknown=self.unknown)

    @property
    def source_dim(self) -> int:
        """Width of the samples' attributes."""
        if self.attributes == "features":
            return self.feature_dim
        classes = len(self.class_names)
        return classes if self.attributes == "scores" else min(PROFILE, classes)

    @property
    def edge_dim(self) -> int:
        """1 for the score; with evidence 2 more for the label, and the relations."""
        return 3 + self.relations.width if self.evidence else 1

    def setup(self, stage: str = "") -> None:
        """Read the views once and find what all stages share: neighbours, candidate pairs, word vectors, scales."""
        if self.parts:
            return
        views = self.views()
        final = views[-1]
        if self.attributes == "features" and len({view.space for view in views}) > 1:
            raise DataError(
                f"attributes: found 'features' for {len(views)} views of different backbones, whose features share no "
                "space. Set --data.attributes scores, or take one view: --data.cross_fit false"
            )
        self.source_ids, self.target_ids = final.ids, final.names
        self.words = class_vectors(final.names, self.word_vectors, unknown=self.unknown)
        _check_at_most("target_k", self.target_k, len(final.names) - 1, "the other classes")
        _check_at_most("top_k", self.top_k, len(final.names), "the classes", least=1)
        self.target_intra = knn_edges(self.words, self.target_k)
        self.learns = HELD if any((view.role == HELD).any() for view in views) else TRAIN
        self.relations.check(evidence=self.evidence, held=self.learns == HELD)
        scale = Scale.of(torch.cat([self._attributes(view)[view.role == self.learns] for view in views]))
        self.parts = [self._part(view, scale) for view in views]
        train = self.stage_graph("train")
        self.scales = measure(train, self._columns, self.mask_ratio, self.answer_group(train))
        self._log_recall(("test",) if stage in ("test", "predict") else ("train", "val"))

    def _attributes(self, view: ScoredSamples) -> Tensor:
        """[N, source_dim], before scaling."""
        if self.attributes == "features":
            return view.features
        return view.log_probs.topk(self.source_dim).values if self.attributes == "profile" else view.log_probs

    def _part(self, view: ScoredSamples, scale: Scale) -> ViewGraph:
        pool = torch.ones_like(view.role == TRAIN) if self.transductive else view.role == TRAIN
        _check_at_most("source_k", self.source_k, int(pool.sum()) - 1, "the neighbours that a training sample has")
        x = self._attributes(view) if self.attributes == "features" else scale(self._attributes(view))
        shrinkage = self.relations.discriminant
        place = discriminants(view, shrinkage) if shrinkage else view.features
        intra = knn_edges(place, self.source_k, pool=pool)
        learns = (view.role == TRAIN) | (view.role == HELD)
        truth = view.label.where(learns, -1)
        pairs = top_k_pairs(view.log_probs, self.top_k, truth=truth, add_truth=learns & self.add_truth)
        return ViewGraph(view, x, place, intra, pair_cosine(place, place, intra), pairs)

    def _asked(self, stage: Stage) -> tuple[int, list[ViewGraph]]:
        """The role that a stage asks, and the views that hold it."""
        if stage in ("test", "predict"):
            return TEST, self.parts[-1:]
        role = self.learns if stage == "train" else VAL
        views = self.parts[-1:] if role == TRAIN else [part for part in self.parts if part.asks(role)]
        return role, views or self.parts[-1:]

    def _log_recall(self, stages: Sequence[Stage]) -> None:
        found = {
            stage: [part.recall(role) for part in parts if part.asks(role)]
            for stage in stages
            for role, parts in [self._asked(stage)]
        }
        shown = ", ".join(f"{stage} {sum(each) / len(each):.4f}" for stage, each in found.items() if each)
        rank_zero_info(f"candidate recall, the ceiling of accuracy, at top_k={self.top_k}: {shown}")

    def learnt_rows(self) -> Iterable[object]:
        """Return the samples of every view that train and validate, their labels, and the classes' vectors.

        Of the vectors the signs: their last digits, as those of features and scores, follow from the machine.
        """
        yield from zip(self.target_ids, (self.words > 0).tolist(), strict=True)
        for part in self.parts:
            samples = part.samples
            for row in torch.isin(samples.role, torch.tensor([TRAIN, HELD, VAL])).nonzero().squeeze(1).tolist():
                yield samples.space, samples.ids[row], int(samples.label[row]), int(samples.role[row])

    def stage_graph(self, stage: Stage) -> HeteroData:
        """Return the views asked in this stage side by side: their TRAIN samples and those asked, or all samples."""
        assert self.parts, "setup() comes first"
        role, parts = self._asked(stage)
        return side_by_side(
            [
                part.graph(role, self.words, self.target_intra, everyone=self.transductive, evidence=self.evidence)
                for part in parts
            ]
        )

    def answer_group(self, data: HeteroData) -> Tensor:
        """Return the source of every edge: one candidate's answer tells that of the others."""
        source: Tensor = data[INTER].edge_index[0]
        return source

    def reveal(self, data: HeteroData, visible: Tensor) -> None:
        """Write ``edge_attr``, and which edges pass messages.

        ``edge_attr`` is kept and used again while the same labels of the same graph are visible. With HELD samples that
        is at every step.
        """
        inter = data[INTER]
        if self._shown is None or self._shown[0] is not inter.edge_index or not self._shown[1].equal(visible):
            columns = self._columns(data, visible).items()
            scaled = [self.scales[name](values) if name in SCALED else values for name, values in columns]
            self._shown = inter.edge_index, visible, torch.stack(scaled, 1)
        inter.edge_attr = self._shown[2]
        inter.message = torch.ones_like(visible) if self.transductive else visible
        del data[SOURCE].place, data[SOURCE_INTRA].cosine  # read here alone

    def _columns(self, data: HeteroData, visible: Tensor) -> dict[str, Tensor]:
        """The columns of ``edge_attr`` by name, [E] each, before scaling."""
        score = {"score": data[INTER].prior}
        return score | self.relations.columns(data, visible) if self.evidence else score


def _check_at_most(field: str, found: int, most: int, what: str, least: int = 0) -> None:
    if not least <= found <= most:
        raise DataError(f"{field}: found {found}, wanted {least} to {most}, {what}. Set --data.{field} in this range")
