from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rrnet_lightning.candidates.crossfit import cross_fit
from rrnet_lightning.candidates.digits import digit_candidates, stratified_roles
from rrnet_lightning.candidates.samples import MIN_LOG_PROB, TEST, TRAIN, VAL, Floats, Ints, ScoredSamples
from rrnet_lightning.errors import DataError

SAMPLES, CLASSES, FOLDS = 60, 3, 4
LABEL = np.arange(SAMPLES) % CLASSES
IS_TRAIN = np.arange(SAMPLES) < 40


class Recorder:
    """A classifier that notes which rows (the first column of x) it was fitted on and asked for."""

    def __init__(self, seen: list[tuple[set[int], set[int]]]) -> None:
        self.seen = seen

    def fit(self, x: Floats, y: Ints) -> None:
        assert (y == LABEL[x[:, 0].astype(int)]).all()
        self.rows = set(x[:, 0].astype(int).tolist())

    def predict_log_proba(self, x: Floats) -> Floats:
        self.seen.append((self.rows, set(x[:, 0].astype(int).tolist())))
        return np.full((len(x), CLASSES), -np.inf)


def test_no_sample_is_scored_by_a_classifier_that_saw_it() -> None:
    seen: list[tuple[set[int], set[int]]] = []
    x = np.arange(SAMPLES, dtype=float)[:, None]
    log_probs = cross_fit(x, LABEL, IS_TRAIN, lambda: Recorder(seen), FOLDS, seed=0)
    train = set(np.flatnonzero(IS_TRAIN).tolist())
    assert len(seen) == FOLDS + 1
    for fitted, scored in seen[:-1]:
        assert fitted | scored == train and not fitted & scored
    assert seen[-1] == (train, set(range(SAMPLES)) - train)
    assert sorted(row for _, scored in seen for row in scored) == list(range(SAMPLES))
    assert (log_probs == MIN_LOG_PROB).all()


@pytest.mark.parametrize("folds", [1, 14])
def test_folds_that_some_class_cannot_fill_are_refused(folds: int) -> None:
    with pytest.raises(DataError, match=f"folds: found {folds}, wanted 2 to 13, the training samples of class 1"):
        cross_fit(np.zeros((SAMPLES, 1)), LABEL, IS_TRAIN, lambda: Recorder([]), folds, seed=0)


def test_split_keeps_the_share_of_each_class() -> None:
    label = np.repeat([0, 1], [100, 300])
    role = stratified_roles(label, seed=0)
    counts = [[int(((role == part) & (label == c)).sum()) for part in (TRAIN, VAL, TEST)] for c in (0, 1)]
    assert counts == [[50, 10, 40], [150, 30, 120]]
    assert (role != stratified_roles(label, seed=1)).any()


def test_digits_come_from_the_cache_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    fits: list[int] = []
    monkeypatch.setenv("RRNET_CACHE", str(tmp_path))
    request.addfinalizer(monkeypatch.undo)
    monkeypatch.setattr("rrnet_lightning.candidates.digits.cross_fit", fake_cross_fit(fits))
    first = digit_candidates(seed=3)
    (file,) = (tmp_path / "candidates").iterdir()
    second = digit_candidates(seed=3)
    assert len(fits) == 1 and first.log_probs.equal(second.log_probs) and first.role.equal(second.role)
    file.write_bytes(file.read_bytes()[:100])
    assert digit_candidates(seed=3).features.equal(first.features) and len(fits) == 2
    digit_candidates(seed=3, folds=4)
    assert len(fits) == 3 and len(list((tmp_path / "candidates").iterdir())) == 2


def fake_cross_fit(calls: list[int]) -> object:
    def fit(x: Floats, *_: object) -> Floats:
        calls.append(len(x))
        return np.tile(np.log(np.arange(1.0, 11) / 55), (len(x), 1))

    return fit


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("label", torch.tensor([0, 1, 2]), r"label: found 2 in row 2, wanted 0 to 1"),
        ("role", torch.tensor([0, 5, 0]), r"role: found 5 in row 1, wanted 0 to 4"),
        ("ids", ["a"], "ids: found 1 rows, wanted 3"),
        ("log_probs", torch.zeros(3, 5), r"log_probs: found shape \[3, 5\], wanted \[3, 2\]"),
        ("features", torch.full((3, 1), torch.nan), "features: found 3 NaN"),
    ],
)
def test_fields_that_do_not_fit_are_named(field: str, value: object, message: str) -> None:
    good = ScoredSamples(
        torch.zeros(3, 4), torch.zeros(3, 2), torch.zeros(3).long(), torch.zeros(3).long(), "ab", "xyz"
    )
    with pytest.raises(DataError, match=message):
        replace(good, **{field: value})  # type: ignore[arg-type]
