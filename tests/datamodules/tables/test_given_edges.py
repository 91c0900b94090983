"""A user's own neighbours in place of the nearest known rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.data.tables.links import Edges
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.schema import INTER
from tests.datamodules.tables.two_tables import graphs, said, task
from tests.fake import write_tables

# into row 91, which asks in the test: from a known row, a row that is in no pair, other rows that ask, itself
INTO = Edges(torch.tensor([[3, 120, 95, 96, 91, 4], [91, 91, 91, 91, 91, 3]]))


@pytest.fixture
def tables(tmp_path: Path) -> list[Tensor]:
    """The last row of each table is in no pair."""
    write_tables(tmp_path, 121)
    return [torch.from_numpy(np.load(tmp_path / f"{name}.npy")) for name in ("source", "target")]


def given(tables: list[Tensor], side: int = 0, **options: Any) -> TablesDataModule:
    return task(tables, edges={("source", "target")[side]: INTO}, **options)


def into(graph: HeteroData, side: str, row: int) -> set[int]:
    """Rows that the asked node of a row hears within its side."""
    sender, receiver = graph[side, "intra", side].edge_index
    rows = graph[side].n_id
    asked = graph[INTER].edge_index[("source", "target").index(side), graph[INTER].supervised]
    assert set(receiver.tolist()) <= set(asked.tolist()), "a node that speaks hears nobody"
    return set(rows[sender[rows[receiver] == row]].tolist())


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize(("mode", "heard"), [("inductive", {3, 120}), ("transductive", {3, 120, 95, 96})])
def test_known_rows_and_rows_that_do_not_ask_are_heard(
    tables: list[Tensor], side: str, mode: Any, heard: set[int]
) -> None:
    data = given(tables, ("source", "target").index(side), mode=mode)
    found = [into(graph, side, 91) for graph in graphs(data) if 91 in graph[side].n_id]
    assert found and all(rows == heard for rows in found)
    other = "target" if side == "source" else "source"
    assert all(len(into(graph, other, 91)) == 4 for graph in graphs(data) if 91 in graph[other].n_id)  # nearest ones


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("mode", "same"), [("inductive", True), ("transductive", False)])
def test_what_is_said_of_a_query_depends_on_other_queries_in_transductive_mode_alone(
    tables: list[Tensor], side: int, mode: Any, same: bool
) -> None:
    changed = [table.clone() for table in tables]
    changed[side][95:120] = changed[side][95:120].flip(1) + 0.5
    before, after = (said(given(each, side, mode=mode), side, 91) for each in (tables, changed))
    assert len(before) == 6 and (before == after) is same


@pytest.mark.parametrize("row", [3, 120])
def test_a_neighbour_counts(tables: list[Tensor], row: int) -> None:
    fewer = Edges(INTO.index[:, INTO.index[0] != row])
    assert said(given(tables), 0, 91) != said(task(tables, edges={"source": fewer}), 0, 91)


def test_batches_of_some_queries_hear_the_same(tables: list[Tensor]) -> None:
    whole, parts = said(given(tables), 0, 91), said(given(tables, batch_size=7), 0, 91)
    assert whole.keys() == parts.keys()
    assert all(whole[row] == pytest.approx(parts[row], abs=1e-4) for row in whole)


def test_new_sources_need_edges_of_targets_alone(tables: list[Tensor]) -> None:
    with pytest.raises(DataError, match="predict_path: found new sources with source_edges, which says nothing"):
        given(tables, 0).ask(tables[0][:2])
    assert given(tables, 1).ask(tables[0][:2]).new is not None
