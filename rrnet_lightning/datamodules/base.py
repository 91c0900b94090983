"""GraphDataModule: one graph per stage -> full-graph or sampled batches, with evidence hidden anew at each step."""

import copy
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch_geometric.data import HeteroData

from rrnet_lightning.datamodules.batches import GraphBatches, Stage
from rrnet_lightning.datamodules.draws import resumable
from rrnet_lightning.datamodules.learnt import LearntDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER


class GraphDataModule(LearntDataModule):
    """Base of every task: a task says what its graph is and how visible answers show; this class does the rest.

    A task implements :meth:`stage_graph` and :meth:`reveal`, and the widths ``source_dim``, ``target_dim``,
    ``edge_dim`` as cheap properties (they are read on every process before ``prepare_data``).

    At every training step a random share of the answers that may be shown is hidden and supervised; all others are
    evidence. Validation and test answers are never shown in the stage that asks for them.

    Args:
        evidence: show known answers to the network (``edge_attr``); False hides all of them, in all stages.
        mask_ratio: share of the training answers hidden and supervised at each step, in (0, 1]; answers that are asked
            but never shown are all supervised.
        batch_size: number of seed sources per batch; None takes the full graph as one batch.
        fan_out: neighbours drawn per node and kind of edge at each hop of a training batch; -1 for all. One entry for
            each unit of the network but the last reaches all that can influence a seed.
        eval_fan_out: the same outside training; None takes all neighbours, for as many hops as the network reaches
            (``trainer.lightning_module.network.hops``; those of ``fan_out`` for a model that says nothing of it). Then
            metrics do not depend on batches or processes.
        steps_per_epoch: training steps per epoch on full graphs.
        num_workers: processes that prepare batches.

    Masks, batch order and sampled neighbours follow from ``seed_everything``, the epoch, the process and the step
    alone, also where training is resumed in mid-epoch. Of several processes each asks for its own share of the sources;
    outside training every pair is asked exactly once.

    Raises:
        DataError: an argument outside its values.

    Masking costs O(edges of the stage) per step; sampled batches cost O(N) for masks, then grow with the subgraph.
    """

    graph_only: tuple[str, ...] = ()
    """Large attributes that only :meth:`stage_graph` reads."""
    source_ids: Sequence[str]
    target_ids: Sequence[str]

    def __init__(
        self,
        *,
        evidence: bool = True,
        mask_ratio: float = 0.2,
        batch_size: int | None = None,
        fan_out: Sequence[int] = (10, 10),
        eval_fan_out: Sequence[int] | None = None,
        steps_per_epoch: int = 1,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < mask_ratio <= 1:
            raise DataError(f"mask_ratio: found {mask_ratio}, wanted a share in (0, 1]")
        if batch_size is not None and batch_size < 1:
            raise DataError(f"batch_size: found {batch_size}, wanted at least 1, or null for the full graph")
        for size in (*fan_out, *(eval_fan_out or ())):
            if size < -1:
                raise DataError(f"fan_out: found {size}, wanted numbers of neighbours, or -1 for all")
        if steps_per_epoch < 1:
            raise DataError(f"steps_per_epoch: found {steps_per_epoch}, wanted at least 1")
        if num_workers < 0:
            raise DataError(f"num_workers: found {num_workers}, wanted at least 0")
        self.evidence, self.mask_ratio, self.batch_size = evidence, mask_ratio, batch_size
        self.fan_out = list(fan_out)
        self.eval_fan_out = None if eval_fan_out is None else list(eval_fan_out)
        self.steps_per_epoch, self.num_workers = steps_per_epoch, num_workers

    @property
    @abstractmethod
    def source_dim(self) -> int:
        """Width of the source nodes' attributes."""

    @property
    @abstractmethod
    def target_dim(self) -> int:
        """Width of the target nodes' attributes."""

    @property
    @abstractmethod
    def edge_dim(self) -> int:
        """Width of ``edge_attr``; 0 where there is none."""

    @property
    def support_dim(self) -> int:
        """Width of the numbers by which pairs support pairs; 0 where none do."""
        return 0

    @abstractmethod
    def stage_graph(self, stage: Stage) -> HeteroData:
        """Return the graph of a stage, with two more fields on its inter-edges.

        ``observed`` [E] bool: the answer may be shown in this stage. ``asked`` [E] bool: it is to be predicted (in
        training, at each step: a share of those that are observed, and all that are not).

        A task with initial scores from a model that was fitted on answers adds ``initial`` [E]; for training [E, V],
        and ``hidden`` [E, V] bool: V sets of answers, with the scores of a model that saw all answers but the set's.
        Each step then hides one set, not a random share, and ``initial`` becomes that set's column.
        """

    @abstractmethod
    def reveal(self, data: HeteroData, visible: Tensor) -> None:
        """Write all that depends on the visible answers into ``data``: ``edge_attr``, ``message``, attributes.

        May run in a process of its own, on the task as :meth:`without_trainer` leaves it.

        Shapes:
            visible: [E] bool. Nothing written may depend on ``y`` where it is False.
        """

    def without_trainer(self) -> Self:
        """Return a copy for the processes that prepare batches: without trainer, network and :attr:`graph_only`."""
        task = copy.copy(self)
        for name in ("trainer", *self.graph_only):
            setattr(task, name, None)
        return task

    def answer_group(self, data: HeteroData) -> Tensor | None:
        """Return [E] long, the edges whose answers tell each other (a label's); None where each stands for itself."""
        return None

    def learnt_rows(self) -> Iterable[object]:
        """Return the pairs that train and validate, with their answers; builds the graphs of both stages.

        Sources and targets count by ``source_ids`` and ``target_ids`` where the task has them, else by their rows.
        """
        names = [getattr(self, f"{side}_ids", None) for side in ("source", "target")]
        for stage in ("train", "val"):
            graph = self.stage_graph(stage)
            inter = graph[INTER]
            rows = (inter.observed | inter.asked).nonzero().squeeze(1)
            source, target = inter.edge_index[:, rows]
            ends = [graph["source"].n_id[source].tolist(), graph["target"].n_id[target].tolist()]
            ends = [end if ids is None else [ids[row] for row in end] for end, ids in zip(ends, names, strict=True)]
            yield from zip([stage] * len(rows), *ends, inter.y[rows].tolist(), inter.asked[rows].tolist(), strict=True)

    def train_dataloader(self) -> DataLoader[HeteroData]:
        """Batches with fresh masks."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[HeteroData]:
        """Validation answers asked, training answers shown."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[HeteroData]:
        """Test answers asked, all others shown."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[HeteroData]:
        """The pairs to score; the test pairs unless the task is told others."""
        return self._loader("predict")

    def _loader(self, stage: Stage) -> DataLoader[HeteroData]:
        with torch.inference_mode(False):  # Lightning asks inside one, where nothing could be fitted for the graph
            batches = GraphBatches(self, stage)
        repeats, workers = self.steps_per_epoch, self.num_workers
        return resumable(
            batches, batches.seeds, self.batch_size, stage, self.trainer, repeats=repeats, num_workers=workers
        )

    def all_that_counts(self) -> list[int]:
        """Return ``eval_fan_out``, or all neighbours as far as the network reaches."""
        if self.eval_fan_out is not None:
            return self.eval_fan_out
        network = getattr(getattr(self.trainer, "lightning_module", None), "network", None)
        return [-1] * getattr(network, "hops", len(self.fan_out))
