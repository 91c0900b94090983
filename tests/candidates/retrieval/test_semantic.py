"""Semantic matching: one classifier a table, and what is compared of them."""

import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval import SemanticMatching
from rrnet_lightning.candidates.retrieval.semantic import logistic_regression
from tests.candidates.retrieval.tables import labels, scores, tables


def objective(x: Tensor, target: Tensor, matrix: Tensor, bias: Tensor, c: float) -> Tensor:
    return matrix.square().sum() / 2 - c * (target * (x @ matrix + bias).log_softmax(1)).sum()


@pytest.mark.parametrize("num_classes", [3, 4])
def test_the_fit_is_the_minimum_of_the_objective(num_classes: int) -> None:
    """Rows of several classes and of any weight."""
    draw = torch.Generator().manual_seed(0)
    x, target = torch.randn(50, 5, generator=draw).double(), torch.rand(50, num_classes, generator=draw).double()
    target = target * (target > 0.5)
    matrix, bias = (each.requires_grad_() for each in logistic_regression(x, target, 0.3))
    objective(x, target, matrix, bias, 0.3).backward()
    assert matrix.grad is not None and bias.grad is not None
    assert matrix.grad.abs().max() < 1e-2 and bias.grad.abs().max() < 1e-2 and matrix.abs().max() > 0.1


def test_probabilities_lose_the_share_of_their_class() -> None:
    source, target, pairs = tables()
    weight = torch.linspace(0.5, 1, 40)
    member = {side: each[:, :3] for side, each in labels().items()}
    plain, centred = (
        SemanticMatching(1, center).fit(source, target, pairs, weight, labels=member) for center in (False, True)
    )
    probability = plain.map(source, "source")
    torch.testing.assert_close(probability.sum(1), torch.ones(60))
    share = (member["source"][:40] / member["source"][:40].sum(1, True) * weight[:, None]).sum(0) / weight.sum()
    torch.testing.assert_close(centred.map(source, "source"), probability - share)
    torch.testing.assert_close(weight @ probability[:40] / weight.sum(), share, atol=1e-3, rtol=0)


def test_two_classes_and_one_that_no_known_row_has() -> None:
    source, target, pairs = tables()
    member = {side: torch.stack([row[:, 0], row[:, 0] & False, ~row[:, 0]], 1) for side, row in labels().items()}
    space = SemanticMatching(10).fit(source, target, pairs, labels=member)
    found = space.map(source, "source")
    assert (found[:, 1] == 0).all() and found.isfinite().all()
    first = member["source"][:, 0]
    assert found[first, 0].mean() > 0.2 > -0.1 > found[~first, 0].mean()
    binary = {side: row[:, [0, 2]] for side, row in member.items()}
    other = SemanticMatching(10).fit(source, target, pairs, labels=binary)
    torch.testing.assert_close(scores(other, source, target), scores(space, source, target))


def test_new_rows_of_one_class_meet() -> None:
    source, target, pairs = tables(200, 140)
    member = labels(200)
    space = SemanticMatching(1).fit(source, target, pairs, labels=member)
    found = scores(space, source[140:], target[140:])
    alike = member["source"][140:].float() @ member["target"][140:].float().T > 0
    assert found[alike].mean() > 0.5 and found[~alike].mean() < -0.3
