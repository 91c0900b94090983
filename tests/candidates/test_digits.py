from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rrnet_lightning.candidates import digits
from rrnet_lightning.candidates.digits import digit_views, stratified_roles
from rrnet_lightning.candidates.samples import HELD, TEST, TRAIN, UNLABELLED, VAL, Floats, Ints

SAMPLES, FOLDS = 1797, 5


class Remembers:
    """In the place of the classifier: says who it was fitted on, by the first feature, and scores them high."""

    def fit(self, x: Floats, y: Ints) -> "Remembers":
        self.seen = x[:, 0]
        return self

    def predict_log_proba(self, x: Floats) -> Floats:
        return np.where(np.isin(x[:, 0], self.seen)[:, None], -1.0, -9.0).repeat(10, axis=1)


@pytest.fixture
def fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Remembers]:
    """The classifiers made, none of which is fitted for real."""
    made: list[Remembers] = []

    def make() -> Remembers:
        made.append(Remembers())
        return made[-1]

    monkeypatch.setenv("RRNET_CACHE", str(tmp_path))
    monkeypatch.setattr(digits, "_classifier", make)
    monkeypatch.setattr(digits, "fourier_features", lambda pixels: np.arange(float(len(pixels)))[:, None].repeat(3, 1))
    return made


@pytest.mark.parametrize("transductive", [False, True])
def test_a_views_classifier_saw_its_evidence_and_no_other(fits: list[Remembers], transductive: bool) -> None:
    """In every view alike: who is evidence was seen, who is asked was not."""
    *training, final = digit_views(seed=1, transductive=transductive)
    asked = []
    for view in [*training, final]:
        assert ((view.log_probs[:, 0] > -5) == (view.role == TRAIN)).all()
    for view in training:
        row = torch.arange(SAMPLES) if view.row is None else view.row
        assert set(view.role.tolist()) == {TRAIN, HELD} | ({UNLABELLED} if transductive else set())
        assert (final.role[row[view.role != UNLABELLED]] == TRAIN).all()
        asked += row[view.role == HELD].tolist()
    assert sorted(asked) == (final.role == TRAIN).nonzero().squeeze(1).tolist()  # each once
    assert len(final.ids) == SAMPLES and set(final.role.tolist()) == {TRAIN, VAL, TEST}


def test_digits_come_from_the_cache_the_second_time(fits: list[Remembers], tmp_path: Path) -> None:
    def same(one: Any, other: Any) -> bool:
        pairs = zip(one, other, strict=True)
        return all(a.log_probs.equal(b.log_probs) and a.role.equal(b.role) for a, b in pairs)

    first = digit_views(seed=3)
    (file,) = (tmp_path / "candidates").iterdir()
    assert len(fits) == FOLDS + 1
    assert same(first, digit_views(seed=3)) and len(fits) == FOLDS + 1
    file.write_bytes(file.read_bytes()[:100])
    assert same(first, digit_views(seed=3)) and len(fits) == 2 * (FOLDS + 1)
    digit_views(seed=3, folds=4)
    assert len(list((tmp_path / "candidates").iterdir())) == 2


def test_split_keeps_the_share_of_each_class() -> None:
    label = np.repeat([0, 1], [100, 300])
    role = stratified_roles(label, seed=0)
    counts = [[int(((role == part) & (label == c)).sum()) for part in (TRAIN, VAL, TEST)] for c in (0, 1)]
    assert counts == [[50, 10, 40], [150, 30, 120]]
    assert (role != stratified_roles(label, seed=1)).any()
