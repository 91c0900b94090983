"""Handwritten digits: 1,797 images of 8 x 8 pixels that ship with scikit-learn, split, described and scored."""

import hashlib
import warnings
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.candidates.contract import cross_fit, stratified_folds
from rrnet_lightning.candidates.samples import (
    HELD,
    MIN_LOG_PROB,
    TEST,
    TRAIN,
    UNLABELLED,
    VAL,
    Floats,
    Ints,
    ScoredSamples,
    to_tensor,
)
from rrnet_lightning.data.files.atomic import atomic
from rrnet_lightning.data.files.root import cache_root
from rrnet_lightning.errors import DataError, reason

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGIT_FEATURES = 256
TRAIN_SHARE, VAL_SHARE = 0.5, 0.1  # the rest, 40 %, tests
GAMMA = 0.1  # of the kernel that the features stand for, on pixels in [0, 1]
INVERSE_PENALTY = 0.1  # C of the logistic regression
CACHE_FORMAT = 2  # count up when the same arguments give other values


def digit_views(seed: int = 0, folds: int = 5, *, transductive: bool = False) -> list[ScoredSamples]:
    """Return the views of the digits, from the cache if they were made before; the final view comes last.

    Split: 50 % train, 10 % validate, 40 % test, shuffled by ``seed``, the share of each class kept. Images of one
    writer stand together in the file and writers are not named, so all parts hold images of the same writers: accuracy
    on the test part is not accuracy on new writers. It is the same for every method compared on this split.

    Features: 256 random Fourier features of the pixels, the same fixed map for every sample and view. Only the linear
    classifier on top, a logistic regression, is fitted, once a view: without a fold of the training samples, which is
    HELD there, and for the final view with all of them.

    Args:
        seed: of the split and of the folds.
        folds: number of folds of the training samples.
        transductive: keep validation and test samples in the other views too, UNLABELLED.

    Raises:
        DataError: seed or folds out of range.
    """
    if not 0 <= seed < 2**32:
        raise DataError(f"seed: found {seed}, wanted a whole number from 0 to 2**32 - 1")
    settings = [CACHE_FORMAT, version("scikit-learn"), seed, folds, DIGIT_FEATURES, GAMMA, INVERSE_PENALTY]
    key = hashlib.sha256(repr([*settings, TRAIN_SHARE, VAL_SHARE]).encode()).hexdigest()[:32]
    file = cache_root() / "candidates" / f"digits-{key}.npz"
    arrays = _read_cache(file)
    if arrays is None:
        arrays = _score(seed, folds)
        _write_cache(file, arrays)
    features, label, role, fold = (to_tensor(arrays[name]) for name in ("features", "label", "role", "fold"))
    ids = [f"digits/{row}" for row in range(len(label))]
    views = []
    for number, log_probs in enumerate(to_tensor(arrays["log_probs"])):
        final = number == folds
        own = role if final else role.where(role == TRAIN, UNLABELLED).where(fold != number, HELD)
        view = ScoredSamples(features, log_probs, label, own, names=DIGIT_NAMES, ids=ids)
        views.append(view if final or transductive else view.without_unlabelled())
    return views


def stratified_roles(label: Ints, seed: int) -> Ints:
    """Draw TRAIN, VAL or TEST for every sample, [N], with each class shared out as in the whole."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(label))
    train, rest = train_test_split(rows, train_size=TRAIN_SHARE, stratify=label, random_state=seed)
    share = VAL_SHARE / (1 - TRAIN_SHARE)
    val, _ = train_test_split(rest, train_size=share, stratify=label[rest], random_state=seed)
    role = np.full(len(label), TEST)
    role[train], role[val] = TRAIN, VAL
    return role


def fourier_features(pixels: Floats) -> Floats:
    """Random Fourier features, [N, DIGIT_FEATURES], of about unit size: a fixed map, fitted to no sample.

    Their inner products approximate a Gaussian kernel of the pixels, so cosine neighbours are the nearest images.
    """
    from sklearn.kernel_approximation import RBFSampler

    sampler = RBFSampler(gamma=GAMMA, n_components=DIGIT_FEATURES, random_state=0)
    # "fit" draws the map; of the pixels it reads only their number.
    features: Floats = sampler.fit_transform(pixels) * np.sqrt(DIGIT_FEATURES)
    return features


def _score(seed: int, folds: int) -> dict[str, NDArray[Any]]:
    """Fold of each training sample, -1 for others, and scores of all samples without each fold, then without none."""
    from sklearn.datasets import load_digits
    from threadpoolctl import threadpool_limits

    digits = load_digits()
    label = digits.target.astype(np.int64)
    role, features = stratified_roles(label, seed), fourier_features(digits.data / 16)
    train = np.flatnonzero(role == TRAIN)

    def generator(visible: Tensor) -> Tensor:
        rows = train[visible.numpy()]
        classifier = _classifier().fit(features[rows], label[rows])
        return torch.from_numpy(classifier.predict_log_proba(features).clip(min=MIN_LOG_PROB))

    hidden = stratified_folds(torch.from_numpy(label[train]), folds, seed)
    nothing = torch.zeros(len(train), 1, dtype=torch.bool)
    with threadpool_limits(1):  # matrices this small lose more by sharing the work than they gain
        log_probs = list(cross_fit(generator, torch.cat([hidden, nothing], 1)))
    fold = np.full(len(label), -1)
    fold[train] = hidden.long().argmax(1).numpy()
    return {
        "features": features,
        "log_probs": torch.stack(log_probs).numpy(),
        "label": label,
        "role": role,
        "fold": fold,
    }


def _classifier() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)


def _read_cache(file: Path) -> dict[str, NDArray[Any]] | None:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("features", "log_probs", "label", "role", "fold")}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):  # absent or damaged: made again
        return None


def _write_cache(file: Path, arrays: dict[str, Any]) -> None:
    try:
        with atomic(file) as part:
            np.savez(part, **arrays)
    except OSError as error:
        warnings.warn(f"{file}: the digits' scores could not be kept for later runs ({reason(error)})", stacklevel=3)
