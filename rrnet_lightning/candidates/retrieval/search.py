"""Exact search in a common space, in chunks of queries. Equal scores are ranked by column, the lower first."""

from collections.abc import Iterator

import torch
from torch import Tensor

from rrnet_lightning.errors import DataError
from rrnet_lightning.graph.knn import stable_top_k

CHUNK = 1024  # queries whose scores of all base rows are held at once


def top_k(query: Tensor, base: Tensor, k: int, *, chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """Return the ``k`` base rows of largest cosine of each query, best first. Ties go to the lower row.

    Time Q · B · H, memory ``chunk`` · B. Rows that are equal may differ in the last bits of their scores, as matrix
    products round; only equal scores are ties.

    Shapes:
        query, base: [Q, H] and [B, H] rows of unit length.
        returns: scores [Q, k] and rows of ``base`` [Q, k] long.

    Raises:
        DataError: rows of different widths or not finite, ``k`` outside 1 to B, or ``chunk`` below 1.
    """
    check_rows(query, base, chunk)
    if not 1 <= k <= len(base):
        raise DataError(f"k: found {k}, wanted 1 to {len(base)}, the rows that are searched")
    values, columns = [query.new_zeros(0, k)], [torch.zeros(0, k, dtype=torch.long, device=query.device)]
    for _, scores in score_chunks(query, base, chunk):
        columns.append(stable_top_k(scores, k))
        values.append(scores.gather(1, columns[-1]))
    return torch.cat(values), torch.cat(columns)


def rank_of(query: Tensor, base: Tensor, pairs: Tensor, *, chunk: int = CHUNK) -> Tensor:
    """Return the rank of each pair's base row among all base rows for its query, [P] long, from 1.

    Ties go to the lower row, as in :func:`top_k`. Time P · B · H, memory ``chunk`` · B.

    Shapes:
        query, base: [Q, H] and [B, H] rows of unit length.
        pairs: [2, P] long, rows of ``query`` and of ``base``.

    Raises:
        DataError: rows of different widths or not finite, pairs outside them, or ``chunk`` below 1.
    """
    check_rows(query, base, chunk)
    for name, row, size in (("query", pairs[0], len(query)), ("base", pairs[1], len(base))):
        if row.numel() and (row.min() < 0 or row.max() >= size):
            raise DataError(f"pairs: found {name} rows {row.min()} to {row.max()}, wanted 0 to {size - 1}")
    ranks = torch.empty_like(pairs[1])
    columns = torch.arange(len(base), device=base.device)
    for start, scores in score_chunks(query[pairs[0]], base, chunk):
        asked = pairs[1, start : start + chunk, None]
        own = scores.gather(1, asked)
        ahead = (scores > own) | ((scores == own) & (columns < asked))
        ranks[start : start + chunk] = ahead.sum(1) + 1
    return ranks


def score_chunks(query: Tensor, base: Tensor, chunk: int) -> Iterator[tuple[int, Tensor]]:
    """Yield the first row of each chunk of queries and the chunk's scores of all base rows, [chunk, B]."""
    for start in range(0, len(query), chunk):
        yield start, query[start : start + chunk] @ base.T


def check_rows(query: Tensor, base: Tensor, chunk: int) -> None:
    """Raise DataError unless two sets of rows lie in one space and can be searched in chunks."""
    if query.dim() != 2 or base.dim() != 2 or query.size(1) != base.size(1):
        raise DataError(f"search: found rows {list(query.shape)} and {list(base.shape)}, wanted [Q, H] and [B, H]")
    if not (query.isfinite().all() and base.isfinite().all()):
        raise DataError("search: found rows that are not finite, wanted numbers")
    if chunk < 1:
        raise DataError(f"chunk: found {chunk}, wanted at least 1")
