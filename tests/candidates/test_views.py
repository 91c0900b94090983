from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch

from rrnet_lightning.candidates.features import Features, keep_features
from rrnet_lightning.candidates.samples import HELD, MIN_LOG_PROB, TEST, TRAIN, UNLABELLED, VAL
from rrnet_lightning.candidates.views import feature_views
from rrnet_lightning.errors import DataError

NAMES = ("dog", "rain", "sea")
FOLDS, EACH, WIDTH = 4, 6, 5  # samples of a fold: two a class
SAMPLES = FOLDS * EACH


def features(*left_out: int, label: torch.Tensor | None = None, **fields: Any) -> Features:
    """Random features of one backbone, each left-out set in a space of its own."""
    rng = torch.Generator().manual_seed(hash(left_out) % 1000)
    found = Features(
        features=torch.randn(SAMPLES, WIDTH, generator=rng),
        logits=30 * torch.randn(SAMPLES, len(NAMES), generator=rng),
        label=torch.arange(SAMPLES) % 3 if label is None else label,
        fold=torch.arange(SAMPLES) // EACH + 1,
        names=NAMES,
        ids=[f"clip-{row}" for row in range(SAMPLES)],
        left_out=left_out,
        backbone="Tiny",
        checksum=" ".join(map(str, left_out)),
        recipe="r",
        dataset="esc50",
    )
    return replace(found, **fields)


def keep(folder: Path, *sets: tuple[int, ...], **fields: Any) -> Path:
    """Feature files of these left-out sets; all folds and pairs of folds without any."""
    every = [*combinations(range(1, FOLDS + 1), 1), *combinations(range(1, FOLDS + 1), 2)]
    for left_out in sets or every:
        keep_features(folder / f"without_{'_'.join(map(str, left_out))}.npy", features(*left_out, **fields))
    return folder


@pytest.mark.parametrize("transductive", [False, True])
@pytest.mark.parametrize("val_fold", [None, 3])
def test_nobody_is_asked_of_a_backbone_that_saw_them(tmp_path: Path, val_fold: int | None, transductive: bool) -> None:
    views = feature_views(keep(tmp_path), 2, val_fold, transductive=transductive)
    assert len(views) == FOLDS
    asked: dict[int, list[int]] = {HELD: [], VAL: [], TEST: []}
    for view in views:
        assert view.row is not None
        fold = view.row // EACH + 1
        left_out = tuple(int(number) for number in view.space.split())
        assert 2 in left_out and not set(fold[view.role == TRAIN].tolist()) & set(left_out)
        own = features(*left_out)
        assert view.features.equal(own.features[view.row])
        assert view.log_probs.equal(own.logits[view.row].log_softmax(1).clamp(min=MIN_LOG_PROB))
        for role, folds in asked.items():
            folds += (here := fold[view.role == role].unique().tolist())
            assert set(here) <= set(left_out)
    assert asked == {HELD: [f for f in (1, 3, 4) if f != val_fold], VAL: [3] * (val_fold == 3), TEST: [2]}
    assert len(views[-1].ids) == SAMPLES and set(views[-1].role.tolist()) == {TRAIN, TEST}


def test_training_views_know_neither_test_nor_validation_answers(tmp_path: Path) -> None:
    for transductive in (False, True):
        for view in feature_views(keep(tmp_path), 2, 3, transductive=transductive)[:-1]:
            assert view.row is not None
            fold = view.row // EACH + 1
            out = (fold == 2) | ((fold == 3) & (view.role != VAL))
            assert (view.role[out] == UNLABELLED).all() and bool(out.any()) == transductive


def test_one_backbone_without_three_folds_makes_one_view(tmp_path: Path) -> None:
    (view,) = feature_views(keep(tmp_path, (1, 2, 3)), 3, 2)
    assert view.role.tolist() == [HELD] * EACH + [VAL] * EACH + [TEST] * EACH + [TRAIN] * EACH
    (paper,) = feature_views(tmp_path, 3, 2, cross_fit=False)
    assert paper.role.tolist() == [UNLABELLED] * EACH + [VAL] * EACH + [TEST] * EACH + [TRAIN] * EACH


def test_paper_setting_is_the_final_view_alone(tmp_path: Path) -> None:
    (view,) = feature_views(keep(tmp_path), 4, cross_fit=False)
    assert view.role.tolist() == [TRAIN] * 3 * EACH + [TEST] * EACH


@pytest.mark.parametrize(
    ("sets", "wanted", "message"),
    [
        ([(1,), (1, 2)], {"test_fold": 3}, "no features of a backbone trained without fold 3.*rrnet crossfit"),
        ([(1,), (1, 2)], {"test_fold": 9}, r"fold: found 9, wanted one of \[1, 2, 3, 4\]"),
        ([(1,)], {"test_fold": 1}, "without fold 1 and another.*rrnet crossfit --config"),
        ([(1, 2), (1, 3)], {"test_fold": 1}, "without_1_3.npy without fold 1 and equally many"),
        ([(1,), (1, 2)], {"test_fold": 1, "val_fold": 1}, "val_fold: found 1"),
        ([(1,), (1, 2)], {"test_fold": 1, "val_fold": 3}, "val_fold: found 3, which every backbone"),
        (
            [(1,), (1, 2)],
            {"test_fold": 1, "backbone": "EnvNet"},
            "another backbone.*found backbone Tiny, wanted EnvNet",
        ),
        ([(1,), (1, 2)], {"test_fold": 1, "checksum": "abc"}, "another backbone.*found checksum 1, wanted abc"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, sets: list[tuple[int, ...]], wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        feature_views(keep(tmp_path, *sets), **wanted)


@pytest.mark.parametrize("field", ["recipe", "backbone", "ids", "names"])
def test_files_of_two_cross_fittings_are_refused(tmp_path: Path, field: str) -> None:
    other: Any = {"ids": [f"{row}" for row in range(SAMPLES)], "names": ("dog", "rain", "wind")}.get(field, "other")
    keep(tmp_path, (1, 2))
    keep(tmp_path, (1,), **{field: other})
    with pytest.raises(DataError, match=f"without_1.npy and without_1_2.npy differ in {field}"):
        feature_views(tmp_path, 1)


def test_a_class_without_evidence_is_named(tmp_path: Path) -> None:
    label = (torch.arange(SAMPLES) % 3).where(torch.arange(SAMPLES) < EACH, 0)  # the others in fold 1 alone
    with pytest.raises(DataError, match="no sample of class 'rain' to be evidence \\(2 such classes\\)"):
        feature_views(keep(tmp_path, (1,), (1, 2), label=label), 1)


@pytest.mark.parametrize("folder", ["", "absent"])
def test_no_feature_files_names_the_command(tmp_path: Path, folder: str) -> None:
    with pytest.raises(DataError, match="rrnet crossfit --config <your backbone> --out"):
        feature_views(tmp_path / folder, 1)
