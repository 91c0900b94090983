"""Correct&Smooth: class probabilities corrected by the errors on labelled neighbours, then smoothed over the graph."""

import warnings

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import CorrectAndSmooth


def adjacency(edges: Tensor, weight: Tensor, nodes: int) -> Tensor:
    """Return [N, N] sparse, row: node, column: neighbour; Correct&Smooth divides it by degrees.

    Shapes:
        edges: [2, E] long, neighbour -> node. weight: [E] float.
    """
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # CSR is called beta; it is the fast one
        return torch.sparse_coo_tensor(edges.flip(0), weight, (nodes, nodes)).coalesce().to_sparse_csr()


def correct_and_smooth(
    probabilities: Tensor,
    label: Tensor,
    adjacent: Tensor,
    *,
    layers: int = 3,
    correct: float = 0.5,
    smooth: float = 0.3,
    autoscale: bool = True,
) -> Tensor:
    """Return [N, C] scores, PyG's ``CorrectAndSmooth`` (Huang et al., arXiv 2010.13993).

    Args:
        probabilities: [N, C] float, of a classifier. label: [N] long, -1 where it is not known.
        adjacent: by :func:`adjacency`.
        layers: steps of either propagation. correct, smooth: shares of it that neighbours have at each step.
        autoscale: scale corrections to the mean error on labelled nodes.
    """
    known = label >= 0
    truth = F.one_hot(label.clamp(min=0), probabilities.size(1)).to(probabilities)[known]
    model = CorrectAndSmooth(layers, correct, layers, smooth, autoscale)
    corrected = model.correct(probabilities, truth, known, adjacent)
    scores: Tensor = model.smooth(corrected, truth, known, adjacent)
    return scores
