import math
import statistics
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from rrnet_lightning.metrics import retrieval_metrics
from rrnet_lightning.metrics.retrieval import Retrieval, by_query
from tests.metrics import plain

NONE = torch.zeros(0, 2).long()


def pairs(seed: int = 0, count: int = 40) -> dict[str, Any]:
    """Pairs of 12 sources and 10 targets with few distinct scores; each asked from one side or both."""
    rng = torch.Generator().manual_seed(seed)
    flat = torch.randperm(120, generator=rng)[:count]
    asks = torch.rand(count, 2, generator=rng) < 0.7
    asks[:, 0] |= ~asks[:, 1]
    return {
        "preds": torch.randint(4, (count,), generator=rng).float(),
        "rows": torch.stack([flat // 10 + 50, flat % 10 + 70]),
        "target": torch.rand(count, generator=rng) < 0.2,
        "relevant": torch.rand(count, generator=rng) < 0.4,
        "asks": asks,
        "missed": (
            torch.tensor([[50, 13], [53, 20], [53, 15]]),
            torch.tensor([[52, 14]]),
            torch.tensor([[70, 15], [75, 17]]),
            torch.tensor([[70, 13], [71, 14]]),
        ),
    }


def part(batch: dict[str, Any], mask: Tensor, missed: Sequence[Tensor] | None = None) -> dict[str, Any]:
    cut = {name: value[mask] for name, value in batch.items() if name not in ("rows", "missed")}
    return {**cut, "rows": batch["rows"][:, mask], "missed": batch["missed"] if missed is None else missed}


def expected(batch: dict[str, Any], side: int, map_at: int | None) -> dict[str, float]:
    """One direction, query by query."""
    values: dict[str, list[float]] = {
        "recall@1": [],
        "recall@5": [],
        "mrr": [],
        "median_rank": [],
        "map": [],
        "ndcg": [],
    }
    held = 0
    for q in range(50, 80):
        own = (batch["rows"][side] == q) & batch["asks"][:, side]
        scores = batch["preds"][own].tolist()
        by_pair, by_class = (
            (batch[name][own].tolist(), [at for query, at in missed.tolist() if query == q])
            for name, missed in zip(("target", "relevant"), batch["missed"][2 * side : 2 * side + 2], strict=True)
        )
        held += sum(by_pair[0])
        if any(by_pair[0]) or by_pair[1]:
            for k in (1, 5):
                values[f"recall@{k}"].append(plain.mean(lambda o, k=k: plain.first(o) <= k, scores, *by_pair))  # type: ignore[misc]
            values["mrr"].append(plain.mean(lambda o: 1 / plain.first(o), scores, *by_pair))
            values["median_rank"].append(plain.mean(plain.first, scores, *by_pair))
        if any(by_class[0]) or by_class[1]:
            values["map"].append(plain.mean(lambda o: plain.precision(o, map_at), scores, *by_class))
            values["ndcg"].append(plain.mean(lambda o: plain.ndcg(o, map_at), scores, *by_class))
    found = {name: statistics.fmean(each) for name, each in values.items()}
    all_pairs = held + len(batch["missed"][2 * side])
    found |= {"median_rank": statistics.median(values["median_rank"]), "candidate_recall": held / all_pairs}
    return found


@pytest.mark.parametrize("map_at", [None, 3])
def test_both_ways_over_batches_as_query_by_query(map_at: int | None) -> None:
    """Batches cut a target's pairs apart, and tell a node's missed ranks more than once."""
    batch, metrics = pairs(), retrieval_metrics("val/", (1, 5), map_at)
    even = batch["rows"][0] % 2 == 0
    metrics.update(**part(batch, even))
    metrics.update(**part(batch, ~even))
    found = {name: value.item() for name, value in metrics.compute().items()}
    wanted: dict[str, float] = {}
    at = "" if map_at is None else f"@{map_at}"
    sides = [expected(batch, side, map_at) for side in (0, 1)]
    for name in sides[0]:
        label = name + at * (name in ("map", "ndcg"))
        wanted |= {f"val/source/{label}": sides[0][name], f"val/target/{label}": sides[1][name]}
        if name in ("recall@1", "recall@5", "mrr", "map"):
            wanted[f"val/{label}"] = (sides[0][name] + sides[1][name]) / 2
    assert found == pytest.approx(wanted, abs=1e-6)


def test_by_hand() -> None:
    """Source 0 finds its target second; 1 only as number 7, which is no candidate; 2 has none and does not count."""
    metrics = retrieval_metrics("", (1, 2), None)
    metrics.update(
        preds=torch.tensor([0.2, 0.9, 0.5, 0.3]),
        rows=torch.tensor([[0, 0, 1, 2], [0, 1, 1, 1]]),
        target=torch.tensor([True, False, False, False]),
        relevant=torch.tensor([True, False, False, False]),
        asks=torch.ones(4, 2).bool(),
        missed=(torch.tensor([[1, 7]]),) * 2 + (NONE,) * 2,
    )
    found = {name: value.item() for name, value in metrics.compute().items()}
    assert {name: value for name, value in found.items() if name.startswith("source/")} == pytest.approx(
        {
            "source/recall@1": 0,
            "source/recall@2": 0.5,
            "source/mrr": (1 / 2 + 1 / 7) / 2,
            "source/map": (1 / 2 + 1 / 7) / 2,
            "source/ndcg": (1 / math.log2(3) + 1 / 3) / 2,
            "source/median_rank": 4.5,
            "source/candidate_recall": 0.5,
        }
    )
    assert found["target/recall@1"] == 1 and found["recall@1"] == 0.5 and found["target/candidate_recall"] == 1
    single = by_query(metrics)
    assert single["source"]["recall@2"].tolist() == [1, 0] and single["target"]["recall@1"].tolist() == [1]
    assert single["source"]["map"].tolist() == pytest.approx([1 / 2, 1 / 7])


def test_a_direction_without_queries_is_no_number_and_leaves_the_mean_to_the_other() -> None:
    batch, metrics = pairs(), retrieval_metrics("", (1,), None)
    metrics.update(**{**batch, "asks": torch.tensor([[True, False]]).expand(40, 2), "missed": (NONE,) * 4})
    found = metrics.compute()
    assert all(value.isnan() for name, value in found.items() if name.startswith("target/"))
    assert found["recall@1"] == found["source/recall@1"] and not found["map"].isnan()


def test_reset_forgets_and_computing_twice_is_stable() -> None:
    batch, metrics = pairs(), retrieval_metrics("", (1,), None)
    metrics.update(**pairs(3))
    metrics.compute()
    metrics.reset()
    metrics.update(**batch)
    fresh = retrieval_metrics("", (1,), None)
    fresh.update(**batch)
    assert metrics.compute() == fresh.compute() == metrics.compute()


def test_processes_are_joined_also_where_one_has_no_pair() -> None:
    """As torchmetrics gathers: each state of all processes, in turn."""
    batch = pairs()
    low = batch["rows"][0] < 55
    parts = [part(batch, low), part(batch, ~low, (NONE,) * 4), None]
    others = [Retrieval((1,), None) for _ in parts]
    for metric, each in zip(others, parts, strict=True):
        if each is not None:
            metric.update(**each)
    states: list[list[Tensor]] = [[] for _ in parts]
    for metric, kept in zip(others, states, strict=True):
        metric.dist_sync_fn = lambda value, group=None, kept=kept: kept.append(value) or [value]
        metric.distributed_available_fn = lambda: True
        metric.compute()
    assert [value.dtype for value in states[2]] == [value.dtype for value in states[0]]
    whole, (joined, turn) = Retrieval((1,), None), (others[2], iter(range(99)))
    joined.reset()
    joined.dist_sync_fn = lambda value, group=None: [each[i] for i in [next(turn)] for each in states]
    whole.update(**batch)
    wanted = {name: value.item() for name, value in whole.compute().items()}
    joined._update_count = 1
    assert {name: value.item() for name, value in joined.compute().items()} == pytest.approx(wanted, nan_ok=True)
