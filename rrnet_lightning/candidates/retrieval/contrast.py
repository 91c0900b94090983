"""The contrastive loss of paired mini-batches, and which pairs of a mini-batch are no negatives."""

import torch
from torch import Tensor


def known_in_batch(source_row: Tensor, target_row: Tensor) -> Tensor:
    """Return which source and target of a mini-batch are known to belong together, by its own pairs: [B, B] bool.

    Entry (i, j) holds if one of the B pairs joins source i and target j, in particular if pairs i and j share an end.
    This finds all known pairs where each source or each target has one partner; else :func:`known_by` does.

    Shapes:
        source_row, target_row: [B] long, rows of the pairs in their tables.
    """
    same_source = source_row[:, None] == source_row
    same_target = target_row[:, None] == target_row
    return (same_source.float() @ same_target.float()).bool()


def known_by(pairs: Tensor, source_row: Tensor, target_row: Tensor) -> Tensor:
    """Return which source and target of a mini-batch are joined by one of ``pairs`` [2, P] long: [B, B] bool."""
    width = max(int(pairs[1].max()), int(target_row.max())) + 1
    keys = (pairs[0] * width + pairs[1]).unique()
    asked = source_row[:, None] * width + target_row
    place = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
    known: Tensor = keys[place] == asked
    return known


def info_nce(
    source: Tensor, target: Tensor, temperature: Tensor | float, known: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE of B pairs, whose negatives are the other ends in the mini-batch.

        s_ij = source_i · target_j / τ
        loss = Σ_i w_i / Σ w · ½ [ -log softmax_j(s_ij)_i - log softmax_j(s_ji)_i ],   j = i or (i, j) not known

    The loss is computed in float32 at least. A pair without any negative adds 0.

    Shapes:
        source, target: [B, H] rows of unit length, the ends of each pair.
        known: [B, B] bool, pairs that are no negatives; the diagonal does not matter.
        weight: [B] how much each pair counts; None for 1 each.
        returns: a scalar.
    """
    dtype = torch.promote_types(source.dtype, torch.float32)
    scores = source.to(dtype) @ target.to(dtype).T / temperature
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    scores = scores.masked_fill(known & ~own, float("-inf"))
    positive = scores.diagonal()
    loss = (scores.logsumexp(1) + scores.logsumexp(0)) / 2 - positive
    return loss.mean() if weight is None else (loss * weight).sum() / weight.sum()
