"""Checks of one tensor, which name the field that breaks the contract."""

from collections.abc import Callable

import torch
from torch import Tensor

from rrnet_lightning.errors import GraphError

_KINDS: dict[str, Callable[[torch.dtype], bool]] = {
    "float": lambda dtype: dtype.is_floating_point,
    "long": lambda dtype: dtype == torch.long,
    "bool": lambda dtype: dtype == torch.bool,
}


def check_tensor(name: str, value: object, kind: str, shape: tuple[int | None, ...]) -> Tensor:
    """Return `value` if it is a tensor of this kind ("float", "long", "bool") and shape (None: any length).

    Raises:
        GraphError: otherwise, naming `name`.
    """
    wanted = f"{kind} [{', '.join('*' if size is None else str(size) for size in shape)}]"
    if not isinstance(value, Tensor):
        raise GraphError.of(name, "nothing" if value is None else type(value).__name__, wanted)
    same = value.dim() == len(shape) and all(w in (None, s) for s, w in zip(value.shape, shape, strict=True))
    if not same or not _KINDS[kind](value.dtype):
        dtype = str(value.dtype).removeprefix("torch.")
        raise GraphError.of(name, f"{dtype} {list(value.shape)}", wanted)
    return value


def check_finite(name: str, value: Tensor) -> None:
    """Raise GraphError with the count and the first row if `value` holds NaN or inf."""
    bad = ~value.isfinite()
    if bad.any():
        found = f"{int(bad.sum())} NaN or inf, first in row {int(bad.nonzero()[0, 0])}"
        raise GraphError.of(name, found, "finite values", "clean the features before building the graph")


def check_range(name: str, value: Tensor, stop: int, start: int = 0) -> None:
    """Raise GraphError with the first offender if an entry of `value` lies outside start <= entry < stop."""
    bad = (value < start) | (value >= stop)
    if bad.any():
        first = bad.nonzero()[0].tolist()
        raise GraphError.of(name, f"{int(value[tuple(first)])} at {first}", f"{start} <= entry < {stop}")
