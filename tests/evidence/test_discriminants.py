"""Linear discriminants of a view."""

from dataclasses import replace

import pytest
import torch

from rrnet_lightning.candidates.samples import TEST, TRAIN, ScoredSamples
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.discriminants import discriminants

CLASSES, WIDTH = 3, 6


def view(samples: int = 60) -> ScoredSamples:
    """Half of the samples are labelled; one direction is loud noise that all classes share."""
    rng = torch.Generator().manual_seed(0)
    label = torch.arange(samples) % CLASSES
    features = torch.randn(samples, WIDTH, generator=rng) + 3 * torch.eye(WIDTH)[label]
    features[:, -1] *= 8
    role = torch.where(torch.arange(samples) < samples // 2, TRAIN, TEST)
    names, ids = ("a", "b", "c"), [str(row) for row in range(samples)]
    return ScoredSamples(features, torch.zeros(samples, CLASSES), label, role, names, ids)


def shrunk(x: torch.Tensor, shrinkage: float) -> torch.Tensor:
    """Covariance [D, D] of [N, D], a share of it replaced by the same variance everywhere."""
    covariance = torch.cov(x.T, correction=0)
    return (1 - shrinkage) * covariance + shrinkage * covariance.trace() / len(covariance) * torch.eye(len(covariance))


def test_distances_are_those_in_the_directions_between_classes() -> None:
    """Against the dense equations: directions w of largest w' B w where w' W w = 1, W within and B between classes."""
    samples, shrinkage = view(), 0.2
    found = discriminants(samples, shrinkage).double()
    assert found.shape == (60, CLASSES - 1)
    x = torch.nn.functional.normalize(samples.features.double(), dim=1)
    known = samples.role == TRAIN
    parts = [x[known & (samples.label == c)] for c in range(CLASSES)]
    within = sum((len(part) / int(known.sum()) * shrunk(part, shrinkage) for part in parts), torch.zeros(WIDTH, WIDTH))
    between = shrunk(x[known], shrinkage) - within
    root = torch.linalg.inv(torch.linalg.cholesky(within))
    directions = torch.linalg.eigh(root @ between @ root.T).eigenvectors[:, -(CLASSES - 1) :]
    expected = x @ root.T @ directions  # up to the sign of each direction, so compared by inner products
    assert torch.allclose(found @ found.T, expected @ expected.T, rtol=1e-4, atol=1e-4)


def test_labels_of_others_are_not_read() -> None:
    samples = view()
    other = replace(samples, label=torch.where(samples.role == TEST, 0, samples.label))
    assert discriminants(samples, 0.1).equal(discriminants(other, 0.1))


def test_covariance_without_inverse_is_named() -> None:
    samples = view(8)
    with pytest.raises(DataError, match=r"discriminants of 4 labelled samples with 6 features.*larger shrinkage"):
        discriminants(samples, 0.0)


@pytest.mark.parametrize(
    ("label", "found"), [([0, 0, 0, 0], "4 labelled samples of 1 classes"), ([0, 1, 2], "3 labelled")]
)
def test_too_few_labelled_samples_are_named(label: list[int], found: str) -> None:
    samples = view(60)
    role = torch.full((60,), TEST)
    role[: len(label)] = TRAIN
    given = torch.cat([torch.tensor(label), samples.label[len(label) :]])
    with pytest.raises(DataError, match=f"discriminants: found {found}"):
        discriminants(replace(samples, label=given, role=role), 0.1)
