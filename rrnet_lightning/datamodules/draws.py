"""What each batch starts from, the same whatever ran before: in any epoch, in any process, after any resuming."""

from collections.abc import Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, SequentialSampler

from rrnet_lightning.data.seeds import derive_seed
from rrnet_lightning.errors import DataError

Draw = tuple[int, Tensor]  # (seed of the step's random choices, rows)
T = TypeVar("T")


class SeedBatches(DistributedSampler[Draw], SequentialSampler):
    """Which sources each batch starts from; follows from seed, epoch and process alone.

    In training the order is new each epoch and padded so that all processes take as many steps; otherwise every source
    is taken exactly once over all processes. On full graphs too every process takes sources of its own.

    Being a ``SequentialSampler`` keeps Lightning's ``overfit_batches`` from putting another in its place.

    Args:
        seeds: [S] long, source rows.
        batch_size: sources a batch; None takes all that are the process's at once, ``repeats`` times.
        shuffle: whether this is training.
        repeats: batches an epoch without ``batch_size``.
        seed: of all random choices.
        fixed: take the order and the step seeds of the first epoch in all.

    Attributes:
        start: the first batch of an epoch that is yielded; those before it were taken before training was resumed.

    Raises:
        DataError: fewer sources than processes.
    """

    start = 0

    def __init__(
        self,
        seeds: Tensor,
        batch_size: int | None,
        *,
        shuffle: bool,
        repeats: int = 1,
        seed: int = 0,
        fixed: bool = False,
    ) -> None:
        parallel = dist.is_available() and dist.is_initialized()
        world, rank = (dist.get_world_size(), dist.get_rank()) if parallel else (1, 0)
        super().__init__(seeds, num_replicas=world, rank=rank, shuffle=shuffle, seed=seed)  # type: ignore[arg-type]
        self.seeds, self.batch_size, self.repeats, self.fixed = seeds, batch_size, repeats, fixed
        if len(seeds) < world:
            raise DataError(f"devices: found {world} processes for {len(seeds)} sources, wanted at most one for each")

    def __iter__(self) -> Iterator[Any]:
        """Yield (step seed, source rows)."""
        epoch = self.epoch if self.shuffle and not self.fixed else 0
        share = self._share(torch.Generator().manual_seed(derive_seed(self.seed, epoch)))
        chunks = [share] * self.repeats if self.batch_size is None else torch.split(share, self.batch_size)
        for step in range(self.start, len(chunks)):
            yield derive_seed(self.seed, epoch, self.rank, step), chunks[step]

    def _share(self, generator: torch.Generator) -> Tensor:
        """This process's sources."""
        seeds = self.seeds
        if self.shuffle:
            seeds = seeds[torch.randperm(len(seeds), generator=generator)]
            seeds = torch.cat([seeds, seeds[: self._padding]])
        return seeds[self.rank :: self.num_replicas]

    @property
    def _padding(self) -> int:
        """Sources that two processes take, so that all take as many steps."""
        return 0 if self.batch_size is None or not self.shuffle else -len(self.seeds) % self.num_replicas

    def __len__(self) -> int:
        """Return the number of batches of this process in a whole epoch."""
        if self.batch_size is None:
            return self.repeats
        share = len(range(self.rank, len(self.seeds) + self._padding, self.num_replicas))
        return -(-share // self.batch_size)


class ResumableLoader(DataLoader[T]):
    """A loader whose checkpoints know how many batches of the epoch were taken, so that training goes on behind them.

    Lightning keeps :meth:`state_dict` in its checkpoints and gives it back before it asks for the first batch.
    """

    sampler: SeedBatches
    _taken = 0
    _resumed: tuple[int, int] | None = None  # epoch, batches taken of it

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches of the sampler's epoch. Nothing is drawn before the first is asked for.

        Lightning asks for the iterator first and says which epoch it is afterwards.
        """
        epoch, taken = self._resumed or (0, 0)
        self._taken = taken if epoch == self.sampler.epoch else 0  # a checkpoint at an epoch's end: a new one begins
        self.sampler.start, self._resumed = self._taken, None
        for batch in super().__iter__():
            self._taken += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the epoch and how many of its batches were taken."""
        return {"epoch": self.sampler.epoch, "batches": self._taken}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Leave out the batches taken when that epoch is gone on with."""
        self._resumed = state["epoch"], state["batches"]


def resumable(
    batches: Dataset[T],
    seeds: Tensor,
    batch_size: int | None,
    stage: str,
    trainer: Any,
    *,
    repeats: int = 1,
    num_workers: int = 0,
) -> ResumableLoader[T]:
    """Return the loader of a stage's batches: shuffled in training, each of the ``seeds`` once outside it.

    Raises:
        DataError: see :class:`SeedBatches` and :func:`overfitted`.
    """
    seed, train = torch.initial_seed(), stage == "train"
    draws = SeedBatches(seeds, batch_size, shuffle=train, repeats=repeats if train else 1, seed=seed)
    draws.fixed = overfitted(trainer, stage, len(draws))
    generator = torch.Generator().manual_seed(seed)  # of its own: the network's random stream goes on unread
    return ResumableLoader(batches, batch_size=None, sampler=draws, num_workers=num_workers, generator=generator)


def overfitted(trainer: Any, stage: str, length: int) -> bool:
    """Return whether ``--trainer.overfit_batches`` asks for the same batches in each epoch.

    Args:
        trainer: Lightning's, or None.
        stage: of the batches, for the message.
        length: batches there are.

    Raises:
        DataError: it asks for less than one batch.
    """
    share = getattr(trainer, "overfit_batches", 0)
    if isinstance(share, float) and share > 0 and int(share * length) < 1 and stage in ("train", "val"):
        raise DataError(
            f"--trainer.overfit_batches: found {share} of {length} batches ({stage}), wanted at least one batch. "
            "Give a whole number: --trainer.overfit_batches 1"
        )
    return bool(share)
