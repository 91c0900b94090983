"""What stage one hands to stage two: features, a score of every class, labels and roles; and how to score fairly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .checks import check_finite
from .errors import DataError

TRAIN, VAL, TEST, HELD, UNLABELLED = range(5)
MIN_LOG_PROB = -20.0  # a class ruled out has log-probability -inf, which no network can read

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Classifier(Protocol):
    """The part of a scikit-learn classifier that is used here."""

    def fit(self, x: Floats, y: Ints) -> Any:
        """Fit on x [N, D], y [N]."""

    def predict_log_proba(self, x: Floats) -> Floats:
        """Return [N, C] log-probabilities, classes ascending."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """N samples to be mapped to C classes, one view of them: all features and scores come from one model.

    Attributes:
        features: [N, D] float, in one space for all samples.
        log_probs: [N, C] float, the initial score of every class, given without sight of the sample's own label; or
            with, where another role than TRAIN is asked in training.
        label: [N] long, the true class.
        role: [N] long, what a sample is here for:
            TRAIN: its label is evidence; asked in training too, unless there are HELD samples.
            VAL, TEST: asked in validation and in test.
            HELD: asked in training, never evidence: labelled, but not seen by the model.
            UNLABELLED: neither asked nor evidence; a neighbour at most.
        names: C class names. ids: N names of the samples.
        row: [N] long or None, rows in the full data, where this is a part of it.
        space: names the space of the features, such as the model's checksum; views of one space may be mixed.

    Raises:
        DataError: naming the field that does not fit the others, or holds values outside its range.
    """

    features: Tensor
    log_probs: Tensor
    label: Tensor
    role: Tensor
    names: Sequence[str]
    ids: Sequence[str]
    row: Tensor | None = None
    space: str = ""

    def __post_init__(self) -> None:
        samples = len(self.features)
        for field in ("log_probs", "label", "role", "ids", "row"):
            value = getattr(self, field)
            if value is not None and len(value) != samples:
                raise DataError(f"{field}: found {len(value)} rows, wanted {samples}, one for each row of features")
        if self.log_probs.shape != (samples, len(self.names)):
            found, wanted = list(self.log_probs.shape), [samples, len(self.names)]
            raise DataError(f"log_probs: found shape {found}, wanted {wanted}: samples, class names")
        for field, value, stop in (("label", self.label, len(self.names)), ("role", self.role, UNLABELLED + 1)):
            bad = ((value < 0) | (value >= stop)).nonzero()
            if len(bad):
                raise DataError(f"{field}: found {int(value[bad[0]])} in row {int(bad[0])}, wanted 0 to {stop - 1}")
        check_finite("features", self.features)
        check_finite("log_probs", self.log_probs)


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


def to_tensor(values: Floats | Ints) -> Tensor:
    """Return float32 or long, whatever the array's own width."""
    kind = torch.float32 if np.issubdtype(values.dtype, np.floating) else torch.long
    return torch.as_tensor(values).to(kind)
