"""The linear spaces against plain references."""

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.linear_model import Ridge as ScikitRidge
from torch import Tensor

from rrnet_lightning.candidates.retrieval import CCA, Cosine, Ridge, rank_of
from tests.candidates.retrieval.tables import scores, tables

WEIGHT = torch.linspace(0.5, 2, 40)


def cosine(a: np.ndarray, b: np.ndarray) -> Tensor:
    a, b = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (a, b))
    return torch.from_numpy(a @ b.T).float()


def centred(source: Tensor, target: Tensor, pairs: Tensor) -> tuple[np.ndarray, ...]:
    """Both tables less the weighted mean of their known rows, and the known rows of each; the weights, of sum 1."""
    share = (WEIGHT / WEIGHT.sum()).double().numpy()
    tables = [table.double().numpy() for table in (source, target)]
    tables = [table - share @ table[rows] for table, rows in zip(tables, pairs.numpy(), strict=True)]
    return *tables, *(table[rows] for table, rows in zip(tables, pairs.numpy(), strict=True)), share


@pytest.mark.parametrize(("dim", "power", "regularization"), [(None, 1.0, 0.1), (2, 0.0, 1e-3), (3, 2.0, 1.0)])
def test_cca_solves_the_generalised_eigenproblem(dim: int | None, power: float, regularization: float) -> None:
    source, target, pairs = tables()
    s, t, x, y, share = centred(source, target, pairs)
    c_xy = x.T @ (share[:, None] * y)
    c_xx, c_yy = (
        c + regularization * np.trace(c) / len(c) * np.eye(len(c)) for c in (m.T @ (share[:, None] * m) for m in (x, y))
    )
    zeros = np.zeros_like
    values, vectors = scipy.linalg.eigh(
        np.block([[zeros(c_xx), c_xy], [c_xy.T, zeros(c_yy)]]),
        np.block([[c_xx, zeros(c_xy)], [zeros(c_xy).T, c_yy]]),
    )
    order = np.argsort(-values)[: dim or 4]
    strength = values[order] ** power
    wanted = cosine(s @ vectors[:6, order] * strength, t @ vectors[6:, order] * strength)
    space = CCA(dim, regularization, power).fit(source, target, pairs, WEIGHT)
    torch.testing.assert_close(scores(space, source, target), wanted, atol=1e-4, rtol=0)


@pytest.mark.parametrize("direction", ["source", "target"])
def test_ridge_is_that_of_scikit_learn(direction: str) -> None:
    source, target, pairs = tables()
    s, t, x, y, share = centred(source, target, pairs)
    read, told, table = (x, y, s) if direction == "target" else (y, x, t)
    alpha = 0.2 * np.trace(read.T @ (share[:, None] * read)) / read.shape[1]
    carried = ScikitRidge(alpha, fit_intercept=False).fit(read, told, sample_weight=share).predict(table)
    wanted = cosine(carried, t) if direction == "target" else cosine(s, carried)
    space = Ridge(0.2, direction).fit(source, target, pairs, WEIGHT)  # type: ignore[arg-type]
    torch.testing.assert_close(scores(space, source, target), wanted, atol=1e-4, rtol=0)


def test_cosine_takes_off_the_means_of_the_known_rows() -> None:
    source, target, pairs = tables(widths=(5, 5))
    s, t, *_ = centred(source, target, pairs)
    got = scores(Cosine().fit(source, target, pairs, WEIGHT), source, target)
    torch.testing.assert_close(got, cosine(s, t), atol=1e-5, rtol=0)
    got = scores(Cosine(center=False).fit(source, target, pairs), source, target)
    torch.testing.assert_close(got, cosine(source.numpy(), target.numpy()), atol=1e-5, rtol=0)


@pytest.mark.parametrize("generator", [CCA(), Ridge()], ids=repr)
def test_regularization_does_not_depend_on_scale(generator: CCA | Ridge) -> None:
    source, target, pairs = tables()
    one = scores(generator.fit(source, target, pairs), source, target)
    other = scores(generator.fit(100 * source, target / 50, pairs), 100 * source, target / 50)
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


@pytest.mark.parametrize("generator", [CCA(standardize=True), Ridge(standardize=True)], ids=repr)
def test_standardised_columns_may_have_any_scale(generator: CCA | Ridge) -> None:
    source, target, pairs = tables()
    one = scores(generator.fit(source, target, pairs), source, target)
    scaled = source * torch.logspace(-2, 2, 6)
    other = scores(generator.fit(scaled, target, pairs), scaled, target)
    torch.testing.assert_close(one, other, atol=1e-3, rtol=0)


def test_new_pairs_are_found() -> None:
    source, target, pairs = tables(noise=0.01)
    new = torch.arange(40, 60).repeat(2, 1)
    for generator in (CCA(regularization=1e-3), Ridge(1e-3, "target"), Ridge(1e-3, "source")):
        space = generator.fit(source, target, pairs)
        with torch.inference_mode():
            assert (rank_of(space.source(source), space.target(target), new) == 1).float().mean() > 0.8, generator
