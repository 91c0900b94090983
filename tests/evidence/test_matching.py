import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rrnet_lightning.candidates.retrieval import CCA, rank_of
from rrnet_lightning.errors import DataError
from rrnet_lightning.evidence.matching import Rule, csls_scores, hubness, mutual_nearest, self_training
from tests.candidates.retrieval.tables import scores, tables


def unit(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=1)


def plain_csls(query: Tensor, base: Tensor, bank_query: Tensor, bank_base: Tensor, k: int) -> Tensor:
    found = torch.empty(len(query), len(base))
    for i, q in enumerate(query):
        for j, b in enumerate(base):
            r_q = sorted((bank_base @ q).tolist())[-k:]
            r_b = sorted((bank_query @ b).tolist())[-k:]
            found[i, j] = 2 * (q @ b) - sum(r_q) / k - sum(r_b) / k
    return found


def test_csls_is_that_of_a_loop() -> None:
    query, base, bank_query, bank_base = unit(5, 3), unit(7, 3, seed=1), unit(9, 3, seed=2), unit(8, 3, seed=3)
    wanted = plain_csls(query, base, bank_query, bank_base, 4)
    torch.testing.assert_close(csls_scores(query, base, bank_query, bank_base, 4), wanted)


def test_csls_of_two_queries_by_hand() -> None:
    """Cosines [[.9, .8], [.9, .2]], k = 1, the rows themselves as banks: [[0, -.1], [0, -1.3]]."""
    query, base = torch.eye(2), torch.tensor([[0.9, 0.9], [0.8, 0.2]])
    wanted = torch.tensor([[0.0, -0.1], [0.0, -1.3]])
    torch.testing.assert_close(csls_scores(query, base, query, base, 1), wanted)


def test_csls_takes_from_a_hub_what_it_has_of_all() -> None:
    base = torch.cat([unit(20, 3), F.normalize(unit(20, 3).mean(0, keepdim=True), dim=1)])
    assert hubness(base, unit(20, 3), 20).argmax() == 20


@pytest.mark.parametrize("chunk", [1, 5, 100])
@pytest.mark.parametrize("rule", ["cosine", "csls"])
def test_mutual_nearest_are_each_others_best(rule: Rule, chunk: int) -> None:
    source, target = unit(30, 4), unit(23, 4, seed=1)
    table = source @ target.T if rule == "cosine" else plain_csls(source, target, source, target, 5)
    wanted = [(i, int(row.argmax())) for i, row in enumerate(table) if table[:, row.argmax()].argmax() == i]
    found = mutual_nearest(source, target, rule=rule, k=5, chunk=chunk)
    assert found.T.tolist() == [list(pair) for pair in wanted] and 3 < len(wanted) < 23


def test_mutual_nearest_of_equal_rows_are_the_first() -> None:
    source, target = torch.eye(2)[[0, 0, 1]], torch.eye(2)[[1, 0, 0]]
    for chunk in (1, 3):
        assert mutual_nearest(source, target, rule="cosine", chunk=chunk).tolist() == [[0, 2], [1, 0]]
    assert mutual_nearest(source[:0], target).shape == mutual_nearest(source, target[:0]).shape == (2, 0)


def test_self_training_finds_more_than_the_known_pairs_tell() -> None:
    source, target, pairs = tables(400, 8, noise=0.3, widths=(12, 12))
    new, generator = torch.arange(8, 400).repeat(2, 1), CCA(regularization=0.01)
    means = []
    for rounds in (0, 4):
        space = self_training(generator, source, target, pairs, rounds=rounds)
        means.append((rank_of(space.source(source), space.target(target), new) == 1).float().mean())
    assert means[1] > 1.2 * means[0], means
    alone = generator.fit(source, target, pairs)
    again = self_training(generator, source, target, pairs, rounds=0)
    assert scores(again, source, target).equal(scores(alone, source, target))


def test_rows_with_a_known_partner_find_no_other() -> None:
    """All sources are taken: nothing joins, whatever the other targets say."""
    source, target, pairs = tables(60, 40)
    weight = torch.linspace(1, 2, 40)
    one = self_training(CCA(), source[:40], target, pairs, weight)
    other = CCA().fit(source[:40], target, pairs, weight)
    assert scores(one, source, target).equal(scores(other, source, target))


@pytest.mark.parametrize(
    ("message", "act"),
    [
        ("k: found 6, wanted 1 to 5", lambda s, t: csls_scores(s, t, s, t[:5], 6)),
        ("search: found rows [8, 3] and [8, 2]", lambda s, t: csls_scores(s, t[:, :2], s, t)),
        ("rule: found best with k 10", lambda s, t: mutual_nearest(s, t, rule="best")),  # type: ignore[arg-type]
        ("rule: found csls with k 0", lambda s, t: mutual_nearest(s, t, k=0)),
        ("rounds: found -1", lambda s, t: self_training(CCA(), s, t, torch.arange(4).repeat(2, 1), rounds=-1)),
    ],
)
def test_what_cannot_be_matched_is_named(message: str, act: Callable[[Tensor, Tensor], object]) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        act(unit(8, 3), unit(8, 3, seed=1))
