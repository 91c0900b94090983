from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.datamodules.base import GraphDataModule
from rrnet_lightning.datamodules.batches import GraphBatches, Stage
from rrnet_lightning.errors import DataError, GraphError
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET, validate
from rrnet_lightning.nn.rrnet import PAPER_IMAGE_SOCIAL, RRNet
from tests.datamodules.seen import changed_where, differences
from tests.datamodules.toy import Labels, Toy, trainer_of
from tests.graphs import of_type


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
        assert batch[INTER].supervised.any() and batch[INTER].visible.any()
        assert not (batch[INTER].visible & batch[INTER].supervised).any()
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
    assert asked and not set(asked) & set(source[inter.visible].tolist())


def test_without_evidence_all_training_answers_are_asked_and_none_is_shown() -> None:
    batch = step(Toy(evidence=False), 0)
    assert batch[INTER].supervised.sum() == 28 and not batch[INTER].visible.any() and not batch[INTER].edge_attr.any()


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


class Overlap(Toy):
    """Validation answers are shown where they are asked for."""

    def stage_graph(self, stage: Stage) -> HeteroData:
        data = super().stage_graph(stage)
        data[INTER].observed = data[INTER].observed | data[INTER].asked
        return data


class Groups(Labels):
    """One answer of a source is asked, another shown, though they tell each other."""

    def stage_graph(self, stage: Stage) -> HeteroData:
        data = super().stage_graph(stage)
        data[INTER].asked = torch.arange(40) == 0
        data[INTER].observed = torch.arange(40) == 1
        return data


class Twice(Toy):
    """A pair stands there twice."""

    def stage_graph(self, stage: Stage) -> HeteroData:
        data = super().stage_graph(stage)
        data[INTER].edge_index[:, 1] = data[INTER].edge_index[:, 0]
        return data


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Overlap, "found [1-6] edges both visible and supervised"),
        (Groups, "found 1 edges asked whose group has a visible answer, first edge 0"),
        (Twice, "more than once, wanted each pair once"),
    ],
)
def test_an_answer_both_shown_and_asked_is_refused(task: type[Toy], message: str, batch_size: int | None) -> None:
    for loader in ("val_dataloader", "test_dataloader"):
        with pytest.raises(GraphError, match=message):
            list(getattr(task(batch_size=batch_size), loader)())


@pytest.mark.parametrize("stage", ["val", "test"])
def test_scores_outside_training_do_not_depend_on_batches(stage: Stage) -> None:
    """The network reaches further than training's one drawn neighbour."""
    torch.manual_seed(0)
    network = RRNet(4, 3, 1, units=PAPER_IMAGE_SOCIAL).double()
    found = []
    for batch_size in (None, 1):
        task = Toy(batch_size=batch_size, fan_out=[1])
        task.trainer = trainer_of(network)
        scores = {}
        for batch in getattr(task, f"{stage}_dataloader")():
            batch = of_type(batch, torch.double)
            inter, logits = batch[INTER], network(batch)
            for edge in inter.supervised.nonzero()[:, 0].tolist():
                s, t = inter.edge_index[:, edge]
                scores[int(batch[SOURCE].n_id[s]), int(batch[TARGET].n_id[t])] = float(logits[edge])
        found.append(scores)
    assert found[0] == pytest.approx(found[1], abs=1e-9) and len(found[0]) == 6


def test_hops_outside_training_are_those_given_else_the_networks() -> None:
    task = Toy(batch_size=1, fan_out=[3, 2])
    assert GraphBatches(task, "train").sampler.fan_out == [3, 2]  # type: ignore[union-attr]
    assert task.all_that_counts() == [-1, -1]  # no trainer to tell how far the network reaches
    task.trainer = trainer_of(RRNet(4, 3, 1, units=PAPER_IMAGE_SOCIAL))
    assert GraphBatches(task, "val").sampler.fan_out == [-1] * 4  # type: ignore[union-attr]
    given = Toy(batch_size=1, fan_out=[3, 2], eval_fan_out=[7])
    assert GraphBatches(given, "test").sampler.fan_out == [7]  # type: ignore[union-attr]


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
