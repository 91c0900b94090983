"""Softmax and sums over the edges of each node."""

from typing import Literal

import torch
from torch import Tensor


def log_softmax(logits: Tensor, node: Tensor) -> Tensor:
    """Log-softmax of [E] logits over the edges of each node, in float32 at least.

    Shapes:
        logits: [E] float. node: [E] long, the edges' ends on one side.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    shifted = logits - per_node(logits.detach(), node, "amax").index_select(0, node)
    return shifted - per_node(shifted.exp(), node).log().index_select(0, node)


def per_node(values: Tensor, node: Tensor, reduce: Literal["sum", "amax"] = "sum") -> Tensor:
    """Reduce [E] values to one per node, [max(node) + 1]; 0 (or -inf) where a node has no edge."""
    size = int(node.max()) + 1 if len(node) else 0
    start = values.new_full((size,), 0.0 if reduce == "sum" else -torch.inf)
    return start.scatter_reduce(0, node, values, reduce)


def cross_entropy(logits: Tensor, y: Tensor, node: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over nodes of the cross entropy of the softmax over a node's edges, and the number of nodes summed.

    The target mass is shared among a node's true edges, in proportion to y. A node without a true edge counts nothing.

    Shapes:
        logits: [E] float. y: [E] float, at least 0. node: [E] long.  returns: two scalars.
    """
    return -(share(y, node) * log_softmax(logits, node)).sum(), (per_node(y, node) > 0).sum()


def share(y: Tensor, node: Tensor) -> Tensor:
    """Each edge's share of the sum of y, at least 0, over the edges of its node; 0 where the sum is 0."""
    return y / per_node(y, node).index_select(0, node).clamp(min=torch.finfo(y.dtype).tiny)
