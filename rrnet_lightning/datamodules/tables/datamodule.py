"""A user's own two tables and known pairs between them: which target belongs to a source, and the other way round?"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.retrieval import CCA, SpaceGenerator
from rrnet_lightning.candidates.retrieval.space import SIDES, Side, other
from rrnet_lightning.data.tables.features import FeatureTable, as_features, read_features
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.links import Edges, Scores
from rrnet_lightning.data.tables.pairs import Pairs, as_pairs
from rrnet_lightning.data.tables.split import Part
from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.datamodules.draws import resumable
from rrnet_lightning.datamodules.tables.base import SplitTables
from rrnet_lightning.datamodules.tables.blocks import Blocks, Scales, measure
from rrnet_lightning.datamodules.tables.files import TableContent
from rrnet_lightning.datamodules.tables.listed import Listed
from rrnet_lightning.datamodules.tables.view import Order, View, fold_pairs, known_members, members, who_asks
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.matching import joining, self_training
from rrnet_lightning.evidence.reference import Reference
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.build import given_edges

JOINED = 0.5
"""Weight as evidence of a pair that joined the known ones; about half of them are right."""
Mode = Literal["inductive", "transductive"]


class TablesDataModule(SplitTables):
    """Two tables of features and known pairs between their rows -> graphs that rank the one for the other, both ways.

    Training asks as testing does: its pairs are cut into folds, and each fold is asked in turn. Then the generator is
    fitted on the other folds alone, and only their pairs are evidence. In validation the training pairs are evidence,
    in test the validation pairs too.

    Candidates are the ``top_k`` rows of the other table by the generator. All that is known of a pair lies on its edge:
    see :class:`rrnet_lightning.evidence.reference.Bridges`. Metrics are those of the whole ranking: what is no
    candidate ranks behind, in the generator's order.

    With ``scores_path`` the candidates are the ``top_k`` of those that the file lists for a query, in either direction,
    and its scores lie first on the edges, before the generator's. A query that it lists nothing for has no candidate.
    The scores must not have been fitted on the known pairs: those asked in training would have better scores than those
    of a test, and the network would learn to trust them. Training asks known pairs, so the file lists candidates of
    their rows too.

    Args:
        scores_path: your own candidates, CSV or Parquet with the columns ``source``, ``target`` and ``score``, more is
            better; null: the generator proposes.
        source_edges: your own neighbours in ``intra`` units, CSV or Parquet with the columns ``source``, the neighbour,
            and ``target``, the row that hears it, both of the source table; null: the nearest known rows. Heard are
            known rows and rows that do not ask, in transductive mode all.
        target_edges: see ``source_edges``, both ends of the target table.
        source_labels: CSV or Parquet of ``id`` and ``label``, one or several a row; for mAP by class and for
            generators that learn from the classes of known rows.
        target_labels: see ``source_labels``.
        predict_path: features of new rows, in no table, for ``predict`` to rank all of the other table for; null: the
            sources of the test ask. Then all known pairs are evidence. Not with ``scores_path``, nor with edges of
            their side, which say nothing of them.
        predict_ids: their names, as ``source_ids``.
        predict_side: which table they are like, ``source`` or ``target``.
        generator: what proposes the candidates: ``CCA``, ``Ridge``, ``Cosine``, ``DualEncoder`` or, with labels,
            ``SemanticMatching`` or ``DSCMR``.
        relations: what the edges carry.
        order: what ranks the candidates: ``cosine`` in the generator's space, ``csls``, or the ``bridge``.
        top_k: candidates of a query; null: all rows that it searches among, up to 200,000 pairs a batch.
        intra: neighbours of a row in the intra graph, where no edges are given.
        mode: ``inductive``: what is said of a query depends on no other query. ``transductive``: they answer together.
        unlabelled: in transductive mode, all rows without a known partner ask in training too, so that a fold is as
            crowded as the matching of two whole tables with few known pairs. Their answers are not read.
        self_training: in transductive mode, rounds in which rows without a known partner that are each other's nearest
            join the known pairs of the generator, which is fitted again; see
            :func:`rrnet_lightning.evidence.matching.self_training`. They are evidence too, with half the weight. Meant
            for few known pairs.
        folds: parts that the training pairs are cut into.
        repeats: how many times they are cut, each at random.
        batch_size: queries of a batch; null: all of a fold and of a direction, 512 in ``predict``. Always all in
            transductive mode.
        tables: files, split and ``num_workers``, see :class:`.base.SplitTables`. Training folds are cut as the split
            is, with its ``seed``.

    Cost: ``folds`` · ``repeats`` fits of the generator. A batch grows with its queries times ``top_k``, and with the
    known rows that speak for them; the search with queries times rows.

    Raises:
        DataError: bad files or options; the message names file and line, or the option.
    """

    def __init__(
        self,
        *,
        scores_path: str | None = None,
        source_edges: str | None = None,
        target_edges: str | None = None,
        source_labels: str | None = None,
        target_labels: str | None = None,
        predict_path: str | None = None,
        predict_ids: str | None = None,
        predict_side: Side = "source",
        generator: SpaceGenerator | None = None,
        relations: Bridges | None = None,
        order: Order = "csls",
        top_k: int | None = 20,
        intra: int = 5,
        mode: Mode = "inductive",
        unlabelled: bool = False,
        self_training: int = 0,
        folds: int = 5,
        repeats: int = 1,
        batch_size: int | None = None,
        **tables: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, **tables)
        labels, edges = (source_labels, target_labels), (source_edges, target_edges)
        self.files = replace(self.files, labels=labels, scores=scores_path, edges=edges)
        least = {"top_k": (top_k, 1), "intra": (intra, 0), "folds": (folds, 2), "repeats": (repeats, 1)}
        for option, (found, lowest) in (least | {"self_training": (self_training, 0)}).items():
            if found is not None and found < lowest:
                raise DataError(f"{option}: found {found}, wanted at least {lowest}")
        self.new, self.predict_side = (predict_path, predict_ids), predict_side
        if predict_path is None and (predict_ids is not None or predict_side != "source"):
            raise DataError("predict_path: found null with predict_ids or predict_side, wanted a file of new rows")
        self.generator, self.relations = generator or CCA(), relations or Bridges()
        self.order, self.top_k, self.intra, self.mode = order, top_k, intra, mode
        self.unlabelled, self.self_training = unlabelled, self_training
        for option in ("unlabelled", "self_training"):
            if mode == "inductive" and getattr(self, option):
                raise DataError(f"{option}: found it with mode inductive, wanted transductive: it reads other queries")
        if self_training and self.generator.needs_labels:
            raise DataError(
                f"self_training: found {self_training} rounds of {type(self.generator).__name__}, which learns from "
                "classes, and those of rows that join are not known. Wanted 0, or a generator that reads no labels"
            )
        self.folds, self.repeats = folds, repeats
        self.listed: Listed | None = None
        self.edges: dict[Side, Tensor] = {}
        self._views: dict[Stage, list[View]] = {}
        self.scales: Scales = {}
        self._everything: View | None = None

    @classmethod
    def of(
        cls,
        source: FeatureTable | Tensor | NDArray[Any],
        target: FeatureTable | Tensor | NDArray[Any],
        pairs: Pairs | Tensor | NDArray[Any],
        labels: dict[Side, Labels] | None = None,
        scores: Scores | None = None,
        edges: dict[Side, Edges] | None = None,
        **options: Any,
    ) -> "TablesDataModule":
        """Take tables that are in memory.

        Args:
            source: [N, D] features, one row an instance; as a table they have names, too.
            target: see ``source``.
            pairs: [2, P] whole numbers, rows of the sources and of the targets that belong together; or what
                :func:`as_pairs` makes of them with weights or a split.
            labels: classes of the rows of both sides, as from ``source_labels``.
            scores: the user's own candidates.
            edges: the user's own neighbours within a side.
            options: those of the class without the files.

        Raises:
            DataError: features or pairs of another shape, or options as in the class.
        """
        one, two = (table if isinstance(table, FeatureTable) else as_features(table) for table in (source, target))
        if not isinstance(pairs, Pairs):
            pairs = as_pairs(pairs, num_sources=len(one.x), num_targets=len(two.x))
        data = cls(source_path="", target_path="", pairs_path="", **options)
        data.take(TableContent({"source": one, "target": two}, pairs, labels or {}, scores, edges or {}))
        return data

    @property
    def source_dim(self) -> int:
        """What the known pairs say of a row, see :class:`Bridges`."""
        return self.relations.node_width

    @property
    def target_dim(self) -> int:
        """As ``source_dim``."""
        return self.relations.node_width

    @property
    def edge_dim(self) -> int:
        """Whether the pair is known, whether its target asks it, its own score, and what the known pairs say of it."""
        return 2 + (self.listed is not None or self.files.scores is not None) + self.relations.edge_width

    @property
    def support_dim(self) -> int:
        """How alike two pairs are."""
        return self.relations.support_width

    def setup(self, stage: str = "") -> None:
        """Read, split and measure, once."""
        super().setup(stage)
        if not self.scales:
            self.scales = measure(self, stage)

    def take(self, content: TableContent) -> None:
        """Keep and split what was read."""
        super().take(content)
        if content.scores is not None:
            self.listed = Listed.of(content.scores, len(self.tables["target"]))
        self.edges = {side: given_edges(given.index, len(self.tables[side])) for side, given in content.edges.items()}
        self.member = members(content.labels)
        if self.relations.classes and self.member is None:
            raise DataError("relations.classes: found true without labels, wanted labels of both sides")

    def views(self, stage: Stage) -> list[View]:
        """Return the views of a stage, made once: a fold each in training, else one."""
        if stage not in self._views:
            self._views[stage] = list(self.make_views(stage))
        return self._views[stage]

    def make_views(self, stage: Stage) -> Iterator[View]:
        """Make the views of a stage, one fit of the generator each."""
        train, val, test = (self.part == part for part in Part)
        if stage == "train":
            rows = train.nonzero().squeeze(1)
            for asked in fold_pairs(self.pairs.index[:, rows], self.split, self.folds, self.repeats, self.seed):
                yield self._view(rows[~asked], rows[asked])
        elif stage == "val":
            yield self._view(train.nonzero().squeeze(1), val.nonzero().squeeze(1))
        else:
            yield self._view((train | val).nonzero().squeeze(1), test.nonzero().squeeze(1))

    def _view(self, known: Tensor, asked: Tensor) -> View:
        """One view of the pairs ``known`` and ``asked``, given by their numbers."""
        pairs, weight = self.pairs.index[:, known], self.pairs.weight[known]
        source, target = self.tables["source"], self.tables["target"]
        member = known_members(self.member, pairs)
        tables = source, target, pairs, weight
        space = self_training(self.generator, *tables, rounds=self.self_training, labels=member, seed=self.seed)
        evidence = pairs, weight
        if self.self_training:
            joined = joining(space, source, target, pairs)
            evidence = torch.cat([pairs, joined], 1), torch.cat([weight, weight.new_full((joined.shape[1],), JOINED)])
        reference = Reference(source, target, *evidence, space, self.relations, member)
        truth = self.pairs.index[:, asked]
        sizes = len(source), len(target)
        queries, base = who_asks(truth, self.split, sizes, pairs if self.unlabelled else None)
        most = self.top_k or max(map(len, self.tables.values()))
        options = most, self.order, self.member, None, self.listed, self.edges
        return View(self.tables, reference, pairs, truth, queries, base, *options)

    def train_dataloader(self) -> DataLoader[HeteroData]:
        """The folds in random order."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[HeteroData]:
        """Validation pairs asked, training pairs known."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[HeteroData]:
        """Test pairs asked, all others known."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[HeteroData]:
        """The rows of ``predict_path``, or the sources of the test."""
        (path, ids), side = self.new, self.predict_side
        if path is not None:
            table = read_features(path, ids=ids, columns=self.files.columns[SIDES.index(side)])
            names = table.ids or [f"new {row}" for row in range(len(table.x))]
            self._views["predict"] = [self.ask(table.x, side)]
            known: list[str] = getattr(self, f"{side}_ids")[: len(self.tables[side])]
            setattr(self, f"{side}_ids", [*known, *names])
        return self._loader("predict")

    def ask(self, x: Tensor, side: Side = "source") -> View:
        """Return a view of new rows of one side, features [M, D], which ask all of the other; all pairs are known.

        Raises:
            DataError: another width than that of their table; listed candidates, or given edges of their side.
        """
        given = {"scores_path": self.listed is not None, f"{side}_edges": side in self.edges}
        for option in (name for name, is_there in given.items() if is_there):
            raise DataError(
                f"predict_path: found new {side}s with {option}, which says nothing of them. Put them into the "
                f"{side} table and train anew, or train without {option}"
            )
        width = self.tables[side].shape[1]
        if x.dim() != 2 or x.shape[1] != width or not len(x):
            raise DataError(f"new {side}s: found {list(x.shape)}, wanted [M, {width}], the width of the {side} table")
        rows = len(self.tables[side]) + torch.arange(len(x))
        view = self.everything()
        view.see_base(other(side))
        return replace(view, new=(side, self.rows(x)), queries={side: rows, other(side): rows[:0]})

    def everything(self) -> View:
        """Return the view in which all pairs are known and all rows are searched.

        The generator is fitted at the first call alone, and so is worked out what the known pairs say of a table's
        rows, when they are asked for at first.
        """
        if self._everything is None:
            pairs = torch.arange(self.pairs.index.shape[1])
            view = self._view(pairs, pairs[:0])
            base: dict[Side, Tensor] = {side: torch.arange(len(self.tables[side])) for side in SIDES}
            self._everything = replace(view, base=base, member=None)  # what is asked has no class that is known
        return self._everything

    def _loader(self, stage: Stage) -> DataLoader[HeteroData]:
        with torch.inference_mode(False):
            blocks = Blocks(self, stage)
        rows = torch.arange(len(blocks))
        return resumable(blocks, rows, 1, stage, self.trainer, num_workers=self.num_workers)
