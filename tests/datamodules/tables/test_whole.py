"""Metrics of scores of every pair."""

import pytest
import torch
from torch import Tensor

from rrnet_lightning.datamodules.tables import whole
from tests.datamodules.tables.two_tables import task


@pytest.mark.parametrize("best", [1000, 3])
def test_ranks_are_those_of_all_scores(best: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few of the ranking are kept."""
    monkeypatch.setattr(whole, "BEST", best)
    rng = torch.Generator().manual_seed(0)
    tables: list[Tensor] = [torch.randn(120, width, generator=rng) for width in (8, 10)]
    (view,) = task(tables).views("test")
    scores = {"source": torch.randn(30, 30, generator=rng), "target": torch.randn(30, 30, generator=rng)}
    metrics = whole.whole_metrics(view, scores).compute()  # type: ignore[arg-type]
    for side, each in scores.items():
        ranks = (each > each.diagonal()[:, None]).sum(1) + 1
        assert metrics[f"{side}/recall@1"] == pytest.approx(float((ranks == 1).float().mean()))
        assert metrics[f"{side}/map"] == pytest.approx(float((1 / ranks).mean()))
