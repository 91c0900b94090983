"""Matching whole tables without training: CSLS, mutual nearest neighbours, and self-training on them.

These are transductive: the answer for one row depends on the other rows that are asked.
"""

from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval.labels import Classes
from rrnet_lightning.candidates.retrieval.search import CHUNK, check_rows, score_chunks
from rrnet_lightning.candidates.retrieval.space import Space, SpaceGenerator
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.bridge import nearest

Rule = Literal["cosine", "csls"]


def hubness(rows: Tensor, bank: Tensor, k: int = 10, *, chunk: int = CHUNK) -> Tensor:
    """Return the mean of the ``k`` largest cosines of each row against a bank of the other table, [N].

    Shapes:
        rows, bank: [N, H] and [B, H] of unit length.

    Time N · B · H, memory ``chunk`` · B.

    Raises:
        DataError: rows of different widths or not finite, ``k`` outside 1 to B, or ``chunk`` below 1.
    """
    check_rows(rows, bank, chunk)
    if not 1 <= k <= len(bank):
        raise DataError(f"k: found {k}, wanted 1 to {len(bank)}, the rows of the bank")
    return nearest(rows, bank, k, chunk=chunk)[0].mean(1) if len(rows) else rows.new_zeros(0)


def csls_scores(query: Tensor, base: Tensor, bank_query: Tensor, bank_base: Tensor, k: int = 10) -> Tensor:
    """Cross-domain similarity local scaling: 2 cos(q, b) - r(q) - r(b), [Q, B].

    r(q) is the :func:`hubness` of a query against ``bank_base``, rows of the base's table; r(b) that of a base row
    against ``bank_query``. Banks of known pairs keep a query's answer free of the other queries; banks of the rows that
    are asked make it transductive.

    Shapes:
        query, bank_query: [Q, H] and [A, H] of unit length.
        base, bank_base: [B, H] and [C, H] of unit length.

    Raises:
        DataError: rows of different widths or not finite, or ``k`` outside 1 to the sizes of the banks.
    """
    check_rows(query, base, CHUNK)
    return 2 * query @ base.T - hubness(query, bank_base, k)[:, None] - hubness(base, bank_query, k)


def mutual_nearest(source: Tensor, target: Tensor, *, rule: Rule = "csls", k: int = 10, chunk: int = CHUNK) -> Tensor:
    """Return the pairs of rows each of which is the best of the other's table for the other, [2, M] long.

    Ties go to the lower row. The pairs are sorted by source. Time N · M · H, memory ``chunk`` · M.

    Args:
        source: [N, H] rows of unit length.
        target: [M, H] rows of unit length.
        rule: what is best: the largest cosine, or the largest :func:`csls_scores`, with these rows as banks.
        k: of CSLS; no more than there are rows.
        chunk: sources whose scores are held at once.

    Raises:
        DataError: rows of different widths or not finite, another rule, or ``k`` or ``chunk`` below 1.
    """
    check_rows(source, target, chunk)
    if rule not in ("cosine", "csls") or k < 1:
        raise DataError(f"rule: found {rule} with k {k}, wanted cosine or csls, and k at least 1")
    if not (len(source) and len(target)):
        return torch.zeros(2, 0, dtype=torch.long, device=source.device)
    own, other = source.new_zeros(len(source)), target.new_zeros(len(target))
    if rule == "csls":
        own = hubness(source, target, min(k, len(target)), chunk=chunk) / 2
        other = hubness(target, source, min(k, len(source)), chunk=chunk) / 2
    partner = torch.empty(len(source), dtype=torch.long, device=source.device)
    best = torch.full_like(other, float("-inf"))
    owner = torch.zeros(len(target), dtype=torch.long, device=target.device)
    for start, cosine in score_chunks(source, target, chunk):
        scores = cosine - own[start : start + chunk, None] - other
        partner[start : start + chunk] = scores.argmax(1)
        value, row = scores.max(0)
        better = value > best
        best, owner = torch.where(better, value, best), torch.where(better, row + start, owner)
    row = torch.arange(len(source), device=source.device)
    mutual = owner[partner] == row
    return torch.stack([row[mutual], partner[mutual]])


def self_training(
    generator: SpaceGenerator,
    source: Tensor,
    target: Tensor,
    pairs: Tensor,
    weight: Tensor | None = None,
    *,
    rounds: int = 4,
    rule: Rule = "csls",
    k: int = 10,
    labels: Classes | None = None,
    seed: int = 0,
) -> Space:
    """Fit a space on known pairs, then anew on those and what it matched itself, ``rounds`` times over.

    In each round the :func:`mutual_nearest` rows among those without a known partner join the known pairs, with weight
    1. They are chosen anew each time, so a wrong one can leave again. Cost: ``rounds`` + 1 fits and matchings.

    Shapes:
        source, target: [N_s, D_s] and [N_t, D_t] features of both tables, all rows.
        pairs: [2, P] long, known pairs; ``weight`` [P].
        labels: [N_s, C] and [N_t, C] bool, for a generator that learns from classes; of the rows that join, too.

    Raises:
        DataError: as :meth:`SpaceGenerator.fit` and :func:`mutual_nearest`, or ``rounds`` below 0.
    """
    if rounds < 0:
        raise DataError(f"rounds: found {rounds}, wanted at least 0")
    space = generator.fit(source, target, pairs, weight, labels=labels, seed=seed)
    known = torch.ones(pairs.size(1), device=pairs.device) if weight is None else weight
    for _ in range(rounds):
        joined = joining(space, source, target, pairs, rule=rule, k=k)
        all_weights = torch.cat([known, known.new_ones(joined.size(1))])
        both = torch.cat([pairs, joined], 1)
        space = generator.fit(source, target, both, all_weights, labels=labels, seed=seed)
    return space


def joining(space: Space, source: Tensor, target: Tensor, pairs: Tensor, *, rule: Rule = "csls", k: int = 10) -> Tensor:
    """Return the :func:`mutual_nearest` pairs of rows without a known partner, [2, J] long, rows of both tables.

    Shapes:
        source, target: [N_s, D_s] and [N_t, D_t] features of both tables. pairs: [2, P] long, known pairs.

    Raises:
        DataError: as :func:`mutual_nearest`.
    """
    free = without_partner(len(source), pairs[0]), without_partner(len(target), pairs[1])
    with torch.inference_mode():
        found = mutual_nearest(space.source(source[free[0]]), space.target(target[free[1]]), rule=rule, k=k)
    return torch.stack([row[some] for row, some in zip(free, found, strict=True)])


def without_partner(size: int, row: Tensor) -> Tensor:
    """Return the rows of a table of ``size`` rows that are not among ``row``, [N] long, ascending."""
    free = torch.ones(size, dtype=torch.bool, device=row.device)
    free[row] = False
    return free.nonzero()[:, 0]
