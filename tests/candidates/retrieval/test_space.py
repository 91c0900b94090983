"""What holds for every generator of common spaces."""

import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval import (
    CCA,
    DSCMR,
    Cosine,
    DualEncoder,
    Ridge,
    SemanticMatching,
    Several,
    Space,
    SpaceGenerator,
    fit_spaces,
)
from rrnet_lightning.candidates.retrieval.trained import TrainedGenerator
from rrnet_lightning.errors import DataError
from tests.candidates.retrieval.tables import labels, scores, tables

GENERATORS: list[SpaceGenerator] = [
    Cosine(),
    Cosine(center=False),
    CCA(dim=2),
    CCA(standardize=True),
    Ridge(),
    Ridge(direction="source", standardize=True),
    SemanticMatching(),
    Several([CCA(dim=2), SemanticMatching()], [1, 3]),
    DualEncoder(hidden=16, dim=8, epochs=2, batch_size=16),
    DSCMR(hidden=16, dim=8, epochs=2, batch_size=16),
    DSCMR("paper", hidden=16, dim=8, epochs=2, batch_size=16),
]
CLOSED = [generator for generator in GENERATORS if not isinstance(generator, TrainedGenerator)]
LINEAR = CLOSED[:-2]
every = pytest.mark.parametrize("generator", GENERATORS, ids=repr)
closed = pytest.mark.parametrize("generator", CLOSED, ids=repr)
linear = pytest.mark.parametrize("generator", LINEAR, ids=repr)


def fit(generator: SpaceGenerator, source: Tensor, target: Tensor, *known: Tensor, seed: int = 0) -> Space:
    return generator.fit(source, target, *known, labels=labels(), seed=seed)


def own_tables(generator: SpaceGenerator) -> tuple[Tensor, Tensor, Tensor]:
    return tables(widths=(5, 5) if isinstance(generator, Cosine) else (6, 4))


