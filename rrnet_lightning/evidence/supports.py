"""Which visible ratings a pair hears by themselves: those by like users of its item, and those of like items by it."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.evidence.ratings import Z
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET

CHUNK = 256  # rows of the similarity matrix held at once
SHRINK = 10.0
SCALE = 5.0  # similarities are small: the median of the nearest is near 0.2
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Heard = tuple[Ints, Ints, Floats]  # pair that speaks, pair that hears, similarity


def rating_supports(data: HeteroData, visible: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the supports of the asked pairs: of each at most ``k`` from like users, and ``k`` from like items.

    Users are alike who rated the same items alike: s_ab = cos(z_a, z_b) · c / (c + 10), z the visible ratings as
    :func:`.ratings.write_evidence` has told them, 0 where there is none, and c how many items both rated. So are items.
    A pair hears the ratings of largest s > 0, of equals the first. A support has three numbers: 5 s, 1 where the users
    are alike, 1 where the items are.

    Time grows with the pairs of ratings that share a user or an item, memory with 256 · N and with the raters of the
    asked items.

    Shapes:
        visible: [E] bool.
        returns: [2, S] long, pair that speaks -> pair that hears, sorted by the second, and [S, 3].
    """
    inter = data[INTER]
    ends = inter.edge_index.numpy()
    sizes = len(data[SOURCE].x), len(data[TARGET].x)
    speaks, hears = (mask.nonzero().squeeze(1).numpy() for mask in (visible, inter.supervised))
    value = inter.edge_attr[visible, Z].numpy()
    found = [_alike(ends[[side, 1 - side]], (sizes[side], sizes[1 - side]), speaks, hears, value, k) for side in (0, 1)]
    edges = torch.from_numpy(np.concatenate([np.stack(each[:2]) for each in found], 1))
    numbers = torch.zeros(edges.shape[1], 3)
    numbers[:, 0] = SCALE * torch.from_numpy(np.concatenate([each[2] for each in found]))
    users = len(found[0][0])
    numbers[:users, 1], numbers[users:, 2] = 1, 1
    order = edges[1].argsort(stable=True)
    return edges[:, order], numbers[order]


def _alike(ends: Ints, sizes: tuple[int, int], speaks: Ints, hears: Ints, value: Floats, k: int) -> Heard:
    """For pairs (a, b) that hear: the pairs (a', b) that speak, a' most like a. ``ends`` [2, E] are a and b."""
    own, other = ends[:, speaks]
    ratings = csr_matrix((value, (own, other)), shape=sizes)
    rated = csr_matrix((np.ones_like(value), (own, other)), shape=sizes)
    norm = np.sqrt(np.asarray(ratings.multiply(ratings).sum(1))).ravel().clip(1e-6)
    by_other = np.argsort(other, kind="stable")
    start = np.concatenate([[0], np.bincount(other, minlength=sizes[1]).cumsum()])
    hears = hears[np.argsort(ends[0, hears], kind="stable")]
    nodes = ends[0, hears]
    parts: list[Heard] = []
    for low in range(0, sizes[0], CHUNK):
        rows = slice(low, min(low + CHUNK, sizes[0]))
        some = hears[np.searchsorted(nodes, rows.start) : np.searchsorted(nodes, rows.stop)]
        if len(some):
            common = (rated[rows] @ rated.T).toarray()
            like = (ratings[rows] @ ratings.T).toarray() / (norm[rows, None] * norm) * common / (common + SHRINK)
            like[np.arange(len(like)), np.arange(rows.start, rows.stop)] = 0  # not with itself
            a, b = ends[:, some]
            count = start[b + 1] - start[b]
            pair = np.repeat(np.arange(len(some)), count)
            at = by_other[start[b][pair] + np.arange(len(pair)) - (count.cumsum() - count)[pair]]
            score = like[a[pair] - low, own[at]]
            parts.append(_largest(some, pair, speaks[at], score.astype(np.float32), k))
    none = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    columns = [np.concatenate(each) for each in zip(none, *parts, strict=True)]
    return columns[0], columns[1], columns[2]


def _largest(hears: Ints, pair: Ints, speaks: Ints, score: Floats, k: int) -> Heard:
    """The ``k`` largest scores above 0 of each pair; of equals the first that speaks."""
    above = score > 0
    pair, speaks, score = pair[above], speaks[above], score[above]
    order = np.lexsort((speaks, -score, pair))
    pair, speaks, score = pair[order], speaks[order], score[order]
    near = np.arange(len(pair)) - np.searchsorted(pair, pair) < k
    return speaks[near], hears[pair[near]], score[near]
