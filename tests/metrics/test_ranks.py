from typing import Any

import pytest
import torch
from torch import Tensor
from torchmetrics import retrieval

from rrnet_lightning.errors import GraphError
from rrnet_lightning.metrics.average_precision import ranked_precision
from rrnet_lightning.metrics.ranks import Ranking, rank
from tests.metrics import plain

VALUES: list[tuple[Any, Any]] = [  # ours, and what it should be for one order
    (lambda r: r.recall(1), lambda order: plain.first(order) <= 1),
    (lambda r: r.recall(3), lambda order: plain.first(order) <= 3),
    (lambda r: r.recall(7), lambda order: plain.first(order) <= 7),
    (Ranking.reciprocal_rank, lambda order: 1 / plain.first(order)),
    (Ranking.first_rank, plain.first),
    (Ranking.ndcg, plain.ndcg),
    (lambda r: r.ndcg(4), lambda order: plain.ndcg(order, 4)),
    (ranked_precision, plain.precision),
    (lambda r: ranked_precision(r, 4), lambda order: plain.precision(order, 4)),
    (lambda r: ranked_precision(r, 7), lambda order: plain.precision(order, 7)),
]
MISSED: list[list[int]] = [[], [7], [6, 9], [], [8], [6], [], [11], [6, 7], []]


def queries() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Ten queries of five items in a shuffled list, many ties; some with missed ranks. Names from 100."""
    rng = torch.Generator().manual_seed(1)
    scores, relevant = torch.randint(3, (10, 5), generator=rng).double() - 9, torch.rand(10, 5, generator=rng) < 0.3
    relevant[:, 0] |= torch.tensor([not ranks for ranks in MISSED])
    relevant[1] = relevant[7] = False  # all they have is missed
    missed = torch.tensor([(100 + i, at) for i, ranks in enumerate(MISSED) for at in ranks])
    return scores, relevant, missed, torch.arange(100, 110)[:, None].expand(10, 5)


@pytest.mark.parametrize(("ours", "value"), VALUES)
def test_ties_are_the_mean_over_all_orders(ours: Any, value: Any) -> None:
    scores, relevant, missed, query = queries()
    order = torch.randperm(50, generator=torch.Generator().manual_seed(2))
    query, mixed, hits = (each.reshape(-1)[order] for each in (query, scores, relevant))
    ranking, names = rank(
        query, mixed, hits, torch.cat([missed, missed[:2]])
    )  # a query's ranks may come with several batches
    wanted = [plain.mean(value, *each) for each in zip(scores.tolist(), relevant.tolist(), MISSED, strict=True)]
    assert names.tolist() == list(range(100, 110))
    assert ours(ranking).tolist() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "ours"),
    [
        (retrieval.RetrievalMRR, Ranking.reciprocal_rank),
        (retrieval.RetrievalMAP, ranked_precision),
        (retrieval.RetrievalNormalizedDCG, Ranking.ndcg),
        (lambda **options: retrieval.RetrievalNormalizedDCG(top_k=5, **options), lambda r: r.ndcg(5)),
        (lambda **options: retrieval.RetrievalHitRate(top_k=3, **options), lambda r: r.recall(3)),
    ],
)
def test_without_ties_as_torchmetrics(metric: Any, ours: Any) -> None:
    rng = torch.Generator().manual_seed(0)
    query, scores = torch.randint(40, (600,), generator=rng), torch.rand(600, generator=rng, dtype=torch.double)
    relevant = torch.rand(600, generator=rng) < 0.2
    ranking, _ = rank(query, scores, relevant)
    wanted = metric(empty_target_action="skip")(scores, relevant, indexes=query)
    assert ours(ranking)[ranking.num_relevant > 0].mean().item() == pytest.approx(wanted.item(), abs=1e-6)


def test_no_number_counts_against_the_model() -> None:
    scores = torch.tensor([float("nan"), 1.0, 0, float("nan"), 1, 0])
    relevant = torch.tensor([1, 0, 0, 0, 1, 0]).bool()
    assert rank(torch.tensor([0, 0, 0, 1, 1, 1]), scores, relevant)[0].first_rank().tolist() == [3, 2]


def test_a_missed_rank_among_the_candidates_is_refused() -> None:
    query, relevant = torch.tensor([4, 4]), torch.zeros(2).bool()
    rank(query, torch.zeros(2), relevant, torch.tensor([[4, 3]]))
    with pytest.raises(GraphError, match=r"missed: found rank 2 of a query with 2 candidates"):
        rank(query, torch.zeros(2), relevant, torch.tensor([[4, 2]]))


def test_long_ties_are_exact() -> None:
    """A constant model: the first of 50 relevant among 5,000 items is expected at rank 5001 / 51."""
    ranking, _ = rank(torch.zeros(5000).long(), torch.zeros(5000), torch.arange(5000) % 100 == 0)
    assert ranking.first_rank().item() == pytest.approx(5001 / 51, rel=1e-9)
    assert ranking.recall(5000).item() == pytest.approx(1, rel=1e-9)
