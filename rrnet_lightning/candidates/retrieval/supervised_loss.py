"""The loss of deep supervised cross-modal retrieval (DSCMR, Zhen et al., CVPR 2019)."""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.linalg import vector_norm

Norm = Literal["row", "frobenius"]
Similarity = Literal["count", "binary"]
MIN_LENGTHS = 1e-6  # least product of two lengths that a cosine is divided by


class Terms(NamedTuple):
    """Scalars: how far predictions are from the classes, ends from their classmates, and the ends of a pair."""

    label: Tensor
    similarity: Tensor
    distance: Tensor

    def total(self, lam: float, eta: float) -> Tensor:
        """J = J1 + λ J2 + η J3."""
        return self.label + lam * self.similarity + eta * self.distance


def supervised_terms(
    ends: tuple[Tensor, Tensor],
    logits: tuple[Tensor, Tensor],
    classes: Tensor,
    *,
    norm: Norm = "row",
    similarity: Similarity = "count",
    weight: Tensor | None = None,
) -> Terms:
    """Return the three terms of n pairs with ends u_i and v_i, predictions p(u_i) and p(v_i), and classes y_i.

        J1 = mean_i ‖p(u_i) - y_i‖ + mean_i ‖p(v_i) - y_i‖
        J2 = Σ over (A, B) in (U, U), (U, V), (V, V) of mean_ij [ log(1 + exp G_ij) - S_ij G_ij ]
        J3 = mean_i ‖u_i - v_i‖            G_ij = ½ cos(a_i, b_j)            S_ij = <y_i, y_j>

    Norms are not squared. ``frobenius`` puts the norm of the whole matrix, over n, in place of the mean of its rows'
    norms: the form of the paper; the authors' program has ``row``. ``binary`` makes S_ij at most 1, our own choice:
    with ``count``, as in the program, pairs that share several classes pull more. Our own too: each end has classes of
    its own, which agree in the paper, and means are weighted. A norm of 0 has the gradient 0. A cosine is divided by
    1e-6 at least.

    Shapes:
        ends: [n, H] each. logits: [n, C] each. classes: [2, n, C] bool. weight: [n], None for 1 each.
    """
    dtype = torch.promote_types(ends[0].dtype, torch.float32)
    size = len(ends[0])
    weight = ends[0].new_ones(size) if weight is None else weight
    share = (weight / weight.sum()).to(dtype)
    u, v, *predicted = (each.to(dtype) for each in (*ends, *logits))
    wanted = classes.to(dtype)
    label = sum((mean_norm(p - y, share, norm) for p, y in zip(predicted, wanted, strict=True)), share.new_zeros(()))
    alike = share.new_zeros(())
    for a, b, y, z in ((u, u, *wanted[[0, 0]]), (u, v, *wanted), (v, v, *wanted[[1, 1]])):
        shared = y @ z.T if similarity == "count" else (y @ z.T).clamp(max=1)
        alike = alike + share @ similarity_costs(half_cosines(a, b), shared) @ share
    return Terms(label, alike, mean_norm(u - v, share, norm))


def half_cosines(a: Tensor, b: Tensor) -> Tensor:
    """Return G = ½ cos of all rows of [n, H] and [m, H]: [n, m]."""
    lengths = vector_norm(a, dim=1)[:, None] * vector_norm(b, dim=1)
    cosines: Tensor = a @ b.T / lengths.clamp(min=MIN_LENGTHS)
    return cosines / 2


def similarity_costs(g: Tensor, s: Tensor) -> Tensor:
    """Return log(1 + exp G) - S G of each entry: the negative logarithm of a likelihood where S is 0 or 1."""
    return F.softplus(g) - s * g


def mean_norm(rows: Tensor, share: Tensor, norm: Norm) -> Tensor:
    """Return Σ_i w_i ‖r_i‖ of rows [n, D] and shares [n] that sum to 1; or sqrt(Σ_i w_i ‖r_i‖² / n)."""
    whole: Tensor = vector_norm((share / len(rows)).sqrt()[:, None] * rows)
    return share @ vector_norm(rows, dim=1) if norm == "row" else whole
