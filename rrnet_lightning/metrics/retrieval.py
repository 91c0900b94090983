"""Retrieval both ways: how high the relevant targets of a source stand, and the relevant sources of a target."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

from rrnet_lightning.metrics.average_precision import ranked_precision
from rrnet_lightning.metrics.ranks import Ranking, rank

DIRECTIONS = ("source", "target")
MISSED = [f"{side}_{kind}" for side in DIRECTIONS for kind in ("missed", "missed_class")]


def retrieval_metrics(prefix: str, k: Sequence[int], map_at: int | None) -> MetricCollection:
    """Return fresh metrics that share one :class:`Retrieval`; see there for the names and for what updates them."""
    table = Retrieval(k, map_at)
    parts: dict[str, Metric | MetricCollection] = {
        name: _Part(table, name, feeds=i == 0) for i, name in enumerate(table.names)
    }
    return MetricCollection(parts, prefix=prefix, compute_groups=False)


def by_query(metrics: MetricCollection) -> dict[str, dict[str, Tensor]]:
    """Return each direction's metrics of single queries, [Q] in the order of their rows: recall@k, mrr and map.

    Queries without a relevant item are left out: by pair in recall and mrr, by class in map.

    Args:
        metrics: made by :func:`retrieval_metrics`, with all pairs added.
    """
    part = next(iter(metrics.values()))
    assert isinstance(part, _Part)
    return {side: part.table.by_query(*part.table.ranked(i)[:2]) for i, side in enumerate(DIRECTIONS)}


class Retrieval(Metric):
    """Keeps every scored pair of a stage and ranks at the end: a batch, or a process, may hold a part of a query.

    Every quantity is the mean over a direction's queries with a relevant item; ties count by their expectation over
    all orders (:class:`rrnet_lightning.metrics.ranks.Ranking` has the closed forms). Ranks are those in the whole
    table: a relevant item that is no candidate counts with the rank that it is given.

    ``recall@k``: share of queries with a relevant item among the k best. ``median_rank``: median of the expected ranks
    of the first relevant item. ``mrr``: 1 / that item's rank. ``map``, ``ndcg``: over all ranks, or, as ``map@K`` and
    ``ndcg@K``, over the K best (Z: found); binary relevance, by class where the data say it. ``candidate_recall``:
    share of the relevant pairs that are candidates. Each is there as ``source/<name>`` (the queries are sources) and
    ``target/<name>``; ``recall@k``, ``mrr`` and ``map`` also as the mean of the two. NaN where there is no query.

    Memory: 28 bytes a pair of the stage, in each process of all processes, and 16 a missed rank.
    """

    rows: list[Tensor] | Tensor
    scores: list[Tensor] | Tensor
    flags: list[Tensor] | Tensor

    def __init__(self, k: Sequence[int], map_at: int | None) -> None:
        super().__init__()
        self.k, self.at, self.map_at = list(k), "" if map_at is None else f"@{map_at}", map_at
        self._empty = {
            "rows": torch.zeros(0, 2, dtype=torch.long),
            "scores": torch.zeros(0, dtype=torch.double),
            "flags": torch.zeros(0, 4, dtype=torch.uint8),
            **{name: torch.zeros(0, 2, dtype=torch.long) for name in MISSED},
        }
        for name in self._empty:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    @property
    def names(self) -> list[str]:
        """What :meth:`compute` returns."""
        means = [f"recall@{k}" for k in self.k] + ["mrr", f"map{self.at}"]
        own = [*means, "median_rank", f"ndcg{self.at}", "candidate_recall"]
        return means + [f"{side}/{name}" for side in DIRECTIONS for name in own]

    def update(
        self, preds: Tensor, rows: Tensor, target: Tensor, relevant: Tensor, asks: Tensor, missed: Sequence[Tensor]
    ) -> None:
        """Add the scored pairs of one batch.

        Shapes:
            preds: [E] float. rows: [2, E] long, source and target in the full data. target, relevant: [E] bool, the
            pair belongs together; shares a class. asks: [E, 2] bool, the pair's source asks it, its target does.
            missed: four of [M, 2] long, query and rank: of sources by pair, by class; of targets by pair, by class.
        """
        self._add("rows", rows.T)
        self._add("scores", preds.double())
        self._add("flags", torch.cat([torch.stack([target, relevant], 1), asks], 1).to(torch.uint8))
        for name, ranks in zip(MISSED, missed, strict=True):
            self._add(name, ranks)

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Join the processes' pairs; one without any brings empty tensors of the right kind."""
        for name in self._empty:
            if not len(getattr(self, name)):
                setattr(self, name, [self._empty[name].to(self.device)])
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        """Return every metric by its name, as scalars."""
        values: dict[str, Tensor] = {}
        for i, side in enumerate(DIRECTIONS):
            values |= {f"{side}/{name}": value for name, value in self._direction(i).items()}
        for name in self.names:
            if "/" not in name:
                values[name] = torch.stack([values[f"{side}/{name}"] for side in DIRECTIONS]).nanmean()
        return values

    def ranked(self, side: int) -> tuple[Ranking, Ranking, Tensor]:
        """Rankings of a direction's queries, with relevance by pair and by class; true pairs that are candidates."""
        flags = self._all("flags").bool()
        asked = flags[:, 2 + side]
        query, scores, flags = self._all("rows")[asked, side], self._all("scores")[asked], flags[asked]
        own, by_class = (self._all(name) for name in MISSED[2 * side : 2 * side + 2])
        pairs, _ = rank(query, scores, flags[:, 0], own)
        no_class = torch.equal(flags[:, 0], flags[:, 1]) and torch.equal(own, by_class)
        classes = pairs if no_class else rank(query, scores, flags[:, 1], by_class)[0]
        return pairs, classes, flags[:, 0].sum()

    def by_query(self, pairs: Ranking, classes: Ranking) -> dict[str, Tensor]:
        """Metrics of single queries, see :func:`by_query`."""
        some, any_class = pairs.num_relevant > 0, classes.num_relevant > 0
        values = {f"recall@{k}": pairs.recall(k)[some] for k in self.k}
        values["mrr"] = pairs.reciprocal_rank()[some]
        values[f"map{self.at}"] = ranked_precision(classes, self.map_at)[any_class]
        return values

    def _direction(self, side: int) -> dict[str, Tensor]:
        pairs, classes, found = self.ranked(side)
        some, any_class = pairs.num_relevant > 0, classes.num_relevant > 0
        values = {name: each.mean() for name, each in self.by_query(pairs, classes).items()}
        values["median_rank"] = pairs.first_rank()[some].quantile(0.5) if some.any() else values["mrr"]
        values[f"ndcg{self.at}"] = classes.ndcg(self.map_at)[any_class].mean()
        values["candidate_recall"] = found / pairs.num_relevant.sum()
        return {name: value.float() for name, value in values.items()}

    def _add(self, name: str, values: Tensor) -> None:
        getattr(self, name).append(values.detach())

    def _all(self, name: str) -> Tensor:
        kept: Tensor | list[Tensor] = getattr(self, name)
        return dim_zero_cat(kept) if len(kept) else self._empty[name].to(self.device)


class _Part(Metric):
    """One value of a shared table. The first part hands on what all are updated with."""

    def __init__(self, table: Retrieval, name: str, feeds: bool) -> None:
        super().__init__(compute_with_cache=False)
        self.table, self.name, self.feeds = table, name, feeds

    def update(self, **batch: Any) -> None:
        if self.feeds:
            self.table.update(**batch)

    def compute(self) -> Tensor:
        return self.table.compute()[self.name]

    def reset(self) -> None:
        super().reset()
        self.table.reset()
