"""Several generators at once: their spaces side by side, so that a score is the mean of their cosines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrnet_lightning.candidates.retrieval.space import Side, Space, SpaceGenerator
from rrnet_lightning.errors import DataError


class SeveralSpaces(Space):
    """Spaces side by side: rows [N, H_1 + H_2 + ...], those of each of length √w, w its share of the weights."""

    def __init__(self, spaces: Sequence[Space], weights: Sequence[float]) -> None:
        super().__init__()
        self.spaces = nn.ModuleList(spaces)
        self.source_dim, self.target_dim = spaces[0].source_dim, spaces[0].target_dim
        self.lengths = [(weight / sum(weights)) ** 0.5 for weight in weights]

    def map(self, x: Tensor, side: Side) -> Tensor:
        """Map by each space."""
        parts = [space.map(x, side) for space in self.spaces]  # type: ignore[operator]
        return torch.cat([F.normalize(part, dim=1) * size for part, size in zip(parts, self.lengths, strict=True)], 1)


@dataclass
class Several(SpaceGenerator):
    """Fits each of some generators on the same pairs. The score of a pair is the weighted mean of their cosines.

    One that finds pairs and one that finds classes, for instance: what either says stands in the space's bridges.
    Cost: that of all of them.

    Args:
        generators: at least one.
        weights: how much each counts, above 0; None: all alike.

    Raises:
        DataError: an option outside its values.
    """

    generators: Sequence[SpaceGenerator]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        weights = self._weights()
        if not self.generators or len(weights) != len(self.generators) or min(weights) <= 0:
            found = f"{len(self.generators)} generators and weights {list(weights)}"
            raise DataError(f"Several: found {found}, wanted some, and a weight above 0 for each")
        self.needed = max(each.needed for each in self.generators)
        self.needs_labels = any(each.needs_labels for each in self.generators)

    def check_widths(self, source_dim: int, target_dim: int) -> None:
        """As each of them does."""
        for each in self.generators:
            each.check_widths(source_dim, target_dim)

    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> Space:
        """An empty space of each."""
        return self._joined([each.empty(source_dim, target_dim, num_classes) for each in self.generators])

    def fit_rows(self, *fitted_on: Any) -> Space:
        """Fit each."""
        return self._joined([each.fit_rows(*fitted_on) for each in self.generators])

    def _joined(self, spaces: Sequence[Space]) -> Space:
        return SeveralSpaces(spaces, self._weights())

    def _weights(self) -> Sequence[float]:
        return [1.0] * len(self.generators) if self.weights is None else self.weights
