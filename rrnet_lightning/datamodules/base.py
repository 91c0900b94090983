"""GraphDataModule: one graph per stage -> full-graph or sampled batches, with evidence hidden anew at each step."""

import copy
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler
from torch_geometric.data import HeteroData

from rrnet_lightning.data.seeds import derive_seed
from rrnet_lightning.datamodules.learnt import LearntDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.hide import hide
from rrnet_lightning.graph.sample import NeighborSampler
from rrnet_lightning.graph.schema import INTER

Stage = Literal["train", "val", "test", "predict"]
Draw = tuple[int, Tensor]  # (seed of the step's random choices, source rows)


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
        fan_out: neighbours drawn per node and kind of edge at each hop of a training batch; -1 for all. As many hops
            as GCN units reach all that can influence a seed.
        eval_fan_out: the same outside training; None takes all neighbours for as many hops as ``fan_out``, so that
            metrics do not depend on batches or processes.
        steps_per_epoch: training steps per epoch on full graphs.
        num_workers: processes that prepare batches.

    Masks, batch order and sampled neighbours follow from ``seed_everything``, the epoch and the step alone.

    Raises:
        DataError: an argument outside its values.

    Masking costs O(edges of the stage) per step; sampled batches cost O(N) for masks, then grow with the subgraph.
    """

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
        self.eval_fan_out = [-1] * len(self.fan_out) if eval_fan_out is None else list(eval_fan_out)
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

        Shapes:
            visible: [E] bool. Nothing written may depend on ``y`` where it is False.
        """

    def answer_group(self, data: HeteroData) -> Tensor | None:
        """Return [E] long, the edges whose answers tell each other (a label's); None where each stands for itself."""
        return None

    def learnt_rows(self) -> Iterable[object]:
        """Return the pairs that train and validate, with their answers; builds the graphs of both stages."""
        for stage in ("train", "val"):
            graph = self.stage_graph(stage)
            inter = graph[INTER]
            rows = (inter.observed | inter.asked).nonzero().squeeze(1)
            source, target = inter.edge_index[:, rows]
            ends = graph["source"].n_id[source].tolist(), graph["target"].n_id[target].tolist()
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
        draws = SeedBatches(
            batches.seeds,
            self.batch_size,
            shuffle=stage == "train",
            repeats=self.steps_per_epoch if stage == "train" else 1,
            seed=torch.initial_seed(),
        )
        return DataLoader(batches, batch_size=None, sampler=draws, num_workers=self.num_workers)


class GraphBatches(Dataset[HeteroData]):
    """The batches of one stage: ``self[(step seed, source rows)]``."""

    def __init__(self, task: GraphDataModule, stage: Stage) -> None:
        self.task, self.train = task, stage == "train"
        self.graph = task.stage_graph(stage)
        inter = self.graph[INTER]
        self.group = task.answer_group(self.graph)
        self.seeds = inter.edge_index[0, inter.asked].unique()
        if not len(self.seeds):
            hint = ", or train without: --trainer.limit_val_batches 0 --checkpoint.monitor null" * (stage == "val")
            raise DataError(f"{stage}: no pair is to be predicted, the split leaves it empty. Change the split{hint}")
        fan_out = task.fan_out if self.train else task.eval_fan_out
        self.sampler = None if task.batch_size is None else NeighborSampler(self.graph, fan_out)

    def __getitem__(self, draw: Draw) -> HeteroData:
        """Hide, reveal, and cut out the neighbourhood of the seeds."""
        step_seed, seeds = draw
        generator = torch.Generator().manual_seed(step_seed)
        data = copy.copy(self.graph)
        inter = data[INTER]
        visible, asked = inter.observed, inter.asked
        if self.train and self.task.evidence:
            is_seed = torch.zeros(len(data["source"].x), dtype=torch.bool).index_fill_(0, seeds, True)
            here = asked & is_seed[inter.edge_index[0]]
            if "hidden" in inter:
                view = int(torch.randint(inter.hidden.size(1), (), generator=generator))
                hidden, inter.initial = inter.hidden[:, view], inter.initial[:, view]
                del inter.hidden
            else:
                hidden = hide(here & visible, self.task.mask_ratio, generator, group=self.group)
            visible, asked = visible & ~hidden, here & (hidden | ~inter.observed)
        inter.known, inter.supervised = visible, asked
        self.task.reveal(data, visible)
        return data if self.sampler is None else self.sampler.sample(data, seeds, generator)


class SeedBatches(DistributedSampler[Draw]):
    """Which sources each batch starts from, the same for a given seed, epoch and process, whatever ran before.

    In training the order is new each epoch and padded so that all processes take as many steps; otherwise every source
    is taken exactly once over all processes. On full graphs every process takes all sources, with masks of its own.
    """

    def __init__(
        self, seeds: Tensor, batch_size: int | None, *, shuffle: bool, repeats: int = 1, seed: int = 0
    ) -> None:
        parallel = dist.is_available() and dist.is_initialized()
        world, rank = (dist.get_world_size(), dist.get_rank()) if parallel else (1, 0)
        super().__init__(seeds, num_replicas=world, rank=rank, shuffle=shuffle, seed=seed)  # type: ignore[arg-type]
        self.seeds, self.batch_size, self.repeats = seeds, batch_size, repeats
        if batch_size is not None and len(seeds) < world:
            raise DataError(f"devices: found {world} processes for {len(seeds)} sources, wanted at most one for each")

    def __iter__(self) -> Iterator[Draw]:
        """Yield (step seed, source rows)."""
        epoch = self.epoch if self.shuffle else 0
        generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch))
        chunks = (
            [self.seeds] * self.repeats
            if self.batch_size is None
            else torch.split(self._share(generator), self.batch_size)
        )
        for step, chunk in enumerate(chunks):
            yield derive_seed(self.seed, epoch, self.rank, step), chunk

    def _share(self, generator: torch.Generator) -> Tensor:
        seeds = self.seeds
        if self.shuffle:
            seeds = seeds[torch.randperm(len(seeds), generator=generator)]
            seeds = torch.cat([seeds, seeds[: -len(seeds) % self.num_replicas]])
        return seeds[self.rank :: self.num_replicas]

    def __len__(self) -> int:
        """Return the number of batches of this process."""
        if self.batch_size is None:
            return self.repeats
        share = len(
            range(
                self.rank,
                len(self.seeds) + (-len(self.seeds) % self.num_replicas if self.shuffle else 0),
                self.num_replicas,
            )
        )
        return -(-share // self.batch_size)
