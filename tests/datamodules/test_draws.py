from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.utils.data import Dataset

from rrnet_lightning.datamodules.draws import Draw, ResumableLoader, SeedBatches, overfitted
from rrnet_lightning.errors import DataError


def draws(
    monkeypatch: pytest.MonkeyPatch, seeds: int = 11, *, world: int = 1, epoch: int = 0, **options: Any
) -> list[list[tuple[int, list[int]]]]:
    """What each of ``world`` processes draws: (step seed, source rows) of every batch."""
    found = []
    for rank in range(world):
        with monkeypatch.context() as patch:
            patch.setattr(dist, "is_initialized", lambda: world > 1)
            patch.setattr(dist, "get_world_size", lambda: world)
            patch.setattr(dist, "get_rank", lambda rank=rank: rank)
            batches = SeedBatches(torch.arange(seeds), **options)
        batches.set_epoch(epoch)
        found.append([(number, rows.tolist()) for number, rows in batches])
        assert len(batches) == len(found[-1])
    return found


def test_draws_are_the_same_for_a_seed_and_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    train: dict[str, Any] = {"batch_size": 4, "shuffle": True}
    first = draws(monkeypatch, **train)
    torch.rand(3)  # whatever ran before
    assert draws(monkeypatch, **train) == first
    for other in (draws(monkeypatch, epoch=1, **train), draws(monkeypatch, seed=1, **train)):
        numbers, rows = zip(*other[0], strict=True)
        assert list(rows) != [r for _, r in first[0]] and not set(numbers) & {n for n, _ in first[0]}
    late = draws(monkeypatch, epoch=4096, **train)  # epochs 2^12 apart were one, as torch reads 32 bits of a seed
    assert [rows for _, rows in late[0]] != [rows for _, rows in first[0]]
    evaluate: dict[str, Any] = {"batch_size": 4, "shuffle": False}
    assert draws(monkeypatch, **evaluate) == draws(monkeypatch, epoch=5, **evaluate)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_processes_share_the_sources(monkeypatch: pytest.MonkeyPatch, world: int, batch_size: int) -> None:
    ranks = draws(monkeypatch, world=world, batch_size=batch_size, shuffle=False)
    assert sorted(row for rank in ranks for _, rows in rank for row in rows) == list(range(11))  # each exactly once
    ranks = draws(monkeypatch, world=world, batch_size=batch_size, shuffle=True)
    assert {row for rank in ranks for _, rows in rank for row in rows} == set(range(11))
    assert len({len(rank) for rank in ranks}) == 1  # as many steps in each, or they wait for each other for ever
    assert len({number for rank in ranks for number, _ in rank}) == sum(len(rank) for rank in ranks)


def test_full_graphs_are_shared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = draws(monkeypatch, world=2, batch_size=None, shuffle=True, repeats=3)
    for step in zip(*ranks, strict=True):
        assert sorted(row for _, rows in step for row in rows) == list(range(11))
    assert len({number for rank in ranks for number, _ in rank}) == 6
    (first,), (second,) = draws(monkeypatch, world=2, batch_size=None, shuffle=False)
    assert sorted(first[1] + second[1]) == list(range(11))


@pytest.mark.parametrize("batch_size", [1, None])
def test_more_processes_than_sources_are_refused(monkeypatch: pytest.MonkeyPatch, batch_size: int | None) -> None:
    with pytest.raises(DataError, match="devices: found 4 processes for 3 sources"):
        draws(monkeypatch, 3, world=4, batch_size=batch_size, shuffle=False)


class Rows(Dataset[list[int]]):
    def __getitem__(self, draw: Draw) -> list[int]:
        return draw[1].tolist()


def loader(epoch: int, **options: Any) -> ResumableLoader[list[int]]:
    """As Lightning does: the iterator is asked for before the epoch is set."""
    made = ResumableLoader(
        Rows(), batch_size=None, sampler=SeedBatches(torch.arange(11), 2, shuffle=True, seed=3), **options
    )
    made.sampler.set_epoch(epoch)
    return made


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_loader_goes_on_where_another_stopped(workers: int) -> None:
    whole = list(loader(5))
    stopped = loader(5)
    taken = [batch for _, batch in zip(range(2), stopped, strict=False)]
    state = stopped.state_dict()
    assert taken == whole[:2] and len(whole) == 6

    resumed = loader(0, num_workers=workers)
    resumed.load_state_dict(state)
    batches = iter(resumed)
    resumed.sampler.set_epoch(5)
    assert list(batches) == whole[2:] and len(resumed) == 6
    assert resumed.state_dict() == {"epoch": 5, "batches": 6}
    assert list(resumed) == whole  # once: the epoch after it is a whole one

    after = loader(6)
    after.load_state_dict(state)  # of a checkpoint at the end of an epoch that was cut short
    assert list(after) == list(loader(6)) != whole


def test_no_batch_is_drawn_from_the_random_stream_of_the_network() -> None:
    made = loader(0, generator=torch.Generator())
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    assert list(made) and torch.equal(torch.rand(1), wanted)


def test_overfitting_takes_the_same_draws_in_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    train: dict[str, Any] = {"batch_size": 4, "shuffle": True}
    first = draws(monkeypatch, fixed=True, **train)
    assert first == draws(monkeypatch, epoch=7, fixed=True, **train) == draws(monkeypatch, **train)


@pytest.mark.parametrize(
    ("share", "length", "found"), [(0.0, 20, False), (1, 1, True), (0.1, 20, True), (1.0, 3, True), (0.1, 9, None)]
)
def test_overfitting_wants_a_whole_batch(share: float, length: int, found: bool | None) -> None:
    trainer = SimpleNamespace(overfit_batches=share)
    if found is None:
        with pytest.raises(DataError, match=r"--trainer\.overfit_batches: found 0\.1 of 9 batches \(train\)"):
            overfitted(trainer, "train", length)
    else:
        assert overfitted(trainer, "train", length) == found
    assert overfitted(None, "train", length) is False