@every
def test_rows_are_of_unit_length_in_one_space(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    space = fit(generator, source, target, pairs)
    with torch.inference_mode():
        s, t = space.source(source), space.target(target.half())
    assert s.shape == t.shape and s.dtype == t.dtype == torch.float32
    torch.testing.assert_close(torch.cat([s, t]).norm(dim=1), torch.ones(120))
    assert not any(parameter.requires_grad for parameter in space.parameters()) and not space.training


@linear
def test_a_row_that_is_mapped_to_zero_stays_zero(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    space = fit(generator, source, target, pairs)
    mean = space.get_buffer("source_mean")
    assert space.source(mean[None]).count_nonzero() == 0


@every
def test_a_space_is_its_state_and_embeds_new_rows(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    space = fit(generator, source, target, pairs)
    again = generator.empty(source.size(1), target.size(1), 3)
    again.load_state_dict(space.state_dict())
    assert scores(again, source[50:], target).equal(scores(space, source[50:], target))


@every
def test_only_known_rows_are_read_and_the_seed_alone_decides(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    before = torch.get_rng_state()
    state = fit(generator, source, target, pairs, seed=3).state_dict()
    assert torch.get_rng_state().equal(before)
    torch.rand(3)
    source[40:], target[40:] = math.nan, math.inf
    with torch.inference_mode():
        again = fit(generator, source, target, pairs, seed=3).state_dict()
    assert all(again[name].equal(value) for name, value in state.items())


@every
def test_constant_columns_leave_finite_scores(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    source[:, 0], target[:, 1], target[:, 2] = 0.1, 0, 1e6
    assert scores(fit(generator, source, target, pairs), source, target).isfinite().all()


@every
def test_tables_of_one_value_leave_finite_scores(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    source, target = torch.full_like(source, 0.3), torch.full_like(target, 0.3)
    assert scores(fit(generator, source, target, pairs), source, target).isfinite().all()


@closed
def test_a_pair_of_weight_2_counts_as_the_pair_twice(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    pairs = torch.cat([pairs, torch.tensor([[0, 0], [1, 2]])], 1)  # source 0 has three partners
    weight = torch.ones(42)
    weight[:5], weight[7] = 2, 0
    one = fit(generator, source, target, pairs, weight)
    other = fit(generator, source, target, torch.cat([pairs[:, :7], pairs[:, 8:], pairs[:, :5]], 1))
    torch.testing.assert_close(scores(one, source, target), scores(other, source, target), atol=1e-5, rtol=0)
    plain = fit(generator, source, target, pairs)
    if generator != Cosine(center=False):
        assert not torch.allclose(scores(one, source, target), scores(plain, source, target), atol=1e-4)


@every
def test_hidden_pairs_are_as_if_they_were_not_there(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    hidden = torch.arange(40)[:, None] % 3 == torch.arange(3)
    weight = torch.linspace(1, 2, 40)
    spaces = list(fit_spaces(generator, source, target, pairs, weight, hidden, seed=1, labels=labels()))
    assert len(spaces) == 3
    for column, space in zip(hidden.unbind(1), spaces, strict=True):
        alone = fit(generator, source, target, pairs[:, ~column], weight[~column], seed=1)
        assert scores(space, source, target).equal(scores(alone, source, target))


def refusals() -> list[tuple[str, Callable[[Tensor, Tensor, Tensor], object]]]:
    cca, ones = CCA(), torch.ones(40)
    matching, classes = SemanticMatching(), labels()
    narrow, short = classes | {"target": classes["target"][:, 1:]}, classes | {"target": classes["target"][1:]}
    one = dict.fromkeys(classes, torch.tensor([True, False]).expand(60, 2))
    holed = classes | {"target": classes["target"].clone()}
    holed["target"][[7, 9, 50]] = False
    return [
        ("pairs: found none", lambda s, t, p: cca.fit(s, t, p[:, :0])),
        ("pairs: found 1 known ones, wanted at least 2 to fit CCA", lambda s, t, p: cca.fit(s, t, p[:, :1])),
        ("pairs: found 1 known ones", lambda s, t, p: cca.fit(s, t, p[:, :2], torch.tensor([0.0, 1]))),
        ("pairs: found [2, 40] torch.int32", lambda s, t, p: cca.fit(s, t, p.int())),
        ("pairs: found target rows 1 to 40, wanted 0 to 39", lambda s, t, p: cca.fit(s, t[:40], p + 1)),
        ("source: found features of known pairs that are not fin", lambda s, t, p: cca.fit(s / 0 * 0, t, p)),
        ("target: found [60] torch.float32", lambda s, t, p: cca.fit(s, t[:, 0], p)),
        ("weight: found [40], wanted [40] finite", lambda s, t, p: cca.fit(s, t, p, -ones)),
        ("weight: found [39]", lambda s, t, p: cca.fit(s, t, p, ones[1:])),
        ("found source and target features of widths 6 and 4", lambda s, t, p: Cosine().fit(s, t, p)),
        ("CCA.dim: found 5, wanted at most 4: the features", lambda s, t, p: CCA(dim=5).fit(s, t, p)),
        ("source: found [60, 4], wanted [N, 6]", lambda s, t, p: cca.fit(s, t, p).source(t)),
        ("hidden: found [39, 1]", lambda s, t, p: fit_spaces(cca, s, t, p, None, ones[1:, None] > 0)),
        ("CCA: found dim 0", lambda s, t, p: CCA(dim=0)),
        ("CCA: found dim None, regularization -1", lambda s, t, p: CCA(regularization=-1)),
        ("Ridge: found regularization -1", lambda s, t, p: Ridge(regularization=-1)),
        ("DualEncoder: found hidden 0", lambda s, t, p: DualEncoder(hidden=0)),
        ("DualEncoder: found hidden 512, dim 128, dropout 1", lambda s, t, p: DualEncoder(dropout=1)),
        ("source_labels, target_labels: found none, wanted those of", lambda s, t, p: matching.fit(s, t, p)),
        ("labels: found [60, 3] torch.bool and [59, 3]", lambda s, t, p: matching.fit(s, t, p, labels=short)),
        ("labels: found 3 and 2 classes of sources and of", lambda s, t, p: matching.fit(s, t, p, labels=narrow)),
        ("target_labels: found 2 known rows without a class", lambda s, t, p: matching.fit(s, t, p, labels=holed)),
        ("source_labels: found known rows of one class alone", lambda s, t, p: matching.fit(s, t, p, labels=one)),
        ("SemanticMatching: found inverse_penalty 0", lambda s, t, p: SemanticMatching(0)),
        ("DualEncoder: found epochs 0", lambda s, t, p: DualEncoder(epochs=0)),
        ("DualEncoder: found epochs 1, batch_size 1", lambda s, t, p: DualEncoder(epochs=1, batch_size=1)),
    ]


@pytest.mark.parametrize("generator", [each for each in GENERATORS if not each.needs_labels], ids=repr)
def test_labels_are_not_looked_at_by_what_needs_none(generator: SpaceGenerator) -> None:
    source, target, pairs = own_tables(generator)
    plain = generator.fit(source, target, pairs)
    given = generator.fit(source, target, pairs, labels={"source": source, "target": pairs})
    assert scores(given, source, target).equal(scores(plain, source, target)) or generator.needs_labels


@pytest.mark.parametrize(("message", "act"), refusals())
def test_what_cannot_be_used_is_named(message: str, act: Callable[[Tensor, Tensor, Tensor], object]) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        act(*tables())
