"""The batches of two tables: graphs of some queries each."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import HeteroData

from rrnet_lightning.candidates.retrieval.space import SIDES, Side, other
from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.datamodules.draws import Draw
from rrnet_lightning.datamodules.tables.query_graph import query_graph
from rrnet_lightning.datamodules.tables.view import View
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.scale import Scale
from rrnet_lightning.graph.schema import INTER, SUPPORT

if TYPE_CHECKING:
    from rrnet_lightning.datamodules.tables.datamodule import TablesDataModule

KEPT = 100_000_000
"""Numbers up to which the graphs of training are kept from epoch to epoch, rather than built anew."""
ALL_PAIRS = 200_000
"""Pairs of a batch up to which all rows may be candidates: a step of ``configs/tables.yaml`` takes about 19 kB each."""
PREDICTED = 512
"""Queries of a batch of predictions."""
FLAGS = 2
"""First columns of an edge, which are not scaled: the pair is known; its target asks."""
Scales = dict[str, Scale]
Queries = list[tuple[Side, Tensor]]


class Blocks(Dataset[HeteroData]):
    """The graphs of one stage: some queries of one view each. ``self[(seed, [number])]``, the seed is not used."""

    def __init__(
        self,
        data: "TablesDataModule",
        stage: Stage,
        *,
        scaled: bool = True,
        views: Sequence[View] | None = None,
    ) -> None:
        self.data, self.scaled = copy.copy(data), scaled
        self.data.trainer = None  # it cannot go to the processes that prepare batches
        self.blocks: list[tuple[View, Queries]] = []
        for view in views or data.views(stage):
            if data.mode == "transductive":
                self.blocks.append((view, [(side, view.queries[side]) for side in _asking(view, stage)]))
            else:
                size = data.batch_size or (PREDICTED if stage == "predict" else None)
                for side in _asking(view, stage):
                    rows = view.queries[side]
                    self.blocks += [(view, [(side, some)]) for some in rows.split(size or len(rows) or 1)]
        self.blocks = [(view, asking) for view, asking in self.blocks if sum(len(rows) for _, rows in asking)]
        keep = stage == "train" and sum(self._numbers(*block) for block in self.blocks) <= KEPT
        self.kept: dict[int, HeteroData] | None = {} if keep else None
        if not self.blocks:
            raise DataError(f"{stage}: no pair is to be predicted, the split leaves it empty. Change the split")
        if data.top_k is None and data.listed is None:
            self._check_all()

    def _check_all(self) -> None:
        """Refuse all rows as candidates where that makes too many pairs."""
        pairs, view, asking = max(((_pairs(*block), *block) for block in self.blocks), key=lambda block: block[0])
        if pairs > ALL_PAIRS:
            width = max(len(view.base[other(side)]) for side, _ in asking)
            fewer = f"batch_size {ALL_PAIRS // width} or less, or " * (self.data.mode == "inductive")
            raise DataError(
                f"top_k: found null, which makes {pairs:,} pairs in a batch, wanted at most {ALL_PAIRS:,}. Set "
                f"{fewer * (width <= ALL_PAIRS)}top_k"
            )

    def _numbers(self, view: View, asking: Queries) -> int:
        """About how many numbers a graph holds."""
        each = (
            self.data.edge_dim + 2 * self.data.relations.supports * self.data.relations.partners * self.data.support_dim
        )
        return _pairs(view, asking) * each

    def __len__(self) -> int:
        """Number of graphs."""
        return len(self.blocks)

    def __getitem__(self, draw: Draw) -> HeteroData:
        """Build one graph."""
        number = int(draw[1])
        if self.kept is not None and number in self.kept:
            return self.kept[number]
        view, asking = self.blocks[number]
        data = query_graph(view, asking, self.data.intra, together=self.data.mode == "transductive")
        if self.scaled:
            data = scaled(self.data.scales, data)
        if view.new is not None:
            data[INTER].y[data[INTER].supervised] = torch.nan  # the truth is not known
        if self.kept is not None:
            self.kept[number] = data
        return data


def _pairs(view: View, asking: Queries) -> int:
    """Candidate pairs of some queries, at most."""
    return sum(len(rows) * min(view.top_k, len(view.base[other(side)])) for side, rows in asking)


def _asking(view: View, stage: Stage) -> Sequence[Side]:
    """The sides that ask; ``predict`` answers each pair once, so there one side asks."""
    sides = [side for side in SIDES if len(view.queries[side])]
    return sides[:1] if stage == "predict" else sides


def measure(data: "TablesDataModule", stage: str) -> Scales:
    """Return the scales of the columns, over what the first fold of training asks."""
    with torch.inference_mode(False):
        # to fit takes all folds, to test no more than this one
        first = data.views("train")[:1] if stage == "fit" else [next(data.make_views("train"))]
        graph = Blocks(data, "train", scaled=False, views=first)[(0, torch.tensor([0]))]
    inter = graph[INTER]
    if not inter.supervised.any():
        raise DataError(
            "scores_path: found no candidate of what the first fold of training asks, wanted some for rows of known "
            "pairs too. List them"
        )
    found: Scales = {"edge": Scale.columns(inter.edge_attr[inter.supervised, FLAGS:])}
    found |= {side: Scale.columns(graph[side].x) for side in SIDES}
    if data.relations.supports:
        found["support"] = Scale.columns(graph[SUPPORT].edge_attr)
    return found


def scaled(scales: Scales, data: HeteroData) -> HeteroData:
    """Shift and scale all columns of a graph; its ``prior`` is the generator's score."""
    inter = data[INTER]
    columns = scales["edge"](inter.edge_attr[:, FLAGS:])
    inter.edge_attr, inter.prior = torch.cat([inter.edge_attr[:, :FLAGS], columns], 1), columns[:, 0]
    for side in SIDES:
        data[side].x = scales[side](data[side].x)
    if "support" in scales:
        data[SUPPORT].edge_attr = scales["support"](data[SUPPORT].edge_attr)
    return data
