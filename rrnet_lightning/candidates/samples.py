"""What stage one hands to stage two for classification: features, a score of every class, labels and roles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.checks import check_finite
from rrnet_lightning.errors import DataError


class Role(IntEnum):
    """What a sample is in a view for."""

    TRAIN = 0  # its label is evidence; it is asked in training too, unless the view has HELD samples
    VAL = 1  # asked in validation
    TEST = 2  # asked in testing
    HELD = 3  # asked in training, never evidence: labelled, but not seen by the model that scores
    UNLABELLED = 4  # neither asked nor evidence: a neighbour at most


TRAIN, VAL, TEST, HELD, UNLABELLED = Role

MIN_LOG_PROB = -20.0  # a class ruled out has log-probability -inf, which no network can read

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ScoredSamples:
    """A view of N samples that are to be mapped to C classes. All features and scores come from one model.

    Attributes:
        features: [N, D] float, in one space for all samples.
        log_probs: [N, C] float, the initial score of every class. The model has seen the labels of TRAIN samples, and
            no others.
        label: [N] long, the true class.
        role: [N] long, a :class:`Role` each.
        names: C class names. ids: N names of the samples.
        row: [N] long, rows in the full data; None for all of it, in its order.
        space: a name of the space of the features, such as the model's checksum. Features of the same space mean the
            same.

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
        for field, value, stop in (("label", self.label, len(self.names)), ("role", self.role, len(Role))):
            bad = ((value < 0) | (value >= stop)).nonzero()
            if len(bad):
                raise DataError(f"{field}: found {int(value[bad[0]])} in row {int(bad[0])}, wanted 0 to {stop - 1}")
        check_finite("features", self.features)
        check_finite("log_probs", self.log_probs)

    def without_unlabelled(self) -> "ScoredSamples":
        """Return the samples that are asked or evidence; ``row`` says which they are."""
        rows = (self.role != UNLABELLED).nonzero().squeeze(1)
        return replace(
            self,
            features=self.features[rows],
            log_probs=self.log_probs[rows],
            label=self.label[rows],
            role=self.role[rows],
            ids=[self.ids[row] for row in rows.tolist()],
            row=rows if self.row is None else self.row[rows],
        )


def to_tensor(values: Floats | Ints) -> Tensor:
    """Return float32 or long, whatever the array's own width."""
    kind = torch.float32 if np.issubdtype(values.dtype, np.floating) else torch.long
    return torch.as_tensor(values).to(kind)
