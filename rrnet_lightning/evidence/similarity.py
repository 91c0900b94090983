"""Neighbours by co-rating. Only who rated what is read, never how."""

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

CHUNK = 1024  # rows of the similarity matrix held at once


def co_rating_neighbors(
    node: Tensor, other: Tensor, num_nodes: int, num_others: int, k: int, *, shrink: float = 10.0
) -> tuple[Tensor, Tensor]:
    """Link each node to the ``k`` nodes that share most raters (or rated items) with it.

    The weight of a pair with c raters in common, of n_i and n_j raters, is c / sqrt(n_i n_j) · c / (c + shrink): the
    cosine of who rated them, shrunk where few did. Nodes with nothing in common are never linked, so a node may have
    fewer than ``k`` neighbours. Ties go to the lower row. Time grows with the pairs of ratings that share a rater,
    memory with ``k`` · N plus the similarities of 1,024 rows.

    Shapes:
        node, other: [R] long, one entry per rating: items and users, or users and items.
        returns: edge_index [2, E] long (neighbour -> node, sorted by node, nearest first) and weight [E] float.
    """
    rated = csr_matrix((np.ones(len(node)), (node.numpy(), other.numpy())), shape=(num_nodes, num_others))
    count = np.asarray(rated.sum(1)).ravel()
    transposed = rated.T.tocsc()
    neighbors, nodes, weights = [], [], []
    for start in range(0, num_nodes, CHUNK):
        common = (rated[start : start + CHUNK] @ transposed).tocoo()
        row, column, c = common.row + start, common.col, common.data
        apart = row != column
        row, column, c = row[apart], column[apart], c[apart]
        weight = c / np.sqrt(count[row] * count[column]) * c / (c + shrink)
        order = np.lexsort((column, -weight, row))
        row, column, weight = row[order], column[order], weight[order]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        near = rank < k
        neighbors.append(column[near])
        nodes.append(row[near])
        weights.append(weight[near])
    edge_index = np.stack([np.concatenate(neighbors), np.concatenate(nodes)]).astype(np.int64)
    return torch.from_numpy(edge_index), torch.from_numpy(np.concatenate(weights).astype(np.float32))
