"""A mean of average precisions, and the short text that says which of the many it is."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.metrics.average_precision import Divisor, average_precision
from rrnet_lightning.metrics.ranks import Ties

Empty = Literal["zero-kept", "dropped"]
Own = Literal["kept", "removed"]


@dataclass(frozen=True)
class Protocol:
    """Every choice that a published mAP depends on. Figures whose :attr:`tag` differs are not to be compared.

    Args:
        k: how many of the best items count; None: all.
        z: what the sum is divided by, see :func:`.average_precision.average_precision`.
        ties: order of equal scores, see there.
        empty: a query without a relevant item counts as 0 (``zero-kept``), or does not count (``dropped``).
        own: the query's own item stays in its ranking (``kept``: usual where it is of the other modality), or it is
            taken out (``removed``: as it must be where a query would find itself).
        database: what is ranked, in a word: ``test`` for the test set's other modality.

    Raises:
        ValueError: an option outside its values.
    """

    k: int | None = None
    z: Divisor = "found"
    ties: Ties = "expected"
    empty: Empty = "zero-kept"
    own: Own = "kept"
    database: str = "test"

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise ValueError(f"k: found {self.k}, wanted at least 1, or None for all")
        wanted = {
            "z": ("found", "min", "all"),
            "ties": ("expected", "stable", "optimistic", "pessimistic"),
            "empty": ("zero-kept", "dropped"),
            "own": ("kept", "removed"),
        }
        for name, values in wanted.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name}: found {getattr(self, name)!r}, wanted one of {', '.join(values)}")

    @property
    def tag(self) -> str:
        """All choices in a line, to stand beside every figure."""
        k = "all" if self.k is None else self.k
        return f"mAP@{k} z={self.z} ties={self.ties} empty={self.empty} own={self.own} db={self.database}"

    def mean(self, scores: Tensor, relevant: Tensor, own: Tensor | None = None) -> Tensor:
        """Return the mean average precision of Q queries, a scalar, double; NaN where no query counts.

        Shapes:
            scores: [Q, N] float. relevant: [Q, N] bool.
            own: [Q] long, the column of each query's own item; read where ``own`` is ``removed``.

        Raises:
            ValueError: the shapes differ, or ``own`` is not there, of another shape, or outside the columns.
        """
        if scores.shape != relevant.shape or scores.dim() != 2:
            found = f"scores {list(scores.shape)}, relevant {list(relevant.shape)}"
            raise ValueError(f"Protocol.mean: found {found}, wanted one shape [Q, N]")
        if self.own == "removed":
            kept = torch.ones_like(relevant)
            kept.scatter_(1, self._column(own, scores)[:, None], False)
            scores, relevant = (each[kept].view(len(each), -1) for each in (scores, relevant))
        precision = average_precision(scores, relevant, k=self.k, z=self.z, ties=self.ties)
        return precision[relevant.any(1)].mean() if self.empty == "dropped" else precision.mean()

    def _column(self, own: Tensor | None, scores: Tensor) -> Tensor:
        size, width = scores.shape
        if own is None or own.shape != (size,) or (own.numel() and not 0 <= int(own.min()) <= int(own.max()) < width):
            found = "none" if own is None else f"{list(own.shape)}, columns {own.tolist()[:3]} ..."
            raise ValueError(f"own: found {found}, wanted [{size}] columns from 0 to {width - 1}: they are removed")
        return own
