from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.ratings.base import RatingBaseline
from rrnet_lightning.candidates.ratings.factorisation import BiasedMF
from rrnet_lightning.candidates.ratings.scorer import Scorer
from rrnet_lightning.candidates.ratings.tables import TrainingRatings
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.statistics import rating_statistics
from rrnet_lightning.graph.build import all_pairs
from tests.candidates.ratings.test_training import MODELS, fitted, same, social
from tests.fake import ITEMS, USERS, rating_rows, trust_rows

PAIRS: tuple[Tensor, Tensor] = all_pairs(USERS, ITEMS).unbind(0)  # type: ignore[assignment]
LEVELS = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]


def ratings(size: int | None = None) -> TrainingRatings:
    """What the miniature FilmTrust holds, or its first ratings."""
    user, item, rating = (torch.tensor(column) for column in zip(*rating_rows(LEVELS)[:size], strict=True))
    trust = torch.tensor(trust_rows()).T.flip(0) - 1
    return TrainingRatings(user - 1, item - 1, rating, trust, USERS, ITEMS, (0.5, 4.0))


def scorer(model: RatingBaseline | None = None, **options: Any) -> Scorer:
    return Scorer(model or BiasedMF(rank=2, batch_size=50), **{"epochs": 2, "folds": 3, "repeats": 2, **options})


def fast(lr: float, **options: Any) -> BiasedMF:
    return BiasedMF(2, batch_size=50, optimizer=lambda params: torch.optim.Adam(params, lr=lr), **options)


def changed(train: TrainingRatings, rows: Tensor) -> TrainingRatings:
    return replace(train, rating=torch.where(rows, 4.5 - train.rating, train.rating))


def equal(one: Tensor, other: Tensor) -> list[bool]:
    """Which columns are bit-identical."""
    return [torch.equal(a, b) for a, b in zip(one.unbind(1), other.unbind(1), strict=True)]


@pytest.mark.parametrize("size, folds", [(None, 3), (7, 3), (7, 7), (2, 2)])
def test_each_repeat_cuts_the_ratings_into_equal_sets(size: int | None, folds: int) -> None:
    train = ratings(size)
    hidden, scores = scorer(folds=folds, repeats=3, epochs=1).views(train, *PAIRS, seed=0)
    assert hidden.shape == (len(train.rating), 3 * folds) and scores.shape == (USERS * ITEMS, 3 * folds)
    repeats = hidden.view(-1, 3, folds)
    assert (repeats.sum(2) == 1).all()
    counts = repeats.sum(0)
    assert counts.max() - counts.min() <= 1
    if size is None:
        assert not torch.equal(repeats[:, 0], repeats[:, 1]) and not torch.equal(repeats[:, 1], repeats[:, 2])


@pytest.mark.parametrize("cls", MODELS)
def test_a_sets_scores_do_not_depend_on_its_ratings(cls: type[RatingBaseline]) -> None:
    """Change the ratings of one set: its model rates every pair bit-identically, the models of other sets do not."""
    train, ours = ratings(), scorer(cls(rank=2, batch_size=50))
    hidden, scores = ours.views(train, *PAIRS, seed=0)
    for view in (0, 4):
        again, others = ours.views(changed(train, hidden[:, view]), *PAIRS, seed=0)
        assert torch.equal(again, hidden)
        assert equal(scores, others) == [column == view for column in range(6)]


@pytest.mark.parametrize("cls", MODELS)
def test_a_sets_model_does_not_know_its_pairs_either(cls: type[RatingBaseline]) -> None:
    train, ours = ratings(), scorer(cls(rank=2, batch_size=50), repeats=1)
    hidden, scores = ours.views(train, *PAIRS, seed=3)
    kept = ~hidden[:, 1]
    rest = replace(train, user=train.user[kept], item=train.item[kept], rating=train.rating[kept])
    assert torch.equal(ours.score(rest, *PAIRS, seed=3), scores[:, 1])
    assert not torch.equal(ours.score(train, *PAIRS, seed=3), scores[:, 1])


def test_scores_follow_from_the_seed_alone_and_leave_the_random_stream() -> None:
    train, ours = ratings(), scorer()
    first = ours.views(train, *PAIRS, seed=1)
    torch.rand(3)  # whatever ran before
    before = torch.get_rng_state()
    for other in (ours, scorer()):  # a model that has learnt already, and a new one
        assert all(torch.equal(a, b) for a, b in zip(first, other.views(train, *PAIRS, seed=1), strict=True))
    hidden, scores = ours.views(train, *PAIRS, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(hidden, first[0]) and not torch.equal(scores, first[1])


def test_scores_are_what_a_learnt_model_rates_kept_on_the_scale() -> None:
    train, model = ratings(), fast(lr=1.0)
    scores = scorer(fast(lr=1.0)).score(train, *PAIRS, seed=4)
    model.learn(train, 2, 4)
    with torch.no_grad():
        rated = model.rate(*PAIRS)
    assert rated.min() < 0.5 and rated.max() > 4
    assert torch.equal(scores, rated.clamp(0.5, 4)) and not scores.requires_grad


def test_learning_without_a_trainer_does_as_well_as_with_one(tmp_path: Path) -> None:
    data = social(tmp_path)
    model = fitted(BiasedMF, data, tmp_path, epochs=60)
    train = TrainingRatings.of(data)
    alone = fast(lr=0.02)
    alone.learn(train, 60, seed=0)

    def error(model: RatingBaseline) -> float:
        with torch.no_grad():
            return model.error(train.user, train.item, train.rating).sqrt().item()

    biases = rating_statistics(train.user, train.item, train.rating, USERS, ITEMS).spread.item()
    assert error(alone) < 0.7 * biases
    assert error(alone) == pytest.approx(error(model), rel=0.1)


def test_the_scheduler_is_stepped_every_epoch() -> None:
    """A rate of 0 after the first epoch: further ones change nothing."""
    states = []
    for epochs in (1, 3):
        model = fast(lr=0.02, scheduler=lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: float(epoch < 1)))
        model.learn(ratings(), epochs, seed=0)
        states.append(model.state_dict())
    assert same(*states)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: scorer(epochs=0), "scorer: found epochs 0, folds 3, repeats 2, wanted at least 1, 2 and 1"),
        (lambda: scorer(folds=1), "scorer: found epochs 2, folds 1"),
        (lambda: scorer(repeats=0), "scorer: found epochs 2, folds 3, repeats 0"),
        (
            lambda: scorer(folds=8).views(ratings(7), *PAIRS, seed=0),
            "scorer.folds: found 8, wanted at most 7, the training ratings",
        ),
    ],
)
def test_bad_arguments_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (BiasedMF(optimizer=lambda params: torch.optim.Adam(params, lr=-1.0)), "BiasedMF cannot be fitted .*-1.0"),
        (
            BiasedMF(scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=0)),
            "BiasedMF cannot be fitted .*zero",
        ),
        (BiasedMF(optimizer=lambda params: torch.optim.SGD(params, lr=1e30)), "estimates of BiasedMF that are not fin"),
    ],
)
def test_a_model_that_cannot_be_fitted_is_named(model: RatingBaseline, message: str) -> None:
    with pytest.raises(DataError, match=message):
        scorer(model).score(ratings(), *PAIRS, seed=0)
