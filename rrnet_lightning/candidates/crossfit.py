"""Cross-fitting: everyone is scored by a model that did not see them."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rrnet_lightning.candidates.samples import MIN_LOG_PROB, Floats, Ints
from rrnet_lightning.errors import DataError


class Classifier(Protocol):
    """The part of a scikit-learn classifier that is used here."""

    def fit(self, x: Floats, y: Ints) -> Any:
        """Fit on x [N, D], y [N]."""

    def predict_log_proba(self, x: Floats) -> Floats:
        """Return [N, C] log-probabilities, classes ascending."""


def cross_fit(
    x: Floats, label: Ints, train: NDArray[np.bool_], make: Callable[[], Classifier], folds: int, seed: int
) -> Floats:
    """Score every sample by a classifier that did not see it.

    Training samples are cut into stratified folds; each fold is scored by a classifier fitted on the others. All other
    samples are scored by one fitted on all training samples. Without this, stage two would learn from scores far better
    than those it meets in use. Labels of samples that do not train are never read.

    Args:
        x: [N, D]. label: [N]. train: [N] bool.
        make: returns a fresh classifier.
        folds: number of folds, at least 2. seed: of the folds.

    Returns:
        [N, C] log-probabilities, at least MIN_LOG_PROB; C classes, as many as training labels tell apart.

    Raises:
        DataError: a class of fewer training samples than folds.
    """
    rows = np.flatnonzero(train)
    classes, counts = np.unique(label[rows], return_counts=True)
    if not 2 <= folds <= counts.min():
        raise DataError(
            f"folds: found {folds}, wanted 2 to {counts.min()}, the training samples of class "
            f"{classes[counts.argmin()]}"
        )
    from sklearn.model_selection import StratifiedKFold  # here: a second that other tasks need not wait

    log_probs = np.zeros((len(x), len(classes)))
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, label[rows])
    for fitted, scored in [(rows[fit], rows[held]) for fit, held in parts] + [(rows, np.flatnonzero(~train))]:
        if len(scored):
            classifier = make()
            classifier.fit(x[fitted], label[fitted])
            log_probs[scored] = classifier.predict_log_proba(x[scored])
    return log_probs.clip(min=MIN_LOG_PROB)
