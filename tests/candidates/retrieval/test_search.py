import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval import rank_of, top_k
from rrnet_lightning.errors import DataError


def rows() -> tuple[Tensor, Tensor]:
    """Whole numbers, whose products are exact and often equal: no unit length is needed here."""
    draw = torch.Generator().manual_seed(0)
    query, base = (torch.randint(-2, 3, (size, 3), generator=draw).float() for size in (11, 30))
    return query, base


def plain_order(query: Tensor, base: Tensor) -> list[list[int]]:
    scores = (query @ base.T).tolist()
    return [sorted(range(len(row)), key=lambda column: (-row[column], column)) for row in scores]


@pytest.mark.parametrize("chunk", [1, 4, 100])
@pytest.mark.parametrize("k", [1, 7, 30])
def test_top_k_is_the_sorted_list_with_ties_by_column(k: int, chunk: int) -> None:
    query, base = rows()
    scores, columns = top_k(query, base, k, chunk=chunk)
    assert columns.tolist() == [order[:k] for order in plain_order(query, base)]
    assert scores.equal((query @ base.T).gather(1, columns))


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_rank_is_the_place_in_the_sorted_list(chunk: int) -> None:
    query, base = rows()
    pairs = torch.cartesian_prod(torch.arange(11), torch.arange(30)).T
    ranks = rank_of(query, base, pairs, chunk=chunk).tolist()
    order = plain_order(query, base)
    assert ranks == [order[q].index(b) + 1 for q, b in pairs.T.tolist()]


def test_nothing_asked_is_nothing_found() -> None:
    query, base = rows()
    scores, columns = top_k(query[:0], base, 2)
    assert scores.shape == columns.shape == (0, 2)
    assert rank_of(query, base, torch.zeros(2, 0, dtype=torch.long)).shape == (0,)


@pytest.mark.parametrize(
    ("message", "act"),
    [
        ("k: found 31, wanted 1 to 30", lambda q, b: top_k(q, b, 31)),
        ("k: found 0", lambda q, b: top_k(q, b, 0)),
        ("chunk: found 0", lambda q, b: top_k(q, b, 1, chunk=0)),
        ("search: found rows [11, 2] and [30, 3]", lambda q, b: top_k(q[:, :2], b, 1)),
        ("search: found rows that are not finite", lambda q, b: top_k(q / 0, b, 1)),
        ("pairs: found base rows 30 to 30, wanted 0 to 29", lambda q, b: rank_of(q, b, torch.tensor([[0], [30]]))),
    ],
)
def test_what_cannot_be_searched_is_named(message: str, act: Callable[[Tensor, Tensor], object]) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        act(*rows())
