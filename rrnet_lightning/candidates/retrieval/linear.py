"""Linear common spaces: cosine of shared features, canonical correlation analysis, ridge regression.

All statistics are those of the rows of the known pairs, in float64. A pair counts with its weight, so a row of several
pairs counts once for each.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval.space import Side, Space, SpaceGenerator
from rrnet_lightning.errors import DataError


class LinearSpace(Space):
    """Rows less a mean, times a matrix: source (x - m_s) A, target (y - m_t) B.

    Args:
        source_dim: widths D_s and D_t.
        target_dim: see ``source_dim``.
        source_map: H, the width of a table's matrix; None for a table that is centred alone, with no
            matrix: its own width is H.
        target_map: see ``source_map``.
    """

    def __init__(
        self, source_dim: int, target_dim: int, *, source_map: int | None = None, target_map: int | None = None
    ) -> None:
        super().__init__()
        self.source_dim, self.target_dim = source_dim, target_dim
        for side, width, dim in (("source", source_dim, source_map), ("target", target_dim, target_map)):
            self.register_buffer(f"{side}_mean", torch.zeros(width))
            self.register_buffer(f"{side}_map", None if dim is None else torch.zeros(width, dim))

    @classmethod
    def of(
        cls, source_mean: Tensor, target_mean: Tensor, source_map: Tensor | None, target_map: Tensor | None
    ) -> Space:
        """Return a space of these means and matrices, kept in float32."""
        dims = [None if matrix is None else matrix.size(1) for matrix in (source_map, target_map)]
        space = cls(len(source_mean), len(target_mean), source_map=dims[0], target_map=dims[1])
        fitted = {"source_mean": source_mean, "target_mean": target_mean, "source_map": source_map}
        for name, value in (fitted | {"target_map": target_map}).items():
            setattr(space, name, None if value is None else value.float())
        return space

    def map(self, x: Tensor, side: Side) -> Tensor:
        """Return (x - mean) times the matrix."""
        mean, matrix = getattr(self, f"{side}_mean"), getattr(self, f"{side}_map")
        centred: Tensor = x.to(mean.dtype) - mean
        return centred if matrix is None else centred @ matrix


@dataclass
class Cosine(SpaceGenerator):
    """For tables that share a space already: nothing is learnt but the means.

    Args:
        center: take off each table's mean over the known pairs; False takes the features as they are.
    """

    center: bool = True

    def check_widths(self, source_dim: int, target_dim: int) -> None:
        """Both tables must have one width."""
        if source_dim != target_dim:
            raise DataError(
                f"Cosine: found source and target features of widths {source_dim} and {target_dim}, wanted one "
                "width. Use CCA, Ridge or DualEncoder, which map both into one space"
            )

    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> Space:
        """Return a space of zero means."""
        self.check_widths(source_dim, target_dim)
        return LinearSpace(source_dim, target_dim)

    def fit_rows(self, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor, classes: Tensor, seed: int) -> Space:
        """Take the means."""
        share, keep = weight.double() / weight.double().sum(), float(self.center)
        return LinearSpace.of(share @ x.double() * keep, share @ y.double() * keep, None, None)


@dataclass
class CCA(SpaceGenerator):
    """Regularised canonical correlation analysis.

        C_s = X' W X + γ tr(X' W X) / D_s · I     (C_t likewise)     C_s^(-1/2) X' W Y C_t^(-1/2) = P diag(ρ) Q'
        source (x - m_s) C_s^(-1/2) P ρ^power     target (y - m_t) C_t^(-1/2) Q ρ^power

    with X, Y the centred ends of the pairs and W their weights, which sum to 1. γ is a share of the mean eigenvalue, so
    it does not depend on the features' scale. Cost: P D² + D³ in float64.

    Args:
        dim: H, the directions of largest correlation that are kept; None for all, min(D_s, D_t).
        regularization: γ. The default suits features that are narrow beside the number of pairs, as those of words,
            where it was chosen; wider ones want about 1.
        power: of the correlations that each direction is multiplied by; 0 weighs all alike.
        standardize: divide each column by its standard deviation over the known pairs first.

    Raises:
        DataError: an option outside its values, or tables narrower than ``dim``.
    """

    dim: int | None = None
    regularization: float = 0.1
    power: float = 1.0
    standardize: bool = False

    def __post_init__(self) -> None:
        if (self.dim is not None and self.dim < 1) or self.regularization < 0 or self.power < 0:
            found = f"dim {self.dim}, regularization {self.regularization}, power {self.power}"
            raise DataError(f"CCA: found {found}, wanted at least 1, 0 and 0")

    def check_widths(self, source_dim: int, target_dim: int) -> None:
        """The space is no wider than the narrower table."""
        if self.dim is not None and self.dim > min(source_dim, target_dim):
            raise DataError(
                f"CCA.dim: found {self.dim}, wanted at most {min(source_dim, target_dim)}: the features have widths "
                f"{source_dim} and {target_dim}"
            )

    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> Space:
        """Return a space of zero matrices."""
        self.check_widths(source_dim, target_dim)
        dim = self.dim or min(source_dim, target_dim)
        return LinearSpace(source_dim, target_dim, source_map=dim, target_map=dim)

    def fit_rows(self, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor, classes: Tensor, seed: int) -> Space:
        """Whiten both covariances and decompose the cross-covariance."""
        share = weight.double() / weight.double().sum()
        m_s, x, scale_s = standardized(x, share, self.standardize)
        m_t, y, scale_t = standardized(y, share, self.standardize)
        white_s = inverse_root(x.T @ (share[:, None] * x), self.regularization)
        white_t = inverse_root(y.T @ (share[:, None] * y), self.regularization)
        left, correlation, right = torch.linalg.svd(
            white_s @ (x.T @ (share[:, None] * y)) @ white_t, full_matrices=False
        )
        dim = self.dim or len(correlation)
        strength = correlation[:dim] ** self.power
        source_map, target_map = white_s @ left[:, :dim] * strength, white_t @ right[:dim].T * strength
        return LinearSpace.of(m_s, m_t, source_map / scale_s[:, None], target_map / scale_t[:, None])


@dataclass
class Ridge(SpaceGenerator):
    """Ridge regression of one table on the other. Scores are cosines in the space of the table that is predicted.

        A = (X' W X + γ tr(X' W X) / D_s · I)^(-1) X' W Y         source (x - m_s) A         target y - m_t

    in the notation of :class:`CCA`; ``direction`` "source" swaps the two tables. Cost: P D² + D³ in float64.

    Args:
        regularization: γ.
        direction: the table whose space is the common one. "target" carries sources into the targets' space.
        standardize: divide each column of the table that is carried over by its standard deviation over the known
            pairs first.

    Raises:
        DataError: an option outside its values.
    """

    regularization: float = 0.1
    direction: Literal["source", "target"] = "target"
    standardize: bool = False

    def __post_init__(self) -> None:
        if self.regularization < 0 or self.direction not in ("source", "target"):
            found = f"regularization {self.regularization}, direction {self.direction}"
            raise DataError(f"Ridge: found {found}, wanted at least 0, and source or target")

    def empty(self, source_dim: int, target_dim: int, num_classes: int = 0) -> Space:
        """Return a space of a zero matrix."""
        if self.direction == "target":
            return LinearSpace(source_dim, target_dim, source_map=target_dim)
        return LinearSpace(source_dim, target_dim, target_map=source_dim)

    def fit_rows(self, x: Tensor, y: Tensor, pairs: Tensor, weight: Tensor, classes: Tensor, seed: int) -> Space:
        """Solve the normal equations; where they leave a direction open, it is not used."""
        share = weight.double() / weight.double().sum()
        to_target = self.direction == "target"
        mean, read, scale = standardized(x if to_target else y, share, self.standardize)
        centre, told, _ = standardized(y if to_target else x, share, False)
        weighted = share[:, None] * read
        covariance, cross = read.T @ weighted, weighted.T @ told
        root = inverse_root(covariance, self.regularization)
        matrix = root @ (root @ cross) / scale[:, None]
        if to_target:
            return LinearSpace.of(mean, centre, matrix, None)
        return LinearSpace.of(centre, mean, None, matrix)


def standardized(x: Tensor, share: Tensor, scaled: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean [D], centred rows [P, D] and what each column was divided by [D], float64; 1 where constant."""
    x = x.double()
    mean = share @ x
    x = x - mean
    spread = (share @ x.square()).sqrt()
    constant = spread <= 1e-10 * mean.abs()  # what rounding leaves of a column of one value
    scale = torch.where(constant, 1.0, spread) if scaled else torch.ones_like(spread)
    return mean, torch.where(constant, 0.0, x) / scale, scale


def inverse_root(covariance: Tensor, regularization: float) -> Tensor:
    """Return (C + γ tr(C) / D · I)^(-1/2), [D, D]; directions without any variance are left out."""
    values, vectors = torch.linalg.eigh(covariance)
    values = values.clamp(min=0) + regularization * values.clamp(min=0).mean()
    kept = values > 1e-12 * values.max()
    root: Tensor = vectors * torch.where(kept, values.clamp(min=1e-300).rsqrt(), 0.0) @ vectors.T
    return root
