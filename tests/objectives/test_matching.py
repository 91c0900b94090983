import itertools

import pytest
import torch
from torch import Tensor

from rrnet_lightning.objectives import assign, sinkhorn


def dense(size: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    scores = torch.randn(size * size, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    return scores, torch.cartesian_prod(torch.arange(size), torch.arange(size)).T


def test_sinkhorn_is_doubly_stochastic_in_the_limit_and_exact_per_source() -> None:
    scores, ends = dense(5)
    share = sinkhorn(scores, ends, 200).exp().view(5, 5)
    torch.testing.assert_close(share.sum(0), torch.ones(5, dtype=torch.double))
    torch.testing.assert_close(sinkhorn(scores, ends, 1).exp().view(5, 5).sum(1), torch.ones(5, dtype=torch.double))
    wanted = scores.view(5, 5).log_softmax(0).log_softmax(1).log_softmax(0).log_softmax(1)
    torch.testing.assert_close(sinkhorn(scores, ends, 2), wanted.reshape(-1))


def test_sinkhorn_leaves_a_target_to_whom_it_fits_best() -> None:
    """Source 1 prefers target 0, which source 0 needs more: alone it errs, together it does not."""
    scores, ends = torch.tensor([3.0, 0.0, 1.0, 0.8]), torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    together = sinkhorn(scores, ends)
    assert scores[2] > scores[3] and together[2] < together[3]
    moved = torch.tensor([-3.0, 0.0, 1.0, 0.8])  # another query's scores
    assert (sinkhorn(moved, ends)[2:] != together[2:]).all()
    with pytest.raises(ValueError, match="found iterations=0, wanted at least 1"):
        sinkhorn(scores, ends, 0)


def best_matching(scores: Tensor, ends: Tensor) -> tuple[int, float]:
    """Most pairs, then the best sum, over all sets of edges."""
    best = (0, 0.0)
    for size in range(1, 5):
        for edges in itertools.combinations(range(len(scores)), size):
            if all(len(set(side[list(edges)].tolist())) == size for side in ends):
                best = max(best, (size, scores[list(edges)].sum().item()))
    return best


@pytest.mark.parametrize("seed", range(8))
def test_assign_takes_most_pairs_then_the_best(seed: int) -> None:
    """Sparse candidates: some sources and targets have none."""
    scores, ends = dense(4, seed)
    kept = torch.randperm(16, generator=torch.Generator().manual_seed(seed))[:7].sort().values
    scores, ends = 10 * scores[kept].float(), ends[:, kept] * 3
    chosen = assign(scores, ends)
    assert all(len(set(side[chosen].tolist())) == chosen.sum() for side in ends)
    assert (int(chosen.sum()), scores[chosen].sum().item()) == pytest.approx(best_matching(scores, ends))


def test_assign_moves_a_source_aside_for_another() -> None:
    scores, ends = torch.tensor([5.0, -90.0, 4.0]), torch.tensor([[0, 0, 2], [0, 1, 0]])
    assert assign(scores, ends).tolist() == [False, True, True]


def test_assign_of_equal_scores_of_nothing_and_of_no_numbers() -> None:
    assert assign(torch.zeros(3), torch.tensor([[0, 1, 2], [0, 0, 0]])).sum() == 1
    assert assign(torch.zeros(0), torch.zeros(2, 0).long()).tolist() == []
    with pytest.raises(ValueError, match="scores that are not finite"):
        assign(torch.tensor([float("inf")]), torch.zeros(2, 1).long())
