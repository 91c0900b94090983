"""DSCMR: its loss against plain numbers, its presets, and what it learns."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rrnet_lightning.candidates.retrieval import DSCMR
from rrnet_lightning.candidates.retrieval.dscmr import PRESETS, Settings
from rrnet_lightning.candidates.retrieval.space import Side
from rrnet_lightning.candidates.retrieval.supervised_loss import (
    Terms,
    half_cosines,
    mean_norm,
    similarity_costs,
    supervised_terms,
)
from rrnet_lightning.errors import DataError
from rrnet_lightning.metrics import average_precision

EYE, SWAPPED = torch.eye(2), torch.eye(2).flip(0)
CLASSES = torch.eye(2).bool().expand(2, 2, 2)


def drawn(size: int = 6, num_classes: int = 3) -> dict[str, Any]:
    """Ends, predictions and several classes a row, which are those of both ends."""
    draw = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, size, 4, generator=draw)
    p, q = torch.randn(2, size, num_classes, generator=draw)
    classes = (torch.rand(size, num_classes, generator=draw) < 0.6).expand(2, size, num_classes)
    return {"ends": (u, v), "logits": (p, q), "classes": classes}


@pytest.mark.parametrize(
    ("other", "wanted"),
    [(EYE, (0.0, 1.7508362, 0.0, 0.0017508362)), (SWAPPED, (math.sqrt(2), 2.0008362, math.sqrt(2), 1.5576358))],
)
def test_two_pairs_by_hand(other: Tensor, wanted: tuple[float, ...]) -> None:
    terms = supervised_terms((EYE, other), (EYE, other), CLASSES)
    assert [*map(float, terms), float(terms.total(1e-3, 1e-1))] == pytest.approx(wanted, abs=1e-6)


def test_terms_are_those_of_loops() -> None:
    given = drawn()
    (u, v), (p, q), y = given["ends"], given["logits"], given["classes"][0].float()
    label = sum(float((a[i] - y[i]).norm()) for a in (p, q) for i in range(6)) / 6
    alike = 0.0
    for a, b in ((u, u), (u, v), (v, v)):
        for i in range(6):
            for j in range(6):
                g = float(a[i] @ b[j] / a[i].norm() / b[j].norm()) / 2
                alike += (math.log(1 + math.exp(g)) - float(y[i] @ y[j]) * g) / 36
    distance = sum(float((u[i] - v[i]).norm()) for i in range(6)) / 6
    assert [*map(float, supervised_terms(**given))] == pytest.approx([label, alike, distance], rel=1e-5)


def test_frobenius_is_the_norm_of_the_matrix_over_n() -> None:
    rows, share = torch.tensor([[3.0, 0], [0, 4]]), torch.tensor([0.5, 0.5])
    assert float(mean_norm(rows, share, "frobenius")) == pytest.approx(5 / 2)
    assert float(mean_norm(rows, share, "row")) == pytest.approx(7 / 2)
    given = drawn()
    row, whole = supervised_terms(**given), supervised_terms(**given, norm="frobenius")
    assert float(whole.distance) == pytest.approx(float((given["ends"][0] - given["ends"][1]).norm()) / 6)
    assert whole.similarity == row.similarity and whole.label < row.label


def test_binary_similarity_counts_a_shared_class_once() -> None:
    given = drawn()
    several, single = (given["classes"][0].float() @ given["classes"][0].float().T for _ in range(2))
    single = single.clamp(max=1)
    assert (several > 1).any()
    g = [half_cosines(a, b) for a, b in ((given["ends"][i], given["ends"][j]) for i, j in ((0, 0), (0, 1), (1, 1)))]
    for option, s in (("count", several), ("binary", single)):
        wanted = sum(float(similarity_costs(each, s).mean()) for each in g)
        found = supervised_terms(**given, similarity=option)  # type: ignore[arg-type]
        assert float(found.similarity) == pytest.approx(wanted, rel=1e-5)


def test_lengths_change_distances_alone() -> None:
    given = drawn()
    u, v = given["ends"]
    one, longer = supervised_terms(**given), supervised_terms(**given | {"ends": (7 * u, 7 * v)})
    assert [float(longer.similarity), float(longer.label)] == pytest.approx([float(one.similarity), float(one.label)])
    assert float(longer.distance) == pytest.approx(7 * float(one.distance), rel=1e-5)
    torch.testing.assert_close(supervised_terms(**given | {"ends": (7 * u, v)}).similarity, one.similarity)


def test_gradient_pulls_classmates_and_pushes_strangers() -> None:
    g = torch.tensor([[0.5, -0.2], [0.1, -0.5]], requires_grad=True)
    similarity_costs(g, EYE).mean().backward()
    assert g.grad is not None
    torch.testing.assert_close(g.grad, (g.detach().sigmoid() - EYE) / 4)
    assert (g.grad[EYE == 1] < 0).all() and (g.grad[EYE == 0] > 0).all()


@pytest.mark.parametrize("norm", ["row", "frobenius"])
def test_gradient_is_finite_where_norms_are_zero(norm: Any) -> None:
    """Ends that meet, predictions that are right, and an end at the origin."""
    u, p = (torch.tensor([[1.0, 0], [0, 0]], requires_grad=True) for _ in range(2))
    supervised_terms((u, u * 1), (p, p * 1), p.detach().bool().expand(2, 2, 2), norm=norm).total(1e-3, 0.1).backward()
    for leaf in (u, p):
        assert leaf.grad is not None and leaf.grad.isfinite().all()


@pytest.mark.parametrize("norm", ["row", "frobenius"])
def test_loss_knows_neither_the_order_of_tables_nor_that_of_pairs(norm: Any) -> None:
    def total(terms: Terms) -> float:
        return float(terms.total(0.5, 0.1))

    given, order = drawn(), torch.tensor([3, 1, 5, 0, 4, 2])
    wanted = total(supervised_terms(**given, norm=norm))
    (u, v), (p, q), classes = given["ends"], given["logits"], given["classes"]
    assert total(supervised_terms((v, u), (q, p), classes, norm=norm)) == pytest.approx(wanted, rel=1e-5)
    ends, logits = (u[order], v[order]), (p[order], q[order])
    found = supervised_terms(ends, logits, classes[:, order], norm=norm)
    assert total(found) == pytest.approx(wanted, rel=1e-5)


def test_a_pair_of_weight_2_counts_as_the_pair_twice() -> None:
    given = drawn()
    twice = [0, 1, 2, 3, 4, 5, 5]
    weighted = supervised_terms(**given, weight=torch.tensor([1.0, 1, 1, 1, 1, 2]))
    listed = supervised_terms(
        (given["ends"][0][twice], given["ends"][1][twice]),
        (given["logits"][0][twice], given["logits"][1][twice]),
        given["classes"][:, twice],
    )
    assert [*map(float, weighted)] == pytest.approx([*map(float, listed)], rel=1e-5)


def test_presets_are_what_they_were() -> None:
    code = (2048, 1024, 1e-3, 1e-1, "row", "count", 500, 100, 1e-4, False, False, False)
    assert tuple(PRESETS["code"]) == code
    assert tuple(PRESETS["paper"]) == (*code[:4], "frobenius", *code[5:])
    ours = (512, 256, *code[2:5], "binary", 20, 100, 1e-3, True, True, False)
    assert tuple(DSCMR().settings) == tuple(PRESETS["ours"]) == ours
    assert DSCMR("code", epochs=3, shuffle=True).settings == Settings(epochs=3, shuffle=True)
    optimizer, scheduler = DSCMR("code", hidden=2, dim=2).optimizer(DSCMR(hidden=2, dim=2).empty(2, 2, 2), 1)
    assert optimizer.defaults["betas"] == (0.5, 0.999) and optimizer.defaults["weight_decay"] == 0
    assert scheduler is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "theirs"}, "DSCMR.preset: found 'theirs', wanted one of code, paper, ours"),
        ({"epochs": 0}, "epochs 0, batch_size 100, wanted at least 1 of each"),
        ({"lam": -1}, "lam -1, eta 0.1, lr .*, wanted at least 0, at least 0, above 0"),
        ({"norm": "l1"}, "norm 'l1', similarity 'binary', wanted row or frobenius"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        DSCMR(**options)


def gaussians(rows: int = 300) -> tuple[Tensor, Tensor, Tensor]:
    """Three separable classes in both tables, 64 wide each."""
    draw = torch.Generator().manual_seed(0)
    label = torch.arange(rows) % 3
    one, two = (3 * torch.randn(3, 64, generator=draw)[label] + torch.randn(rows, 64, generator=draw) for _ in range(2))
    return one, two, torch.nn.functional.one_hot(label, 3).bool()


def map_of(new: Tensor, known: Tensor, **options: Any) -> float:
    """Mean average precision by class of 100 new rows, after 200 steps on 200 known pairs of these classes."""
    source, target, member = gaussians()
    labels: dict[Side, Tensor] = {"source": torch.cat([known, new]), "target": torch.cat([known, new])}
    small = DSCMR("code", hidden=64, dim=32, epochs=100, lr=1e-3, batch_size=100, **options)
    space = small.fit(source, target, torch.arange(200).repeat(2, 1), labels=labels)
    with torch.inference_mode():
        scores = space.source(source[200:]) @ space.target(target[200:]).T
    return float(average_precision(scores, member[200:].float() @ member[200:].float().T > 0).mean())


def test_classes_are_learnt() -> None:
    member = gaussians()[2]
    assert map_of(member[200:], member[:200]) > 0.95


def test_nothing_is_learnt_from_shuffled_classes() -> None:
    """Without J3: that ends of a pair are near is true whatever their classes."""
    member, draw = gaussians()[2], torch.Generator().manual_seed(0)
    found = [map_of(member[200:], member[torch.randperm(200, generator=draw)], eta=0.0) for _ in range(5)]
    assert sum(found) / 5 == pytest.approx(1 / 3, abs=0.05)
