"""Paths of evidence against a reference by plain loops."""

import torch

from rrnet_lightning.evidence.paths import evidence_paths
from rrnet_lightning.graph.build import given_pairs, no_edges


def random_case(seed: int, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = (7, 9)
    pairs = torch.unique(torch.randint(0, 63, (30,), generator=generator))
    inter, _ = given_pairs(torch.stack([pairs // 9, pairs % 9]), *sizes)
    intra = torch.unique(torch.randint(0, sizes[side], (2, 12), generator=generator), dim=1)
    intra = intra[:, intra[0] != intra[1]]
    return inter, intra, torch.rand(intra.shape[1], generator=generator) + 0.1


def test_gather_equals_plain_loops_on_both_sides() -> None:
    for seed in range(4):
        for side in (0, 1):
            inter, intra, weight = random_case(seed, side)
            value = torch.arange(inter.shape[1]).float()
            visible = torch.arange(inter.shape[1]) % 3 > 0
            mean, mass = evidence_paths(inter, intra, weight, side=side).gather(value, visible, shrink=0.5)
            for e, pair in enumerate(inter.T.tolist()):
                total = weights = 0.0
                for f, other in enumerate(inter.T.tolist()):
                    if pair[1 - side] != other[1 - side] or not visible[f]:
                        continue
                    for (neighbor, node), w in zip(intra.T.tolist(), weight.tolist(), strict=True):
                        if (neighbor, node) == (other[side], pair[side]):
                            total, weights = total + w * float(value[f]), weights + w
                assert abs(float(mass[e]) - weights) < 1e-5
                assert abs(float(mean[e]) - total / (0.5 + weights)) < 1e-4


def test_an_edge_never_hears_of_itself() -> None:
    inter, intra, weight = random_case(0, 1)
    paths = evidence_paths(inter, intra, weight, side=1)
    assert len(paths.start) > 0
    assert (paths.start != paths.towards).all()


def test_without_intra_edges_nothing_is_heard() -> None:
    inter, _, _ = random_case(0, 1)
    mean, mass = evidence_paths(inter, no_edges(), torch.zeros(0), side=1).gather(
        torch.ones(inter.shape[1]), torch.ones(inter.shape[1], dtype=torch.bool)
    )
    assert mean.tolist() == mass.tolist() == [0.0] * inter.shape[1]
