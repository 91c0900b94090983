"""Exact nearest neighbours within one modality, in chunks of rows: never a square matrix of all nodes."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import torch
from rich.progress import track
from torch import Tensor

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.schema import check_finite, check_tensor

FAISS_ABOVE = 200_000
"""Number of nodes above which faiss, where installed, does the search."""

TRACKED = 10**8
"""Number of pairs from which a search shows its progress."""

Metric = Literal["cosine", "l2"]


def knn_edges(
    x: Tensor,
    k: int,
    *,
    metric: Metric = "cosine",
    pool: Tensor | None = None,
    group: Tensor | None = None,
    chunk: int = 1024,
) -> Tensor:
    """Edges to every node from its k nearest neighbours, itself excluded.

    Exact. Nearest first, ties by lower row; cosine similarities are compared in steps of 2^-24, and a zero vector's
    similarity to anything is 0. Time O(N^2 D), memory O(N (k + D) + chunk N). Above `FAISS_ABOVE` nodes,
    without `pool` and `group`, faiss's exact index is used if it is installed (`pip install faiss-cpu`): the same
    neighbours sooner, but the order of ties is then faiss's.

    Args:
        x: [N, D] float, node attributes.
        k: neighbours a node; 0 gives no edges.
        metric: "cosine" (largest similarity) or "l2" (smallest Euclidean distance; several times slower).
        pool: [N] bool, which nodes may be neighbours, for instance training samples only.
        group: [N] long; neighbours never come from the node's own group, for instance its fold.
        chunk: rows compared at a time; changes memory, not the result.

    Returns:
        [2, N * k] long, neighbour -> node, sorted by node, k edges a node.

    Raises:
        GraphError: on NaN or inf in `x`, wrong types or shapes, an unknown metric, or a node with fewer than k
            allowed neighbours.
    """
    check_finite("x", check_tensor("x", x, "float", (None, None)))
    if metric not in ("cosine", "l2"):
        raise GraphError.of("metric", repr(metric), "'cosine' or 'l2'")
    if k < 0 or chunk < 1:
        raise GraphError.of("k, chunk", (k, chunk), "k >= 0 and chunk >= 1")
    # Without groups every node is a group of its own, which rules out self loops.
    rows = torch.arange(len(x), device=x.device)
    owner = rows if group is None else check_tensor("group", group, "long", (len(x),))
    allowed = rows if pool is None else check_tensor("pool", pool, "bool", (len(x),)).nonzero().squeeze(1)
    _check_enough(owner, allowed, k)
    if k == 0 or len(x) == 0:
        return rows.new_empty(2, 0)
    if len(x) > FAISS_ABOVE and pool is None and group is None and find_spec("faiss"):
        neighbours = _faiss_neighbours(x, k, metric)
    else:
        neighbours = _exact_neighbours(x, k, metric, owner, allowed, chunk)
    return torch.stack([neighbours.reshape(-1), rows.repeat_interleave(k)])


def stable_top_k(scores: Tensor, k: int) -> Tensor:
    """Columns of the k >= 1 largest entries of every row, largest first, ties by lower column.

    Shapes:
        scores: [R, C] float without NaN.  returns: [R, k] long.
    """
    values, columns = scores.topk(k, dim=1)
    # topk picks any of several entries equal to the k-th: only such rows need a full sort.
    tied = ((scores >= values[:, -1:]).sum(1) > k).nonzero().squeeze(1)
    columns[tied] = scores[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    columns = columns.sort(dim=1).values
    order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True).indices
    return columns.gather(1, order)


def _check_enough(owner: Tensor, allowed: Tensor, k: int) -> None:
    _, owner = torch.unique(owner, return_inverse=True)
    own = owner[allowed].bincount(minlength=len(owner))[owner]
    short = (len(allowed) - own < k).nonzero()
    if len(short):
        node = int(short[0])
        wanted = f"at most {len(allowed) - int(own[node])}, the number of allowed neighbours of node {node}"
        raise GraphError.of("k", k, wanted, "choose a smaller k, or widen pool or group")


def _exact_neighbours(x: Tensor, k: int, metric: Metric, owner: Tensor, allowed: Tensor, chunk: int) -> Tensor:
    closeness: Callable[[Tensor, Tensor], Tensor] = _cosine if metric == "cosine" else _negative_distance
    x = _unit_rows(x) if metric == "cosine" else x.double()
    candidates, candidate_owner = x[allowed], owner[allowed]
    found = []
    steps = range(0, len(x), chunk)
    quick = len(x) * len(candidates) < TRACKED
    for start in track(steps, f"neighbours of {len(x)} nodes", transient=True, disable=quick):
        rows = slice(start, start + chunk)
        scores = closeness(x[rows], candidates)
        scores.masked_fill_(owner[rows, None] == candidate_owner, -torch.inf)
        found.append(allowed[stable_top_k(scores, k)])
    return torch.cat(found)


def _unit_rows(x: Tensor) -> Tensor:
    x = x.double()
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return torch.where(norm > 0, x / norm, 0.0)


def _cosine(rows: Tensor, candidates: Tensor) -> Tensor:
    # The last bits of a matrix product depend on its blocking; rounding keeps ties ties, whatever the chunk.
    return (rows @ candidates.T).mul_(2**24).round_().float()


def _negative_distance(rows: Tensor, candidates: Tensor) -> Tensor:
    # Differences, not |a|^2 + |b|^2 - 2ab, which loses close neighbours to cancellation.
    distance = torch.cdist(rows, candidates, compute_mode="donot_use_mm_for_euclid_dist")
    return torch.neg(distance)


def _faiss_neighbours(x: Tensor, k: int, metric: Metric) -> Tensor:
    faiss = import_module("faiss")
    vectors = (_unit_rows(x) if metric == "cosine" else x).float().cpu().contiguous().numpy()
    index = (faiss.IndexFlatIP if metric == "cosine" else faiss.IndexFlatL2)(x.size(1))
    index.add(vectors)
    ids = torch.from_numpy(index.search(vectors, k + 1)[1])
    keep = ids != torch.arange(len(ids))[:, None]
    keep[keep.all(1), -1] = False  # the node itself, behind k + 1 copies of it
    return ids[keep].view(-1, k).to(x.device)
