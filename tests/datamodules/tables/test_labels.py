"""Classes of known rows reach the generator; those of rows that ask reach nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval import CCA, Space
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.graph.schema import INTER
from tests.datamodules.tables.two_tables import ROWS, graphs, task

ASKED = torch.arange(90, ROWS)
OTHERWISE = ASKED[torch.randperm(30, generator=torch.Generator().manual_seed(0))]


class Listening(CCA):
    """CCA that learns nothing from classes, but keeps what it was given of them."""

    needs_labels = True

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Tensor] = []

    def fit_rows(self, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor, classes: Tensor, seed: int) -> Space:
        self.heard.append(classes)
        return super().fit_rows(x, y, pairs, weight, classes, seed)


def two() -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(ROWS, width, generator=draw) for width in (6, 8)]


def classes(asked: Tensor = ASKED) -> dict[Any, Labels]:
    """Three classes; those of rows 90 to 119 in the order ``asked``."""
    member = torch.nn.functional.one_hot(torch.arange(ROWS) * 7 % 3, 3).bool()
    member[90:] = member[asked]
    return {side: Labels(("a", "b", "c"), member) for side in ("source", "target")}


def test_a_generator_hears_the_classes_of_both_ends_of_known_pairs() -> None:
    generator, labels = Listening(), classes()
    views = task(two(), generator=generator, labels=labels, stage="fit").views("train")
    assert len(generator.heard) == 4
    for view, heard in zip(views, generator.heard, strict=True):
        for end, row, side in zip(heard, view.pairs, ("source", "target"), strict=True):
            assert torch.equal(end, labels[side].member[row])


def test_classes_of_asked_rows_reach_neither_generator_nor_network() -> None:
    tables, relations = two(), Bridges(neighbours=4, hubness=4, supports=2, classes=True)
    found = []
    for labels in (classes(), classes(OTHERWISE)):
        generator = Listening()
        (graph, _) = graphs(task(tables, generator=generator, labels=labels, relations=relations))
        found.append((generator.heard, graph))
    (one, graph), (other, again) = found
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    for store in (*graph.node_types, *graph.edge_types):
        for name, value in graph[store].items():
            if isinstance(value, Tensor) and name not in ("relevant", "missed_class"):
                assert torch.equal(value, again[store][name]), (store, name)
    assert not torch.equal(graph[INTER].relevant, again[INTER].relevant)


def test_rows_that_join_in_self_training_do_not_vote() -> None:
    """A row that joins is one that asks: its class is an answer."""
    relations = Bridges(neighbours=4, hubness=4, supports=2, classes=True)
    options: dict[str, Any] = {"relations": relations, "mode": "transductive", "self_training": 1}
    one, other = (
        graphs(task(two(), labels=labels, **options))[0][INTER].edge_attr for labels in (classes(), classes(OTHERWISE))
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "source_labels, target_labels: found none, wanted those of both tables: Listening learns from classes"),
        (
            {"labels": classes(), "mode": "transductive", "self_training": 2},
            "self_training: found 2 rounds of Listening, which learns from classes",
        ),
    ],
)
def test_what_a_generator_cannot_learn_from_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        task(two(), generator=Listening(), **options)
