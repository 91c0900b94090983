"""The contract of a common space: two tables of features, mapped to where a pair's score is the cosine of its rows."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrnet_lightning.candidates.contract import cross_fit
from rrnet_lightning.candidates.retrieval.labels import Classes, known_classes
from rrnet_lightning.errors import DataError

Side = Literal["source", "target"]
SIDES: tuple[Side, Side] = ("source", "target")


def other(side: Side) -> Side:
    """The other one."""
    return "target" if side == "source" else "source"


class Space(nn.Module, ABC):
    """A fitted map of both tables into one space of H dimensions. The score of a pair is the cosine of its two rows.

    All that was fitted lies in parameters and buffers: ``state_dict`` saves a space, and
    :meth:`SpaceGenerator.empty` makes one to load it into. New rows are mapped as those it was fitted on.
    """

    source_dim: int
    target_dim: int

    @abstractmethod
    def map(self, x: Tensor, side: Side) -> Tensor:
        """Return [N, H] rows of any length, of [N, D] rows of one table."""

    def source(self, x: Tensor) -> Tensor:
        """Map rows of the source table.

        Shapes:
            x: [N, D_s].
            returns: [N, H], of unit length; a row that is mapped to zero stays zero.

        Raises:
            DataError: rows of another width than fitted on.
        """
        return self._embed(x, "source", self.source_dim)

    def target(self, x: Tensor) -> Tensor:
        """Map rows [N, D_t] of the target table to [N, H], as :meth:`source` does."""
        return self._embed(x, "target", self.target_dim)

    def _embed(self, x: Tensor, side: Side, width: int) -> Tensor:
        if x.dim() != 2 or x.size(1) != width:
            raise DataError(f"{side}: found {list(x.shape)}, wanted [N, {width}], the width that the space maps")
        return F.normalize(self.map(x, side), dim=1)


class SpaceGenerator(ABC):
    """A generator of common spaces: options alone, for a config to name. :meth:`fit` makes a :class:`Space` of them."""

    needed: int = 2
    """Known pairs that a fit needs at least."""
    needs_labels: bool = False
    """Whether a fit learns from classes; where it does not, labels are not looked at."""

    def fit(
        self,
        source: Tensor,
        target: Tensor,
        pairs: Tensor,
        weight: Tensor | None = None,
        *,
        labels: Classes | None = None,
        seed: int = 0,
    ) -> Space:
        """Fit a space on known pairs; a row may have several partners. The global random state is left as it was.

        Args:
            source: [N_s, D_s] features of the source table; rows outside the pairs are not read.
            target: [N_t, D_t] features of the target table.
            pairs: [2, P] long, rows of source and target that belong together.
            weight: [P] how much each pair counts, at least 0; None for 1 each. Pairs of weight 0 are left out.
            labels: classes of the rows of both tables; those of rows outside the pairs are not read.
            seed: of all that is random in the fit. The same seed gives the same space.

        Raises:
            DataError: no pairs, or fewer than needed; features of known rows or weights that are not finite; pairs
                outside the tables; shapes that do not fit each other or the generator; for a generator that learns
                from classes, what :func:`.labels.known_classes` refuses.
        """
        with torch.inference_mode(False), torch.no_grad():
            weight = torch.ones(pairs.size(-1), device=pairs.device) if weight is None else weight
            check_pairs(source, target, pairs, weight)
            self.check_widths(source.size(1), target.size(1))
            pairs, weight = pairs[:, weight > 0], weight[weight > 0]
            if pairs.size(1) < self.needed:
                raise DataError(f"pairs: found {pairs.size(1)} known ones, wanted at least {self.needed} to fit {self}")
            x, y = source[pairs[0]], target[pairs[1]]
            for name, rows in (("source", x), ("target", y)):
                if not rows.isfinite().all():
                    raise DataError(f"{name}: found features of known pairs that are not finite, wanted numbers")
            classes = torch.zeros(2, pairs.size(1), 0, dtype=torch.bool, device=pairs.device)
            if self.needs_labels:
                classes = known_classes(labels, (len(source), len(target)), pairs, type(self).__name__)
            return self.fit_rows(x, y, pairs, weight, classes, seed).requires_grad_(False).eval()

    def check_widths(self, source_dim: int, target_dim: int) -> None:  # noqa: B027 most generators take any
        """Raise DataError where tables of these widths cannot be mapped."""

    @abstractmethod
    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> Space:
        """Return a space of the same shapes, not fitted: its ``state_dict`` is to be loaded.

        ``num_classes`` is C of the labels it was fitted with; generators that need none do not look at it.
        """

    @abstractmethod
    def fit_rows(self, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor, classes: Tensor, seed: int) -> Space:
        """Fit on the two ends of each pair, ``x`` [P, D_s] and ``y`` [P, D_t]; all has been checked.

        ``classes`` [2, P, C] bool are those of the ends; C is 0 where the generator needs no labels.
        """


def check_pairs(source: Tensor, target: Tensor, pairs: Tensor, weight: Tensor) -> None:
    """Raise DataError unless pairs and their weights fit two tables of features."""
    for name, table in (("source", source), ("target", target)):
        if table.dim() != 2 or not table.is_floating_point():
            raise DataError(f"{name}: found {list(table.shape)} {table.dtype}, wanted [N, D] floating point")
    if pairs.dim() != 2 or pairs.size(0) != 2 or pairs.dtype != torch.long:
        raise DataError(f"pairs: found {list(pairs.shape)} {pairs.dtype}, wanted [2, P] long")
    if not pairs.numel():
        raise DataError("pairs: found none, wanted known pairs to fit a common space on")
    for name, table, row in (("source", source, pairs[0]), ("target", target, pairs[1])):
        if row.min() < 0 or row.max() >= len(table):
            raise DataError(f"pairs: found {name} rows {row.min()} to {row.max()}, wanted 0 to {len(table) - 1}")
    if weight.shape != pairs.shape[1:] or not (weight.isfinite() & (weight >= 0)).all():
        raise DataError(f"weight: found {list(weight.shape)}, wanted [{pairs.size(1)}] finite and at least 0")


def fit_spaces(
    generator: SpaceGenerator,
    source: Tensor,
    target: Tensor,
    pairs: Tensor,
    weight: Tensor | None,
    hidden: Tensor,
    seed: int = 0,
    labels: Classes | None = None,
) -> Iterator[Space]:
    """Yield, for each set of known pairs, a space fitted without the set and on all others.

    Spaces differ by their set: scores of all pairs are to be read from one space, see :mod:`..contract`. A pair that
    is listed twice must be hidden twice. Takes one fit a set, each when its space is asked for.

    Shapes:
        hidden: [P, V] bool, a set in each column.

    Raises:
        DataError: as :meth:`SpaceGenerator.fit`, or sets of another number of pairs.
    """
    if hidden.dim() != 2 or len(hidden) != pairs.size(1) or hidden.dtype != torch.bool:
        raise DataError(f"hidden: found {list(hidden.shape)} {hidden.dtype}, wanted [{pairs.size(1)}, V] bool")

    def fit(visible: Tensor) -> Space:
        kept = None if weight is None else weight[visible]
        return generator.fit(source, target, pairs[:, visible], kept, labels=labels, seed=seed)

    return cross_fit(fit, hidden)
