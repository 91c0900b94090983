"""Feature files: what a trained backbone says of every sample of a data set, and what it had not seen of it."""

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.checks import check_finite
from rrnet_lightning.data.files.arrays import keep_array, open_array
from rrnet_lightning.errors import DataError, reason

FORMAT = 2  # count up when the same note means something else; 1 had a digest of the numbers alone
MADE_BY = "Make it again with `predict` or `crossfit`"


@dataclass(frozen=True, eq=False)
class Features:
    """What one backbone says of N samples: D features and a logit for each of C classes.

    Attributes:
        features: [N, D] float32. logits: [N, C] float32, log-probabilities up to a constant a row.
        label: [N] long, row in `names`. fold: [N] long, the part of the data that the sample is in.
        names: C class names. ids: N names of the samples.
        left_out: folds that the backbone was not trained on; it has seen the samples of all others.
        backbone: name of its class. checksum: sha256 of its weights.
        recipe: digest of its settings, the same for all backbones of one cross-fitting; "" where it is not known. Files
            with "" in one folder are taken to be of one cross-fitting.
        dataset: name of the data set.

    Raises:
        DataError: naming the field that does not fit the others, or holds values outside its range.
    """

    features: Tensor
    logits: Tensor
    label: Tensor
    fold: Tensor
    names: tuple[str, ...]
    ids: list[str]
    left_out: tuple[int, ...]
    backbone: str
    checksum: str
    recipe: str
    dataset: str

    def __post_init__(self) -> None:
        samples = len(self.features)
        for field in ("logits", "label", "fold", "ids"):
            if len(getattr(self, field)) != samples:
                rows = len(getattr(self, field))
                raise DataError(f"{field}: found {rows} rows, wanted {samples}, one for each row of features")
        if self.logits.shape != (samples, len(self.names)):
            found, wanted = list(self.logits.shape), [samples, len(self.names)]
            raise DataError(f"logits: found shape {found}, wanted {wanted}: samples, class names")
        wrong = ((self.label < 0) | (self.label >= len(self.names))).nonzero()
        if len(wrong):
            row = int(wrong[0])
            raise DataError(f"label: found {int(self.label[row])} in row {row}, wanted 0 to {len(self.names) - 1}")
        known = self.fold.unique().tolist()
        for fold in self.left_out:
            if fold not in known:
                raise DataError(f"left_out: found fold {fold}, wanted some of {known}, the folds of the samples")
        check_finite("features", self.features)
        check_finite("logits", self.logits)


def keep_features(file: Path, features: Features) -> None:
    """Write a feature file: `<name>.npy`, [N, D + C] float32, and `<name>.json` with all else, both complete.

    Raises:
        DataError: a name without `.npy`, or a place that cannot be written to; nothing partial is left.
    """
    if file.suffix != ".npy":
        raise DataError(
            f"{file}: found a name that ends in {file.suffix or 'nothing'!r}, wanted .npy. Change the name."
        )
    array = torch.cat([features.features, features.logits], 1).float().numpy()
    note = {field.name: _plain(getattr(features, field.name)) for field in fields(Features)[2:]}
    note |= {"format": FORMAT, "feature_dim": features.features.shape[1]}
    note["content"] = _sha256(array, note)
    try:
        keep_array(file, [array], array.shape, np.float32, note)
    except DataError as error:
        raise DataError(
            f"{file}: cannot be written ({reason(error.__cause__ or error)}). Make room, or choose another place."
        ) from error


def read_features(file: Path) -> Features:
    """Read a feature file that `keep_features` wrote, checked against the digest kept with it.

    Raises:
        DataError: file or note absent or damaged, made from each other or not, or of another format; names the field.
    """
    try:
        array, note = open_array(file, (None, None), np.float32)
    except DataError as error:
        raise DataError(f"{error}. {MADE_BY}.") from error
    if note.get("format") not in (1, FORMAT):
        raise DataError(f"{file}: format: found {note.get('format')!r}, wanted {FORMAT}. {MADE_BY}.")
    if note.get("content") != _sha256(array, note):
        raise DataError(f"{file}: content: it and the .json beside it are not as they were written. {MADE_BY}.")
    try:
        return _features(array, note)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{file.with_suffix('.json')}: {what}. {MADE_BY}.") from error


def _features(array: NDArray[Any], note: dict[str, Any]) -> Features:
    width = int(note["feature_dim"])
    if not 0 < width < array.shape[1]:
        raise DataError(f"feature_dim: found {width}, wanted 1 to {array.shape[1] - 1}")
    return Features(
        features=torch.from_numpy(array[:, :width].copy()),
        logits=torch.from_numpy(array[:, width:].copy()),
        label=torch.tensor(note["label"], dtype=torch.long),
        fold=torch.tensor(note["fold"], dtype=torch.long),
        names=tuple(note["names"]),
        ids=list(note["ids"]),
        left_out=tuple(note["left_out"]),
        **{name: str(note[name]) for name in ("backbone", "checksum", "recipe", "dataset")},
    )


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


def _sha256(array: NDArray[Any], note: dict[str, Any]) -> str:
    """Digest of the numbers and of all else in the note; in format 1 of the numbers alone."""
    digest = hashlib.sha256(np.ascontiguousarray(array).data)
    if note["format"] != 1:
        about = {name: value for name, value in note.items() if name != "content"}
        digest.update(json.dumps(about, sort_keys=True).encode())
    return digest.hexdigest()
