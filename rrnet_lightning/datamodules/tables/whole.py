"""Metrics of a ranking that is not RR-Net's: of scores of every query and every row that it searches."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from rrnet_lightning.candidates.retrieval.space import SIDES, Side, other
from rrnet_lightning.datamodules.tables.rows import place
from rrnet_lightning.datamodules.tables.view import View, search
from rrnet_lightning.objectives import RankingObjective

BEST = 1000  # items of a ranking that are kept; behind them the ranks of what is relevant


def whole_metrics(view: View, scores: Mapping[Side, Tensor]) -> MetricCollection:
    """Return the metrics of :class:`RankingObjective`, to be computed, as a test of RR-Net on the same view has them.

    Shapes:
        scores: [queries, base] of each side, more is better.

    Memory grows with queries · base.
    """
    view, metrics = replace(view, top_k=BEST), RankingObjective().metrics("")
    for number, side in enumerate(SIDES):
        queries, base = view.queries[side], view.base[other(side)]
        found = search(view, side, queries, scores[side].clone())
        asks = torch.zeros(len(found.y), 2, dtype=torch.bool)
        asks[:, number] = True
        missed = [queries.new_zeros(0, 2)] * 4
        for kind, ranks in enumerate((found.missed, found.missed if found.relevant is None else found.missed_class)):
            assert ranks is not None
            query, column = (ranks > 0).nonzero(as_tuple=True)
            missed[2 * number + kind] = torch.stack([queries[query], ranks[query, column]], 1)
        preds = scores[side][place(found.pairs[number], queries), place(found.pairs[1 - number], base)]
        relevant = found.y if found.relevant is None else found.relevant
        metrics.update(preds=preds, rows=found.pairs, target=found.y, relevant=relevant, asks=asks, missed=missed)
    return metrics
