import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from rrnet_lightning.objectives import Asked, HitRate, MappingObjective, RatingObjective

INF, NAN = math.inf, math.nan


def edges(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, truth and source of 12 edges: source 0 has two true targets, 1 and 4 one, 3 none, 2 no edge at all."""
    logits = torch.randn(12, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    source = torch.tensor([0, 0, 0, 0, 1, 1, 1, 3, 3, 4, 4, 4])
    y = torch.tensor([1.0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1], dtype=torch.double)
    return logits.requires_grad_(), y, source


def asked(y: Tensor, source: Tensor) -> Asked:
    """Edges to different targets."""
    return Asked(torch.stack([source, torch.arange(len(source))]), y)


def softmax_loss(logits: Tensor, y: Tensor, source: Tensor) -> Tensor:
    """-mean over sources with a true target of the mean log-probability of its true targets, by plain loops."""
    terms = []
    for s in sorted(set(source.tolist())):
        own, truth = logits[source == s], y[source == s]
        if truth.any():
            probability = own.exp() / own.exp().sum()
            terms.append(-probability[truth > 0].log().sum() / truth.sum())
    return torch.stack(terms).mean()


def sigmoid_loss(logits: Tensor, y: Tensor, source: Tensor) -> Tensor:
    p = 1 / (1 + (-logits).exp())
    return torch.stack([-(p[i] if y[i] else 1 - p[i]).log() for i in range(len(y))]).mean()


@pytest.mark.parametrize("readout, reference", [("per_source", softmax_loss), ("per_edge", sigmoid_loss)])
def test_mapping_loss_and_gradient(readout: Literal["per_source", "per_edge"], reference: Any) -> None:
    logits, y, source = edges()
    loss, wanted = MappingObjective(readout).loss(logits, asked(y, source)), reference(logits, y, source)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-12)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (loss, wanted)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


@pytest.mark.parametrize("objective", [MappingObjective(), MappingObjective("per_edge"), RatingObjective(0, 1, "mse")])
def test_losses_of_parts_weighted_by_their_units_are_the_loss_of_all(objective: Any) -> None:
    logits, y, source = edges()
    parts = [source < 2, (source >= 2) & (source < 4), source == 4]  # two answerable sources, none, one
    terms = [
        (objective.loss(logits[p], asked(y[p], source[p])), objective.units(asked(y[p], source[p]))) for p in parts
    ]
    found = sum(loss * units for loss, units in terms) / sum(units for _, units in terms)
    torch.testing.assert_close(found, objective.loss(logits, asked(y, source)))


def test_a_miss_teaches_softmax_nothing() -> None:
    logits, y, source = edges()
    MappingObjective().loss(logits, asked(y, source)).backward()
    assert logits.grad is not None and (logits.grad[source == 3] == 0).all() and (logits.grad[source == 4] != 0).all()


@pytest.mark.parametrize("kind", ["per_source", "per_edge", "soft", "mse", "huber"])
def test_nothing_to_learn_from_is_zero_loss_with_a_gradient(kind: Any) -> None:
    objective = MappingObjective(kind) if kind.startswith("per") else RatingObjective(1, 5, kind)
    logits = torch.zeros(0, requires_grad=True)
    loss = objective.loss(logits, asked(torch.zeros(0), torch.zeros(0, dtype=torch.long)))
    loss.backward()
    assert loss.item() == 0 and logits.grad is not None


def test_all_sources_missed_is_zero_loss() -> None:
    logits, y, source = edges()
    assert MappingObjective().loss(logits, asked(torch.zeros_like(y), source)).item() == 0


def test_mapping_probabilities() -> None:
    logits, y, source = edges()
    share = MappingObjective("per_source").predict(logits, asked(y, source))
    for s in sorted(set(source.tolist())):
        torch.testing.assert_close(share[source == s], logits[source == s].softmax(0), rtol=0, atol=1e-12)
    torch.testing.assert_close(MappingObjective("per_edge").predict(logits, asked(y, source)), logits.sigmoid())
    huge = torch.tensor([1e4, -1e4, 0.0])
    assert MappingObjective().predict(huge, asked(huge, torch.zeros(3, dtype=torch.long))).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    "k, preds, wanted",
    [
        (1, [0.9, 0.1, 0.2], True),
        (1, [0.1, 0.9, 0.2], False),
        (2, [0.5, 0.9, 0.2], True),
        (1, [0.5, 0.5, 0.2], False),  # a tie counts against the model
        (2, [0.5, 0.5, 0.5], False),
        (3, [0.5, 0.5, 0.5], True),
        (1, [NAN, 0.1, 0.2], False),
        (1, [0.9, NAN, 0.2], False),
        (2, [NAN, NAN, NAN], False),
        (INF, [0.0, 0.9, 0.2], True),
    ],
)
def test_hit_rate_of_one_source(k: float, preds: list[float], wanted: bool) -> None:
    metric = HitRate(k)
    metric.update(torch.tensor(preds), torch.tensor([1.0, 0, 0]), torch.zeros(3, dtype=torch.long))
    assert metric.compute().item() == wanted


def test_mapping_metrics_count_sources_over_batches() -> None:
    metrics = MappingObjective(recall_at=(2,)).metrics("val/")
    hit, second, missed = [0.8, 0.2, 0.1], [0.4, 0.5, 0.1], [0.9, 0.1, 0.1]
    true, none = [1.0, 0, 0], [0.0, 0, 0]
    for preds, y in (([*hit, *second], [*true, *true]), ([*second, *missed], [*true, *none])):
        metrics.update(preds=torch.tensor(preds), target=torch.tensor(y), source=torch.tensor([5, 5, 5, 9, 9, 9]))
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert found == {"val/accuracy": 0.25, "val/recall@2": 0.75, "val/candidate_recall": 0.75}


@pytest.mark.parametrize("readout", ["per_edge", "per_source"])
def test_metrics_tell_apart_what_probabilities_round_to_one(readout: Literal["per_edge", "per_source"]) -> None:
    objective, source = MappingObjective(readout, recall_at=()), torch.zeros(3, dtype=torch.long)
    for logits, accuracy in (([18.0, 20.0, -90], 1), ([20.0, 18.0, -90], 0)):
        metrics = objective.metrics("")
        objective.update(metrics, torch.tensor(logits), asked(torch.eye(3)[1], source))
        assert metrics.compute()["accuracy"] == accuracy


@pytest.mark.parametrize("kind", ["soft", "mse", "huber"])
def test_rating_loss(kind: Literal["soft", "mse", "huber"]) -> None:
    low, high, delta = 0.5, 4.0, 0.75
    logits = torch.linspace(-3, 3, 7, dtype=torch.double)
    y = torch.tensor([0.5, 4, 3, 2.5, 2.5, 1, 4], dtype=torch.double)
    terms = []
    for logit, rating in zip(logits.tolist(), y.tolist(), strict=True):
        share = 1 / (1 + math.exp(-logit))
        error, truth = abs(low + (high - low) * share - rating), (rating - low) / (high - low)
        terms.append(
            {
                "soft": -truth * math.log(share) - (1 - truth) * math.log(1 - share),
                "mse": error**2,
                "huber": error**2 / 2 if error <= delta else delta * (error - delta / 2),
            }[kind]
        )
    loss = RatingObjective(low, high, kind, delta).loss(logits, asked(y, torch.zeros(7, dtype=torch.long)))
    assert loss.item() == pytest.approx(sum(terms) / len(terms), abs=1e-12)


def test_rating_readout_stays_on_the_scale() -> None:
    ratings = RatingObjective(1, 5).predict(
        torch.tensor([-INF, 0.0, INF, math.log(3)]), asked(torch.zeros(4), torch.zeros(4).long())
    )
    assert ratings.tolist() == pytest.approx([1, 3, 5, 4])


def test_rating_metrics_by_hand() -> None:
    metrics = RatingObjective(1, 5).metrics("test/")
    for preds, y in (([1.0, 2.0], [1.0, 4.0]), ([5.0], [4.0])):
        metrics.update(preds=torch.tensor(preds), target=torch.tensor(y), source=torch.zeros(len(y)).long())
    found = metrics.compute()
    assert found["test/mae"].item() == pytest.approx(1) and found["test/rmse"].item() == pytest.approx(math.sqrt(5 / 3))


@pytest.mark.parametrize("low, high", [(5, 1), (3, 3), (NAN, 5)])
def test_empty_scale_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"RatingObjective: found the scale low=.*, wanted low < high"):
        RatingObjective(low, high)
