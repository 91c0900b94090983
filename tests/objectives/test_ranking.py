import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rrnet_lightning.objectives import Asked, MappingObjective, Objective, RankingObjective, describe, rebuild, sinkhorn

ENDS = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 4], [0, 1, 2, 0, 3, 1, 3, 3]])
Y = torch.tensor([1.0, 0, 1, 0, 1, 0, 0, 1], dtype=torch.double)
ASKS = torch.tensor([[1, 0], [1, 1], [1, 1], [1, 1], [0, 1], [1, 1], [1, 1], [1, 1]]).bool()


def logits(seed: int = 0) -> Tensor:
    return torch.randn(8, dtype=torch.double, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def plain_loss(values: Tensor, asks: Tensor | None, temperature: float) -> Tensor:
    """Mean over the queries of both sides with a true pair of -mean log-probability of their true pairs, by loops."""
    terms = []
    for side in (0, 1):
        for node in range(5):
            own = ENDS[side] == node if asks is None else (ENDS[side] == node) & asks[:, side]
            if Y[own].any():
                terms.append(-(values[own] / temperature).log_softmax(0)[Y[own] > 0].mean())
    return torch.stack(terms).mean()


@pytest.mark.parametrize("asks", [None, ASKS])
def test_softmax_loss_runs_over_what_each_side_asks(asks: Tensor | None) -> None:
    values, objective = logits(), RankingObjective(temperature=0.7)
    loss, wanted = objective.loss(values, Asked(ENDS, Y, asks)), plain_loss(values, asks, 0.7)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-12)
    gradients = [torch.autograd.grad(value, values)[0] for value in (loss, wanted)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_sources_alone_learn_what_a_mapping_learns() -> None:
    asked = Asked(ENDS, Y, torch.tensor([[True, False]]).expand(8, 2))
    objectives: list[Objective] = [RankingObjective(), MappingObjective()]
    losses, units = zip(*[(o.loss(logits(), asked), o.units(asked)) for o in objectives], strict=True)
    torch.testing.assert_close(*losses)
    assert units[0] == units[1] == 3


@pytest.mark.parametrize(("loss", "wanted"), [("softmax", 6), ("per_edge", 8)])
def test_units(loss: Any, wanted: int) -> None:
    assert RankingObjective(loss).units(Asked(ENDS, Y)) == wanted  # sources 0, 1, 4; targets 0, 2, 3


def test_per_edge_loss_and_readout() -> None:
    objective, asked = RankingObjective("per_edge", temperature=2), Asked(ENDS, Y, ASKS)
    p = 1 / (1 + (-logits() / 2).exp())
    torch.testing.assert_close(objective.predict(logits(), asked), p)
    wanted = -torch.where(Y > 0, p, 1 - p).log().mean()
    torch.testing.assert_close(objective.loss(logits(), asked), wanted)


@pytest.mark.parametrize("loss", ["softmax", "per_edge"])
def test_nothing_to_learn_from_is_zero_loss_with_a_gradient(loss: Any) -> None:
    none = torch.zeros(0, requires_grad=True)
    RankingObjective(loss).loss(none, Asked(ENDS[:, :0], Y[:0])).backward()
    assert none.grad is not None
    assert RankingObjective().loss(logits(), Asked(ENDS, torch.zeros_like(Y))).item() == 0


def test_probabilities_are_over_the_sources_pairs() -> None:
    share = RankingObjective(temperature=0.5).predict(logits(), Asked(ENDS, Y, ASKS))
    torch.testing.assert_close(share[:3], (2 * logits()[:3]).softmax(0))
    assert share[-1] == 1


def test_assignment_readout_ranks_the_best_matching_first() -> None:
    """Both sources prefer target 0, and source 0 more so."""
    scores, ends = torch.tensor([3.0, 0.0, 1.0, 0.8]), torch.tensor([[0, 0, 1, 1], [0, 1, 0, 1]])
    objective, asked = RankingObjective(readout="assignment"), Asked(ends, torch.zeros(4))
    share = scores.view(2, 2).softmax(1).reshape(-1)
    torch.testing.assert_close(objective.predict(scores, asked), (share + torch.tensor([1.0, 0, 0, 1])) / 2)
    torch.testing.assert_close(objective.measured(scores, asked), scores + torch.tensor([4.0, 0, 0, 4]))


def test_sinkhorn_readout_asks_all_queries_together() -> None:
    asked = Asked(ENDS, Y)
    objective = RankingObjective(temperature=0.5, readout="sinkhorn")
    torch.testing.assert_close(objective.measured(logits(), asked), sinkhorn(2 * logits(), ENDS))
    torch.testing.assert_close(objective.predict(logits(), asked), sinkhorn(2 * logits(), ENDS).exp())
    assert torch.equal(RankingObjective().measured(logits(), asked), logits())


def test_update_counts_what_is_asked_by_rows_of_the_full_data() -> None:
    """Two batches of one source each; both ask target 7, node 0 in each. Source 4 misses its own, which is number 6."""
    objective = RankingObjective(k=(1,))
    metrics = objective.metrics("val/")
    for source, y, logit in ((3, 1.0, 0.1), (4, 0.0, 0.9)):
        rows, none = torch.tensor([[source], [7]]), torch.zeros(0, 2).long()
        missed = (torch.tensor([[4, 6]]), none, none, none)
        asked = Asked(torch.zeros(2, 1).long(), torch.tensor([y]), rows=rows, missed=missed)
        objective.update(metrics, torch.tensor([logit]), asked)
    found = metrics.compute()
    assert found["val/target/median_rank"] == 2 and found["val/source/median_rank"] == 3.5


def test_class_relevance_is_for_map_alone() -> None:
    objective = RankingObjective(k=(1,))
    metrics, relevant = objective.metrics(""), torch.tensor([True, True])
    objective.update(
        metrics,
        torch.tensor([2.0, 1]),
        Asked(torch.tensor([[0, 0], [0, 1]]), torch.tensor([0.0, 1]), relevant=relevant),
    )
    found = metrics.compute()
    assert found["source/map"] == 1 and found["source/ndcg"] == 1 and found["source/mrr"] == 0.5
    metrics.reset()
    objective.update(metrics, torch.tensor([2.0, 1]), Asked(torch.tensor([[0, 0], [0, 1]]), torch.tensor([0.0, 1])))
    assert metrics.compute()["source/map"] == 0.5  # by pair where no class is known


def test_a_share_of_the_target_mass_goes_to_classmates() -> None:
    """One source of four targets: the second is its own, the first two are of its class; then one without its own."""
    values = torch.tensor([0.3, -0.2, 1.0, 0.1, 0.5, -1.0])
    asked = Asked(
        torch.tensor([[0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 4, 5]]),
        torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
        asks=torch.tensor([[True, False]]).expand(6, 2),
        relevant=torch.tensor([True, True, False, False, True, False]),
    )
    objective = RankingObjective(class_share=0.4)
    first, second = values[:4].log_softmax(0), values[4:].log_softmax(0)
    expected = -(0.2 * first[0] + 0.8 * first[1] + second[0]) / 2
    assert float(objective.loss(values, asked)) == pytest.approx(float(expected), abs=1e-6)
    assert int(objective.units(asked)) == 2


def test_options_make_it_anew() -> None:
    options: dict[str, Any] = {"temperature": 0.5, "k": [1, 3], "map_at": 50, "readout": "sinkhorn"}
    options["class_share"] = 0.25
    objective = RankingObjective("per_edge", **options)
    described = describe(objective)
    assert described == {
        "class_path": "rrnet_lightning.objectives.RankingObjective",
        "init_args": {"loss": "per_edge", **options},
    }
    assert rebuild(described).options() == objective.options()


@pytest.mark.parametrize("module", ["rrnet_lightning.objectives", "rrnet_lightning.objectives.mapping"])
def test_class_paths_of_older_checkpoints_are_found(module: str) -> None:
    found = rebuild({"class_path": f"{module}.MappingObjective", "init_args": {"recall_at": [3]}})
    assert isinstance(found, MappingObjective) and found.recall_at == [3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_share": 1.0}, "class_share=1.0, wanted a share"),
        ({"temperature": 0.0}, "found temperature=0.0, wanted more than 0"),
        ({"temperature": math.nan}, "found temperature=nan"),
        ({"k": [1, 0]}, r"found k=\[1, 0\], map_at=None, wanted numbers of at least 1"),
        ({"map_at": 0}, "map_at=0, wanted"),
    ],
)
def test_impossible_options_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RankingObjective(**options)
