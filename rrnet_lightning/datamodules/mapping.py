"""MappingDataModule: scored samples -> graphs that map them to class names. What images and sounds have in common."""

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
from rrnet_lightning.evidence.scale import Scale, measure
from rrnet_lightning.graph.build import top_k_pairs
from rrnet_lightning.graph.knn import knn_edges
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA

Attributes = Literal["features", "scores", "profile"]
PROFILE = 10  # numbers of a profile


class MappingDataModule(GraphDataModule):
    """Samples (sources) are mapped to class names (targets); a task says what its views of :class:`ScoredSamples` are.

    Inter-edges are each sample's ``top_k`` classes by initial score. Labels of training samples are the evidence, in
    every stage; a sample's label is shown or hidden on all its edges at once. A training sample and a test sample see
    alike: neighbours are training samples other than themselves, and scores come from a classifier that saw neither.

    ``edge_attr`` is [score, known, +1 on the true class and -1 on others where known, vote, nearest, prototype]: the
    initial log-probability; the label where it may be seen; the share of the sample's labelled neighbours that are of
    this class; the similarity of the closest of these, and of the mean of the labelled samples of the class.
    :class:`Relations` says which are there. Scores and similarities are shifted and scaled by those of the samples
    asked in training. ``prior`` is the initial log-probability. Without evidence there are no relations: ``edge_attr``
    is the score alone.

    Where views hold HELD samples, those ask in training, all at each step, and are never evidence: each view is a graph
    of its own, all of them lie side by side. Validation takes the views with VAL samples, test the last, final view.
    Otherwise training samples ask themselves, a share of them hidden at each step.

    The scores of *other* training samples were fitted with a sample's label among hundreds, as in any stacking; its own
    were not, and nothing at all was fitted with a validation or test label.

    Args:
        source_k: neighbours of a sample, by cosine of the features, or as `relations` measures similarity.
        target_k: neighbours of a class name, by cosine of the word vectors.
        top_k: candidate classes of a sample.
        attributes: what describes a sample to the network: its ``features``, which mean one thing in one backbone's
            space only; its ``scores``, the log-probabilities of all classes, shifted and scaled, which mean the same
            in every view; or the ``profile``, the ten largest scores in order, which say how sure the backbone is but
            not of what: little to learn by heart.
        add_truth: give a training sample its true class as a further candidate where its top k miss it. The network can
            then tell a miss by the extra candidate, which no test sample has; use it where misses are common.
        transductive: unlabelled validation and test samples may be neighbours, and all candidate edges pass messages.
            Otherwise only labelled samples' edges do, and what is said of a sample depends on no other unlabelled one.
        relations: to labelled samples, written into ``edge_attr``.
        word_vectors: as in :func:`class_vectors`; None for vectors of the names' spelling, which
            tell classes apart but know nothing of their meaning.
        unknown: a class name without any known word is an ``error``, or gets a vector of its ``spelling``.
        steps_per_epoch, graph: evidence, masks and batches, the options of :class:`GraphDataModule`.

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
        """Return what stage one found, the final view, of all samples, last; called once, at ``setup``."""

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
        """Score, and with evidence two columns of the label and the relations."""
        return 3 + self.relations.width if self.evidence else 1

    def setup(self, stage: str = "") -> None:
        """Build what all stages share: neighbours, candidates and the classes' vectors."""
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
        self.scales = self._scales(self.stage_graph("train"))
        self._log_recall(("test",) if stage in ("test", "predict") else ("train", "val"))

    def _attributes(self, view: ScoredSamples) -> Tensor:
        """[N, source_dim], before scaling."""
        if self.attributes == "features":
            return view.features
        scores = view.log_probs
        return scores.topk(self.source_dim).values if self.attributes == "profile" else scores

    def _part(self, view: ScoredSamples, scale: Scale) -> ViewGraph:
        train, learns = view.role == TRAIN, (view.role == TRAIN) | (view.role == HELD)
        pool = torch.ones_like(train) if self.transductive else train
        _check_at_most("source_k", self.source_k, int(pool.sum()) - 1, "the neighbours that a training sample has")
        x = self._attributes(view)
        x = x if self.attributes == "features" else scale(x)
        shrinkage = self.relations.discriminant
        place = discriminants(view, shrinkage) if shrinkage else view.features
        intra = knn_edges(place, self.source_k, pool=pool)
        truth = view.label.where(learns, -1)
        pairs = top_k_pairs(view.log_probs, self.top_k, truth=truth, add_truth=learns & self.add_truth)
        return ViewGraph(view, x, place, intra, pair_cosine(place, place, intra), pairs)

    def _asked(self, stage: Stage) -> tuple[int, list[ViewGraph]]:
        """The role asked in a stage, and the views that ask."""
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
        """The views that ask in this stage, side by side: training samples and those asked; see ``transductive``."""
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
        """Write score and visible labels into ``edge_attr``, and which edges pass messages.

        What was written last is written again while the same labels of the same graph are visible: in all steps, where
        those asked are never evidence.
        """
        inter = data[INTER]
        if self._shown is None or self._shown[0] is not inter.edge_index or not self._shown[1].equal(visible):
            self._shown = inter.edge_index, visible, self._evidence(data, visible)
        inter.edge_attr = self._shown[2]
        inter.message = torch.ones_like(visible) if self.transductive else visible
        del data[SOURCE].place, data[SOURCE_INTRA].cosine  # read here alone

    def _evidence(self, data: HeteroData, visible: Tensor) -> Tensor:
        """``edge_attr``."""
        inter = data[INTER]
        columns = {"score": inter.prior}
        if self.evidence:
            columns |= {"known": visible.float(), "label": (2 * inter.y - 1).where(visible, 0)}
            columns |= self.relations.columns(data, visible)
        scaled = (self.scales[name](values) if name in self.scales else values for name, values in columns.items())
        return torch.stack(list(scaled), 1)

    def _scales(self, train: HeteroData) -> dict[str, Scale]:
        """Scales of scores and similarities by the names of their columns, from the graph of the training stage."""
        inter = train[INTER]
        found = {"score": Scale.of(inter.prior[inter.asked])}
        if self.evidence and (self.relations.nearest or self.relations.prototypes):
            found |= measure(train, self.relations.similarities, self.mask_ratio, self.answer_group(train))
        return found


def _check_at_most(field: str, found: int, most: int, what: str, least: int = 0) -> None:
    if not least <= found <= most:
        raise DataError(f"{field}: found {found}, wanted {least} to {most}, {what}. Set --data.{field} in this range")
