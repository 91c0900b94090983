"""Handwritten digits: 1,797 images of 8 x 8 pixels that ship with scikit-learn, split, described and scored."""

import hashlib
import warnings
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrnet_lightning.candidates.crossfit import Classifier, cross_fit
from rrnet_lightning.candidates.samples import TEST, TRAIN, VAL, Floats, Ints, ScoredSamples, to_tensor
from rrnet_lightning.data.files.atomic import atomic
from rrnet_lightning.data.files.root import cache_root
from rrnet_lightning.errors import DataError, reason

DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIGIT_FEATURES = 256
TRAIN_SHARE, VAL_SHARE = 0.5, 0.1  # the rest, 40 %, tests
GAMMA = 0.1  # of the kernel that the features stand for, on pixels in [0, 1]
INVERSE_PENALTY = 0.1  # C of the logistic regression
CACHE_FORMAT = 1  # count up when the same arguments give other values


def digit_candidates(seed: int = 0, folds: int = 5) -> ScoredSamples:
    """The digits as stage two takes them, from the cache if they were made before.

    Split: 50 % train, 10 % validate, 40 % test, shuffled by ``seed``, the share of each class kept. Images of one
    writer stand together in the file and writers are not named, so all parts hold images of the same writers: accuracy
    on the test part is not accuracy on new writers. It is the same for every method compared on this split.

    Features: 256 random Fourier features of the pixels, the same fixed map for every sample, split and fold, since
    networks or maps fitted apart do not share a space. Only the linear classifier on top, a logistic regression, is
    fitted; its log-probabilities come from :func:`cross_fit`.

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
    ids = [f"digits/{row}" for row in range(len(arrays["label"]))]
    features, log_probs, label, role = (to_tensor(arrays[name]) for name in ("features", "log_probs", "label", "role"))
    return ScoredSamples(features, log_probs, label, role, names=DIGIT_NAMES, ids=ids)


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
    from sklearn.datasets import load_digits
    from threadpoolctl import threadpool_limits

    digits = load_digits()
    label = digits.target.astype(np.int64)
    role, features = stratified_roles(label, seed), fourier_features(digits.data / 16)
    with threadpool_limits(1):  # matrices this small lose more by sharing the work than they gain
        log_probs = cross_fit(features, label, role == TRAIN, _classifier, folds, seed)
    return {"features": features, "log_probs": log_probs, "label": label, "role": role}


def _classifier() -> Classifier:
    from sklearn.linear_model import LogisticRegression

    classifier: Classifier = LogisticRegression(C=INVERSE_PENALTY, max_iter=1000)
    return classifier


def _read_cache(file: Path) -> dict[str, NDArray[Any]] | None:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("features", "log_probs", "label", "role")}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):  # absent or damaged: made again
        return None


def _write_cache(file: Path, arrays: dict[str, Any]) -> None:
    try:
        with atomic(file) as part:
            np.savez(part, **arrays)
    except OSError as error:
        warnings.warn(f"{file}: the digits' scores could not be kept for later runs ({reason(error)})", stacklevel=3)
