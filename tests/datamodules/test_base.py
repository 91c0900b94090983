from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.datamodules.base import GraphBatches, GraphDataModule, SeedBatches, Stage
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER, SOURCE, validate
from tests.datamodules.seen import changed_where, differences
from tests.graphs import random_graph


class Toy(GraphDataModule):
    """40 pairs of 8 sources and 6 targets: 28 to train, 6 to validate, 6 to test."""

    source_dim, target_dim, edge_dim = 4, 3, 1
    part = torch.randperm(40, generator=torch.Generator().manual_seed(0))

    def stage_graph(self, stage: Stage) -> HeteroData:
        data = random_graph(pairs=40, dtype=torch.float)
        train, val, test = (self.part < 28), (self.part >= 28) & (self.part < 34), self.part >= 34
        data[INTER].observed = (train | val if stage == "test" else train) & self.evidence
        data[INTER].asked = {"train": train, "val": val, "test": test, "predict": test}[stage]
        return data

    def reveal(self, data: HeteroData, visible: Tensor) -> None:
        data[INTER].edge_attr = torch.where(visible, data[INTER].y, 0)[:, None]
        data[INTER].message = visible


class Labels(Toy):
    """The answers of a source tell each other."""

    def answer_group(self, data: HeteroData) -> Tensor:
        source: Tensor = data[INTER].edge_index[0]
        return source


class Leak(Toy):
    """Shows every answer."""

    def reveal(self, data: HeteroData, visible: Tensor) -> None:
        super().reveal(data, visible)
        data[INTER].edge_attr = data[INTER].y[:, None]


def step(task: GraphDataModule, draw: int, change: Tensor | None = None) -> HeteroData:
    """One training batch; ``change`` [E] bool: other answers there."""
    batches = GraphBatches(task, "train")
    inter = batches.graph[INTER]
    inter.row = torch.arange(len(inter.y))
    if change is not None:
        inter.y = changed_where(inter.y, change)
    return batches[draw, batches.seeds[: task.batch_size]]


def hidden(batch: HeteroData) -> Tensor:
    return torch.zeros(40, dtype=torch.bool).index_fill_(0, batch[INTER].row[batch[INTER].supervised], True)


@pytest.mark.parametrize("batch_size", [None, 3])
@pytest.mark.parametrize("kind", [Toy, Labels])
def test_hidden_answers_never_reach_the_network(kind: type[Toy], batch_size: int | None) -> None:
    task = kind(batch_size=batch_size, mask_ratio=0.3)
    for draw in range(20):
        batch = step(task, draw)
        validate(batch)
        assert batch[INTER].supervised.any() and batch[INTER].known.any()
        assert not (batch[INTER].known & batch[INTER].supervised).any()
        assert differences([batch], [step(task, draw, hidden(batch))]) == set()


def test_a_leak_is_seen_and_so_is_evidence() -> None:
    leak = Leak(mask_ratio=0.3)
    first = step(leak, 0)
    name = f"{INTER}.edge_attr"
    assert differences([first], [step(leak, 0, hidden(first))]) == {name, "output"}
    evidence = ~hidden(first)
    assert differences([step(Toy(), 0)], [step(Toy(), 0, evidence)]) >= {name, "output"}


def test_masks_are_fresh_but_repeatable_and_of_the_share_asked_for() -> None:
    task = Toy(mask_ratio=0.25)
    masks = [hidden(step(task, draw)) for draw in (1, 1, 2)]
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])
    assert masks[0].sum() == 7  # a quarter of 28
    assert int(hidden(step(Toy(mask_ratio=1.0), 0)).sum()) == 28


def test_answers_that_tell_each_other_are_hidden_together() -> None:
    batch = step(Labels(mask_ratio=0.3), 0)
    source, inter = batch[INTER].edge_index[0], batch[INTER]
    asked = source[inter.supervised].tolist()
    assert asked and not set(asked) & set(source[inter.known].tolist())


def test_without_evidence_all_training_answers_are_asked_and_none_is_shown() -> None:
    batch = step(Toy(evidence=False), 0)
    assert batch[INTER].supervised.sum() == 28 and not batch[INTER].known.any() and not batch[INTER].edge_attr.any()


def test_seeds_are_the_sources_asked_and_only_they_are_supervised() -> None:
    task = Toy(batch_size=2)
    full = task.stage_graph("val")
    asked = [
        (batch[SOURCE].n_id[s].item(), t)
        for batch in task.val_dataloader()
        for s, t in batch[INTER].edge_index[:, batch[INTER].supervised].T.tolist()
    ]
    assert len(asked) == 6 == len(set(asked))
    assert {s for s, _ in asked} == set(full[INTER].edge_index[0, full[INTER].asked].tolist())


def test_a_stage_without_answers_is_refused() -> None:
    class Empty(Toy):
        part = torch.zeros(40, dtype=torch.long)

    with pytest.raises(DataError, match=r"val: no pair is to be predicted, .* Change the split, or train without"):
        Empty().val_dataloader()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mask_ratio": 0.0}, r"mask_ratio: found 0.0, wanted a share in \(0, 1\]"),
        ({"mask_ratio": 1.5}, r"mask_ratio: found 1.5"),
        ({"mask_ratio": float("nan")}, r"mask_ratio: found nan"),
        ({"batch_size": 0}, r"batch_size: found 0, wanted at least 1, or null for the full graph"),
        ({"eval_fan_out": [5, -2]}, r"fan_out: found -2, wanted numbers of neighbours, or -1 for all"),
        ({"steps_per_epoch": 0}, r"steps_per_epoch: found 0, wanted at least 1"),
    ],
)
def test_arguments_outside_their_values(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Toy(**options)


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


def test_full_graphs_go_to_every_process_with_masks_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = draws(monkeypatch, world=2, batch_size=None, shuffle=True, repeats=3)
    assert [rows for _, rows in first + second] == [list(range(11))] * 6
    assert len({number for number, _ in first + second}) == 6


def test_more_processes_than_sources_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="devices: found 4 processes for 3 sources"):
        draws(monkeypatch, 3, world=4, batch_size=1, shuffle=False)
