"""Candidate pairs, given edges and the assembly of a graph."""

from collections.abc import Callable

import pytest
import torch

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.build import (
    all_pairs,
    build_graph,
    given_edges,
    given_pairs,
    listed_pairs,
    no_edges,
    recall,
    top_k_pairs,
)
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA

SCORES = torch.tensor([[0.1, 0.9, 0.9, 0.3], [0.5, 0.5, 0.5, 0.5], [4.0, 3.0, 2.0, 1.0]])


def test_given_edges_are_sorted_unique_and_loop_free() -> None:
    pairs = torch.tensor([[3, 0, 0, 2, 0, 1], [0, 3, 1, 2, 1, 0]])
    assert given_edges(pairs, 4).tolist() == [[1, 3, 0, 0], [0, 0, 1, 3]]
    one_way = torch.tensor([[0, 2], [1, 1]])
    assert given_edges(one_way, 3, symmetric=True).tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]
    assert given_edges(no_edges(), 3).shape == (2, 0)
    assert given_edges(no_edges(), 0).shape == (2, 0)


def test_top_k_is_best_first_with_stable_ties() -> None:
    assert top_k_pairs(SCORES, 2).tolist() == [[0, 0, 1, 1, 2, 2], [1, 2, 0, 1, 0, 1]]


def test_top_k_agrees_with_a_stable_sort() -> None:
    scores = torch.randint(0, 5, (40, 30), generator=torch.Generator().manual_seed(0)).float()
    for k in (1, 7, 30):
        expected = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]
        assert torch.equal(top_k_pairs(scores, k)[1].view(40, k), expected)


def test_truth_is_added_only_where_asked_and_missing() -> None:
    truth = torch.tensor([0, 3, 3])
    pairs = top_k_pairs(SCORES, 2, truth=truth, add_truth=torch.tensor([True, False, True]))
    assert pairs.tolist() == [[0, 0, 0, 1, 1, 2, 2, 2], [1, 2, 0, 0, 1, 0, 1, 3]]
    hit_or_unknown = top_k_pairs(SCORES, 2, truth=torch.tensor([1, -1, -1]), add_truth=torch.ones(3).bool())
    assert torch.equal(hit_or_unknown, top_k_pairs(SCORES, 2))


def test_recall_counts_sources_with_known_truth() -> None:
    pairs = top_k_pairs(SCORES, 2)
    assert recall(pairs, torch.tensor([2, 3, -1])) == 0.5
    assert recall(pairs, torch.tensor([2, 1, 0])) == 1.0
    assert recall(no_edges(), torch.tensor([2, 1])) == 0.0


def test_listed_all_and_given_pairs() -> None:
    lists = torch.tensor([[3, 1, -1], [-1, -1, -1], [0, -1, 2]])
    assert listed_pairs(lists).tolist() == [[0, 0, 2, 2], [3, 1, 0, 2]]
    assert all_pairs(2, 3).tolist() == [[0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]]
    pairs = torch.tensor([[2, 0, 2, 1], [1, 4, 0, 4]])
    edge_index, order = given_pairs(pairs, 3, 5)
    assert edge_index.tolist() == [[0, 1, 2, 2], [4, 4, 1, 0]]
    assert order.tolist() == [1, 3, 0, 2]


def test_build_graph_defaults_and_sorting() -> None:
    unsorted = torch.tensor([[0, 2, 1], [2, 1, 0]])
    data = build_graph(torch.ones(3, 2), torch.ones(2, 4), all_pairs(3, 2), source_intra=unsorted)
    assert data[SOURCE_INTRA].edge_index.tolist() == [[1, 2, 0], [0, 1, 2]]
    assert data[TARGET_INTRA].edge_index.shape == (2, 0)
    assert data[SOURCE].n_id.tolist() == [0, 1, 2]
    assert data[INTER].message.all() and not data[INTER].supervised.any() and not data[INTER].y.any()
    assert "visible" not in data[INTER]


@pytest.mark.parametrize("dtype", [torch.double, torch.half])
def test_floats_of_any_width_become_those_of_the_network(dtype: torch.dtype) -> None:
    x, edge = torch.ones(3, 2).to(dtype), torch.zeros(9).to(dtype)
    data = build_graph(x, x, all_pairs(3, 3), edge_attr=edge[:, None], prior=edge, y=edge)
    fields = [data[SOURCE].x, data[TARGET].x, *(data[INTER][key] for key in ("edge_attr", "prior", "y"))]
    assert {value.dtype for value in fields} == {torch.float32}


ONES = torch.ones(3, 2)
ERRORS: list[tuple[Callable[[], object], str]] = [
    (lambda: given_edges(torch.tensor([[0], [3]]), 3), r"pairs: found 3 at \[1, 0\], wanted 0 <= entry < 3"),
    (lambda: given_edges(torch.zeros(3, 1).long(), 3), r"pairs: found int64 \[3, 1\], wanted long \[2, \*\]"),
    (lambda: top_k_pairs(SCORES, 5), r"k: found 5, wanted 1 <= k <= 4"),
    (lambda: top_k_pairs(SCORES * torch.nan, 1), r"scores: found NaN, first in row 0"),
    (lambda: top_k_pairs(SCORES, 1, truth=torch.tensor([0, 4, 0])), r"truth: found 4 at \[1\], wanted -1 <= entry < 4"),
    (lambda: top_k_pairs(SCORES, 1, add_truth=torch.ones(3).bool()), r"truth: found nothing"),
    (lambda: listed_pairs(torch.tensor([[0, -2]])), r"targets: found -2, wanted target rows, or -1"),
    (lambda: listed_pairs(torch.tensor([[0, 1], [2, 2]])), r"targets: found a target twice in row 1"),
    (lambda: given_pairs(torch.tensor([[0], [2]]), 1, 2), r"pairs row 1: found 2 at \[0\], wanted 0 <= entry < 2"),
    (
        lambda: given_pairs(torch.tensor([[1, 1], [2, 2]]), 2, 3),
        r"pairs: found \(1, 2\) 2 times, wanted each pair once",
    ),
    (lambda: recall(all_pairs(2, 2), torch.tensor([-1, -1])), r"truth: found no known entry"),
    (lambda: recall(all_pairs(3, 2), torch.tensor([0, 1])), r"edge_index row 0: found 2 at \[4\]"),
    (lambda: build_graph(ONES.long(), ONES, all_pairs(3, 3)), r"source_x: found int64 \[3, 2\], wanted float"),
    (lambda: build_graph(ONES, ONES, torch.zeros(4).long()), r"inter: found int64 \[4\], wanted long \[2, \*\]"),
    (
        lambda: build_graph(ONES, ONES, all_pairs(3, 3).flip(0)),
        r"wanted edges sorted by source .* given_pairs\(\) sorts",
    ),
    (lambda: build_graph(ONES, ONES, all_pairs(3, 3), source_intra=ONES), r"intra edges: found float32 \[3, 2\]"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_error_names_the_field(call: Callable[[], object], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        call()
