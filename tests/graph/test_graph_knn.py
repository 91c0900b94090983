"""Nearest neighbours against a dense reference."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph import knn
from rrnet_lightning.graph.knn import BLOCK, knn_edges, stable_top_k, top_k


def points(num: int = 60, dim: int = 3) -> Tensor:
    """Small integers: many exact ties and repeated points, some zero vectors."""
    return torch.randint(-1, 2, (num, dim), generator=torch.Generator().manual_seed(1)).float()


def reference(x: Tensor, k: int, pool: Tensor | None) -> list[list[int]]:
    """Node by node: sort (-cosine, row), take the first k allowed."""
    rows = []
    for i in range(len(x)):
        ranked = []
        for j in range(len(x)):
            if i != j and (pool is None or pool[j]):
                a, b = x[i].double(), x[j].double()
                size = float(a.norm() * b.norm())
                ranked.append((-round(float(a @ b) / size if size else 0.0, 6), j))
        rows.append([j for _, j in sorted(ranked)[:k]])
    return rows


@pytest.mark.parametrize("pooled", [False, True])
def test_matches_dense_reference_with_ties(pooled: bool) -> None:
    x = points()
    pool = torch.arange(60) % 3 > 0 if pooled else None
    edges = knn_edges(x, 7, pool=pool)
    assert edges[0].view(60, 7).tolist() == reference(x, 7, pool)
    assert torch.equal(edges[1], torch.arange(60).repeat_interleave(7))


def test_chunk_does_not_change_the_result() -> None:
    x = torch.randn(50, 33, generator=torch.Generator().manual_seed(2)).repeat(4, 1)
    whole = knn_edges(x, 9, chunk=200)
    for chunk in (1, 7, 64):
        assert torch.equal(knn_edges(x, 9, chunk=chunk), whole)
    assert whole[0].view(200, 9)[3, :3].tolist() == [53, 103, 153]  # its copies first, lower rows before higher


@pytest.mark.parametrize("k", [1, 3])
def test_wide_rows_are_searched_by_blocks(k: int) -> None:
    columns = BLOCK * BLOCK * k + BLOCK - 1  # the last ones are in no block
    scores = torch.randint(-40, 9, (300, columns), generator=torch.Generator().manual_seed(3)).float()
    scores[:, -1] += torch.arange(300) % 2 * 50  # the best of every second row
    scores[7] = -torch.inf
    values, found = top_k(scores, k)
    assert torch.equal(values, scores.sort(1, descending=True).values[:, :k])
    assert torch.equal(scores.gather(1, found), values)
    assert all(len(set(row)) == k for row in found.tolist())
    assert torch.equal(stable_top_k(scores, k), scores.sort(dim=1, descending=True, stable=True).indices[:, :k])


class LargestTensor(TorchDispatchMode):
    """Records the number of entries of the largest tensor any operation returns."""

    entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, tuple | list) else [out]:
            if isinstance(value, Tensor):
                self.entries = max(self.entries, value.numel())
        return out


def test_never_builds_the_square_matrix() -> None:
    with LargestTensor() as largest:  # type: ignore[no-untyped-call]
        knn_edges(points(400), 4, chunk=16)
    assert 0 < largest.entries <= 16 * 400


def test_zero_vectors_are_similar_to_nothing() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 1.0]])
    edges = knn_edges(x, 3)
    assert edges[0].view(4, 3).tolist() == [[1, 2, 3], [3, 0, 2], [0, 3, 1], [1, 0, 2]]


def test_no_neighbours_asked_or_no_nodes() -> None:
    assert knn_edges(points(), 0).shape == (2, 0)
    assert knn_edges(torch.empty(0, 3), 0).shape == (2, 0)


def test_too_few_neighbours_are_counted() -> None:
    with pytest.raises(GraphError, match="k: found 4, wanted at most 3, the number of allowed neighbours of node 0"):
        knn_edges(points(4), 4)
    pool = torch.tensor([True, True, True, False])
    with pytest.raises(GraphError, match="k: found 3, wanted at most 2, the number of allowed neighbours of node 0"):
        knn_edges(points(4), 3, pool=pool)


def test_bad_input_is_named() -> None:
    x = points()
    x[5, 1] = torch.nan
    with pytest.raises(GraphError, match="x: found 1 NaN or inf, first in row 5"):
        knn_edges(x, 1)
    with pytest.raises(GraphError, match="k, chunk: found"):
        knn_edges(points(), -1)
    with pytest.raises(GraphError, match=r"pool: found int64 \[60\], wanted bool \[60\]"):
        knn_edges(points(), 1, pool=torch.arange(60))


class InnerProducts:
    """faiss's exact index, as far as it is used here."""

    used = 0

    def __init__(self, dim: int) -> None:
        self.rows = np.empty((0, dim), dtype=np.float32)

    def add(self, rows: Any) -> None:
        assert rows.dtype == np.float32 and rows.shape[1] == self.rows.shape[1]
        self.rows = np.concatenate([self.rows, rows])

    def search(self, rows: Any, k: int) -> tuple[Any, Any]:
        type(self).used += 1
        scores = rows @ self.rows.T
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, 1), order


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("installed", [False, True], ids=["stand-in", "faiss"])
def test_faiss_finds_the_same_neighbours(monkeypatch: pytest.MonkeyPatch, pooled: bool, installed: bool) -> None:
    if installed:
        pytest.importorskip("faiss", reason="faiss is optional: pip install faiss-cpu")
    else:
        monkeypatch.setitem(sys.modules, "faiss", SimpleNamespace(IndexFlatIP=InnerProducts, __spec__="stand-in"))
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(3))
    pool = torch.arange(300) % 3 > 0 if pooled else None
    exact, used = knn_edges(x, 5, pool=pool), InnerProducts.used
    monkeypatch.setattr(knn, "FAISS_ABOVE", 100)
    assert torch.equal(knn_edges(x, 5, pool=pool), exact)
    assert InnerProducts.used == used + (not installed)
    copies = knn_edges(torch.ones(300, 4), 5, pool=pool)
    assert not (copies[0] == copies[1]).any()
