"""One graph of a stage -> its batches: answers hidden anew at each step, what is visible written, the rest cut away."""

import copy
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import HeteroData

from rrnet_lightning.datamodules.draws import Draw
from rrnet_lightning.errors import DataError, GraphError
from rrnet_lightning.evidence.hide import hide
from rrnet_lightning.graph.sample import NeighborSampler
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET, check_hidden, check_pairs_once

if TYPE_CHECKING:
    from rrnet_lightning.datamodules.base import GraphDataModule

Stage = Literal["train", "val", "test", "predict"]


class GraphBatches(Dataset[HeteroData]):
    """The batches of one stage: ``self[(step seed, source rows)]``.

    Goes to the processes that prepare batches, so it holds the stage's graph and little more of the task.

    Raises:
        GraphError: a pair is there twice; at each batch, an answer both shown and asked.
        DataError: no pair is to be predicted.
    """

    def __init__(self, task: "GraphDataModule", stage: Stage) -> None:
        self.task, self.train = task.without_trainer(), stage == "train"
        self.graph = graph = task.stage_graph(stage)
        inter = graph[INTER]
        check_pairs_once(inter.edge_index, len(graph[TARGET].x))
        self.group = task.answer_group(graph)
        self.num_groups = 0 if self.group is None else int(self.group.max()) + 1
        self.seeds = inter.edge_index[0, inter.asked].unique()
        if not len(self.seeds):
            hint = ", or train without: --trainer.limit_val_batches 0 --checkpoint.monitor null" * (stage == "val")
            raise DataError(f"{stage}: no pair is to be predicted, the split leaves it empty. Change the split{hint}")
        fan_out = task.fan_out if self.train else task.all_that_counts()
        self.sampler = None if task.batch_size is None else NeighborSampler(graph, fan_out)

    def __getitem__(self, draw: Draw) -> HeteroData:
        """Hide, reveal, and cut out the neighbourhood of the seeds."""
        step_seed, seeds = draw
        generator = torch.Generator().manual_seed(step_seed)
        data = copy.copy(self.graph)
        inter = data[INTER]
        inter.visible, inter.supervised = self._masks(data, seeds, generator)
        for mask in ("observed", "asked", "hidden"):
            if mask in inter:
                del inter[mask]
        self.task.reveal(data, inter.visible)
        self._check(inter.visible, inter.supervised)
        return data if self.sampler is None else self.sampler.sample(data, seeds, generator)

    def _masks(self, data: HeteroData, seeds: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which answers are visible, and which are asked, the seeds' alone; picks the step's column of ``initial``."""
        inter = data[INTER]
        is_seed = torch.zeros(len(data[SOURCE].x), dtype=torch.bool).index_fill_(0, seeds, True)
        observed, asked = inter.observed, inter.asked & is_seed[inter.edge_index[0]]
        if not (self.train and self.task.evidence):
            return observed, asked
        if "hidden" in inter:
            chosen = int(torch.randint(inter.hidden.size(1), (), generator=generator))  # a set of hidden answers
            hidden, inter.initial = inter.hidden[:, chosen], inter.initial[:, chosen]
        else:
            hidden = hide(asked & observed, self.task.mask_ratio, generator, group=self.group)
        return observed & ~hidden, asked & (hidden | ~observed)

    def _check(self, visible: Tensor, supervised: Tensor) -> None:
        """Refuse a batch that shows what it asks for, be it through another answer of the same group."""
        check_hidden(visible, supervised)
        if self.group is None:
            return
        told = torch.zeros(self.num_groups, dtype=torch.bool)
        told[self.group[visible]] = True
        shown = told[self.group] & supervised
        if shown.any():
            found = (
                f"{int(shown.sum())} edges asked whose group has a visible answer, first edge {int(shown.nonzero()[0])}"
            )
            raise GraphError.of(
                "observed, asked", found, "answers that tell each other shown or asked together", "see answer_group()"
            )
