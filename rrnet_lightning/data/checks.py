"""Checks that readers share."""

import torch
from torch import Tensor

from rrnet_lightning.errors import DataError


def check_finite(name: str, x: Tensor) -> None:
    """Refuse NaN and infinite values.

    Args:
        name: the field as the user knows it; the message starts with it.
        x: [N, ...] any shape. Integer and bool tensors always pass.

    Raises:
        DataError: with the number of NaN and infinite values and the first row that holds one.
    """
    finite = torch.isfinite(x)
    if bool(finite.all()):
        return
    nan = int(torch.isnan(x).sum())
    infinite = int((~finite).sum()) - nan
    where = "" if x.dim() == 0 else f", the first in row {int((~finite).nonzero()[0, 0])}"
    raise DataError(
        f"{name}: found {nan} NaN and {infinite} infinite values of {x.numel()}{where}; "
        "wanted finite numbers only. Repair or remove these rows in the source of the data."
    )
