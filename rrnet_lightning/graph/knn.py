"""Exact nearest neighbours within one modality, in chunks of rows: never a square matrix of all nodes."""

from importlib import import_module
from importlib.util import find_spec

import torch
from rich.progress import track
from torch import Tensor

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.checks import check_finite, check_tensor

FAISS_ABOVE = 200_000
"""Number of nodes above which faiss, where installed, does the search."""

TRACKED = 10**8
"""Number of pairs from which a search shows its progress."""

BLOCK = 16
"""Columns of which `top_k` takes the largest first."""


def knn_edges(x: Tensor, k: int, *, pool: Tensor | None = None, chunk: int = 1024) -> Tensor:
    """Edges to every node from its k neighbours of largest cosine similarity, itself excluded.

    Exact. Nearest first, ties by lower row; similarities are compared in steps of 2^-24, and a zero vector's
    similarity to anything is 0. Time O(N P D), P nodes in the pool, memory O(N (k + D) + chunk P). Above `FAISS_ABOVE`
    nodes, faiss's exact index is used if it is installed (`pip install faiss-cpu`): the same neighbours sooner, but
    the order of ties is then faiss's.

    Args:
        x: [N, D] float, node attributes.
        k: neighbours a node; 0 gives no edges.
        pool: [N] bool, which nodes may be neighbours, for instance training samples only; None for all.
        chunk: rows compared at a time; changes memory, not the result.

    Returns:
        [2, N * k] long, neighbour -> node, sorted by node, k edges a node.

    Raises:
        GraphError: on NaN or inf in `x`, wrong types or shapes, or a node with fewer than k allowed neighbours.
    """
    check_finite("x", check_tensor("x", x, "float", (None, None)))
    if k < 0 or chunk < 1:
        raise GraphError.of("k, chunk", (k, chunk), "k >= 0 and chunk >= 1")
    rows = torch.arange(len(x), device=x.device)
    allowed = rows if pool is None else check_tensor("pool", pool, "bool", (len(x),)).nonzero().squeeze(1)
    _check_enough(len(x), allowed, k)
    if k == 0 or len(x) == 0:
        return rows.new_empty(2, 0)
    search = _faiss_neighbours if len(x) > FAISS_ABOVE and find_spec("faiss") else _exact_neighbours
    neighbours = search(_unit_rows(x), k, allowed, chunk)
    return torch.stack([neighbours.reshape(-1), rows.repeat_interleave(k)])


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values and columns of the k >= 1 largest entries of every row, largest first; which of equal ones is not said.

    On a CPU ``torch.topk`` costs 4 to 10 ns an entry. The k largest lie in the k blocks of columns with the largest
    maxima, and maxima cost .4 ns: so wide rows take a half to a seventh of its time.

    Shapes:
        scores: [R, C] float without NaN.  returns: [R, k] each.
    """
    blocks = scores.shape[1] // BLOCK
    if blocks < BLOCK * k or scores.device.type != "cpu":
        values, columns = scores.topk(k, dim=1)
        return values, columns
    best = scores[:, : blocks * BLOCK].unflatten(1, (BLOCK, blocks)).amax(1).topk(k, dim=1).indices
    inside = (best[:, None] + blocks * torch.arange(BLOCK)[:, None]).flatten(1)
    rest = torch.arange(blocks * BLOCK, scores.shape[1]).expand(len(scores), -1)
    searched = torch.cat([inside, rest], 1)
    values, place = scores.gather(1, searched).topk(k, dim=1)
    return values, searched.gather(1, place)


def stable_top_k(scores: Tensor, k: int) -> Tensor:
    """Columns of the k >= 1 largest entries of every row, largest first, ties by lower column.

    Shapes:
        scores: [R, C] float without NaN.  returns: [R, k] long.
    """
    values, columns = top_k(scores, min(k + 1, scores.shape[1]))
    columns = columns[:, :k]
    # top_k picks any of several entries equal to the k-th: only such rows need a full sort.
    tied = (values[:, k - 1 : -1] == values[:, k:]).any(1).nonzero().squeeze(1)
    columns[tied] = scores[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
    columns = columns.sort(dim=1).values
    order = scores.gather(1, columns).sort(dim=1, descending=True, stable=True).indices
    return columns.gather(1, order)


def _check_enough(num_nodes: int, allowed: Tensor, k: int) -> None:
    others = torch.full((num_nodes,), len(allowed), device=allowed.device)
    others[allowed] -= 1  # a node is not its own neighbour
    short = (others < k).nonzero()
    if len(short):
        node = int(short[0])
        wanted = f"at most {int(others[node])}, the number of allowed neighbours of node {node}"
        raise GraphError.of("k", k, wanted, "choose a smaller k, or widen the pool")


def _exact_neighbours(x: Tensor, k: int, allowed: Tensor, chunk: int) -> Tensor:
    candidates, rows = x[allowed], torch.arange(len(x), device=x.device)
    found = []
    quick = len(x) * len(candidates) < TRACKED
    for some in track(rows.split(chunk), f"neighbours of {len(x)} nodes", transient=True, disable=quick):
        scores = _cosine(x[some], candidates)
        scores.masked_fill_(some[:, None] == allowed, -torch.inf)
        found.append(allowed[stable_top_k(scores, k)])
    return torch.cat(found)


def _unit_rows(x: Tensor) -> Tensor:
    x = x.double()
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return torch.where(norm > 0, x / norm, 0.0)


def _cosine(rows: Tensor, candidates: Tensor) -> Tensor:
    # The last bits of a matrix product depend on its blocking; rounding keeps ties ties, whatever the chunk.
    return (rows @ candidates.T).mul_(2**24).round_().float()


def _faiss_neighbours(x: Tensor, k: int, allowed: Tensor, chunk: int) -> Tensor:
    faiss = import_module("faiss")
    vectors = x.float().cpu().contiguous().numpy()
    index = faiss.IndexFlatIP(x.size(1))
    index.add(vectors[allowed.cpu().numpy()])
    wanted = min(k + 1, len(allowed))  # one more, as the node itself may be found
    ids = allowed.cpu()[torch.from_numpy(index.search(vectors, wanted)[1])]
    keep = ids != torch.arange(len(ids))[:, None]
    keep[keep.all(1), k:] = False  # the node itself is not in the pool, or behind k + 1 copies of it
    return ids[keep].view(-1, k).to(x.device)
