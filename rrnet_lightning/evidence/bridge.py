"""The bridge: how known pairs speak for a pair that is asked, and how close its ends are to all that is known.

A source s and a target t share no known pair. But s has neighbours q among the known sources, whose partners u are
known; and t has neighbours among the known targets:

    w(s, q)  softmax over the k nearest known sources of s of cos(s, q) / τ        (and likewise w(t, u))
    ŝ        = normalise(Σ_q w(s, q) · mean of the partners of q)    the source carried into the targets' space
    t̂        = normalise(Σ_u w(t, u) · mean of the partners of u)    the target carried into the sources' space

cos(ŝ, t), cos(s, t̂) and the two-sided mass, log(ε + Σ_q Σ_u w(s, q) y(q, u) w(t, u)), say what the known pairs make
of (s, t). The hubness of a row is the mean of its k largest scores against the known rows of the other side, which CSLS
subtracts (arXiv 1710.04087); the network weighs it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rrnet_lightning.graph.knn import TRACKED, top_k

EPSILON = 1e-4
CHUNK = 2048


@dataclass(frozen=True)
class Known:
    """Known pairs by position: which known source and which known target each joins.

    Attributes:
        source, target: [P] long, positions among the known sources and among the known targets.
        weight: [P] float.
        sources, targets: rows of the known sources [Q] and targets [U] in the tables.
    """

    source: Tensor
    target: Tensor
    weight: Tensor
    sources: Tensor
    targets: Tensor

    @classmethod
    def of(cls, pairs: Tensor, weight: Tensor) -> "Known":
        """Number the ends of ``pairs`` [2, P] of rows."""
        sources, source = pairs[0].unique(return_inverse=True)
        targets, target = pairs[1].unique(return_inverse=True)
        return cls(source, target, weight, sources, targets)

    def flipped(self) -> "Known":
        """The same pairs, seen from the targets."""
        return Known(self.target, self.source, self.weight, self.targets, self.sources)

    def partners(self, x: Tensor) -> Tensor:
        """Mean of the partners of every known source, [Q, H], from rows of the known targets, ``x`` [U, H]."""
        total = x.new_zeros(len(self.sources), x.shape[1])
        total.index_add_(0, self.source, x[self.target] * self.weight[:, None].to(x.dtype))
        mass = x.new_zeros(len(self.sources)).index_add_(0, self.source, self.weight.to(x.dtype))
        mean: Tensor = total / mass[:, None]
        return mean

    def listed(self, most: int) -> Tensor:
        """Pairs of every known source, [Q, m <= most] long, heaviest first, padded with -1."""
        order = torch.argsort(self.weight, descending=True, stable=True)
        order = order[torch.argsort(self.source[order], stable=True)]
        count = torch.bincount(self.source, minlength=len(self.sources))
        rank = torch.arange(len(order)) - (count.cumsum(0) - count)[self.source[order]]
        kept = rank < most
        table = torch.full((len(self.sources), min(most, int(count.max()))), -1)
        table[self.source[order[kept]], rank[kept]] = order[kept]
        return table


def unit(x: Tensor) -> Tensor:
    """Rows of unit length; a zero row stays zero."""
    return torch.nn.functional.normalize(x, dim=1)


def nearest(x: Tensor, bank: Tensor, k: int, own: Tensor | None = None, *, chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """Cosines and positions of the ``k`` rows of ``bank`` nearest to every row, itself left out; in chunks.

    Time N · B · H, memory ``chunk`` · B.

    Shapes:
        x: [N, H]. bank: [B, H], both of unit rows. own: [N] long, a row's own position in the bank, -1 for none.
        returns: [N, min(k, B)] each. A bank of one row, a row's own, gives cosine -1.
    """
    from rich.progress import track

    quick = len(x) * len(bank) < TRACKED
    found: list[tuple[Tensor, Tensor]] = []
    rows = torch.arange(len(x), device=x.device).split(chunk)
    for some in track(rows, f"neighbours of {len(x)} rows", transient=True, disable=quick):
        scores = x[some] @ bank.T
        if own is not None:
            there = own[some] >= 0
            scores[there.nonzero().squeeze(1), own[some][there]] = -1
        found.append(top_k(scores, min(k, len(bank))))
    if not found:
        return x.new_empty(0, 0), torch.empty(0, 0, dtype=torch.long)
    values, positions = zip(*found, strict=True)
    return torch.cat(values), torch.cat(positions)


def hubness(x: Tensor, bank: Tensor, k: int) -> Tensor:
    """Mean of the ``k`` largest cosines of every row to the bank, [N]; 0 for an empty bank."""
    return nearest(x, bank, k)[0].mean(1) if len(bank) else x.new_zeros(len(x))


def carry(weight: Tensor, position: Tensor, partners: Tensor) -> Tensor:
    """ŝ: carry rows to the other side, [N, H], by the partners [Q, H] of their neighbours.

    Shapes:
        weight: [N, k], position: [N, k] long, of the neighbours.
    """
    return unit(torch.cat([(w[..., None] * partners[p]).sum(1) for w, p in _chunks(weight, position)]))


def vote(weight: Tensor, position: Tensor, member: Tensor) -> Tensor:
    """Share of the neighbours' weight on each class, [N, C], of classes [Q, C] of the known rows."""
    votes = [(w[..., None] * member[p]).sum(1) for w, p in _chunks(weight, position)]
    return torch.cat(votes) if votes else weight.new_zeros(0, member.shape[1])


def mass(
    pairs: Tensor, known: Known, source: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor], chunk: int = 65_536
) -> Tensor:
    """log(ε + Σ_q Σ_u w(s, q) y(q, u) w(t, u)) of pairs [2, E], a sparse join: [E].

    Time E times the known pairs of k neighbours, memory that of ``chunk`` pairs.

    Shapes:
        source, target: weight [N, k] and position [N, k] of the neighbours of the rows that ``pairs`` count.
    """
    from scipy.sparse import csr_array

    def sparse(side: tuple[Tensor, Tensor], width: int) -> csr_array:
        weight, position = (part.numpy() for part in side)
        ends = torch.arange(len(weight) + 1).numpy() * weight.shape[1]
        return csr_array((weight.ravel(), position.ravel(), ends), shape=(len(weight), width))

    joined = csr_array(
        (known.weight.double().numpy(), (known.source.numpy(), known.target.numpy())),
        shape=(len(known.sources), len(known.targets)),
    )
    left = sparse(source, len(known.sources)) @ joined  # [N_s, U]
    right = sparse(target, len(known.targets))
    total = [_joined(left, right, some) for some in pairs.split(chunk, 1)]
    return (torch.cat(total) + EPSILON).log().float() if total else torch.empty(0)


def _joined(left: object, right: object, pairs: Tensor) -> Tensor:
    product = left[pairs[0].numpy()].multiply(right[pairs[1].numpy()])  # type: ignore[index]
    return torch.from_numpy(product.sum(1)).double()


def _chunks(*tensors: Tensor) -> list[tuple[Tensor, ...]]:
    return list(zip(*(tensor.split(CHUNK) for tensor in tensors), strict=True))
