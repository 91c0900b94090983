"""Answers of all queries together: Sinkhorn's normalisation, and the best one-to-one matching."""

import torch
from torch import Tensor

from rrnet_lightning.objectives.segments import log_softmax


def sinkhorn(logits: Tensor, ends: Tensor, iterations: int = 20) -> Tensor:
    """Log-softmax over each target's edges, then over each source's, again and again; the last is over sources.

    A pair rises where its rivals have better partners. With as many sources as targets, and enough candidates, the
    scores come near a doubly stochastic matrix. Transductive: a pair's score depends on all edges given.

    Shapes:
        logits: [E] float. ends: [2, E] long, source and target of each edge.  returns: [E] float, logarithms.

    Raises:
        ValueError: ``iterations`` is below 1.
    """
    if iterations < 1:
        raise ValueError(f"sinkhorn: found iterations={iterations}, wanted at least 1")
    source, target = ends
    for _ in range(iterations):
        logits = log_softmax(log_softmax(logits, target), source)
    return logits


def assign(scores: Tensor, ends: Tensor) -> Tensor:
    """Match sources to targets one to one along the edges: as many as can be, and of these the best sum of scores.

    A source or target whose candidates are all better matched elsewhere, or that has none, stays alone. Runs on the
    CPU, by SciPy's sparse Jonker-Volgenant algorithm; each source may also take a dear partner of its own, which stands
    for staying alone.

    Shapes:
        scores: [E] float. ends: [2, E] long, each pair once.  returns: [E] bool, the chosen edges.

    Raises:
        ValueError: a score is not finite.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    if not scores.isfinite().all():
        raise ValueError("assign: found scores that are not finite, wanted numbers")
    chosen = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    if not len(scores):
        return chosen
    sources, row = ends[0].cpu().unique(return_inverse=True)
    targets, column = ends[1].cpu().unique(return_inverse=True)
    cost = scores.detach().cpu().double()
    cost = 1 + (cost.max() - cost) / (cost.max() - cost.min()).clamp(min=torch.finfo(cost.dtype).tiny)  # 1 to 2
    alone = torch.arange(len(sources))
    dear = cost.new_full((len(sources),), 2.0 * (len(sources) + 1))  # dearer than moving all others
    rows, columns = torch.cat([row, alone]), torch.cat([column, len(targets) + alone])
    shape = (len(sources), len(targets) + len(sources))
    graph = csr_array((torch.cat([cost, dear]).numpy(), (rows.numpy(), columns.numpy())), shape=shape)
    _, partner = min_weight_full_bipartite_matching(graph)
    chosen[:] = (torch.as_tensor(partner)[row] == column).to(chosen.device)
    return chosen
