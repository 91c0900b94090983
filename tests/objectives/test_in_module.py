"""Ranking through the trainer: batches of a few sources measure what the whole graph does."""

from pathlib import Path

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader
from torch_geometric.data import HeteroData

from rrnet_lightning.graph import INTER, SOURCE, TARGET, NeighborSampler, validate
from rrnet_lightning.module import RRNetModule, asked_of
from rrnet_lightning.objectives import RankingObjective
from tests.graphs import EDGE_DIM, random_graph


def table() -> HeteroData:
    """Every edge is supervised and passes no message; some true pairs are missed."""
    data = random_graph(dtype=torch.float)
    rng = torch.Generator().manual_seed(0)
    inter = data[INTER]
    inter.supervised, inter.message = torch.ones(20).bool(), torch.zeros(20).bool()
    inter.asks = torch.rand(20, 2, generator=rng) < 0.7
    inter.asks[:, 1] |= ~inter.asks[:, 0]
    inter.relevant = torch.rand(20, generator=rng) < 0.5
    data[SOURCE].n_id, data[TARGET].n_id = torch.arange(8) + 100, torch.arange(6) + 200
    for side, count in ((SOURCE, 8), (TARGET, 6)):
        for name in ("missed", "missed_class"):
            data[side][name] = torch.randint(9, 20, (count, 2), generator=rng)
            data[side][name][::2] = -1
            data[side][name][1::2, 1] = -1
    validate(data)
    return data


def validated(data: list[HeteroData], module: RRNetModule, folder: Path) -> dict[str, float]:
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = L.Trainer(accelerator="cpu", default_root_dir=folder, **off)  # type: ignore[arg-type]
    loader = DataLoader(data, batch_size=None)  # type: ignore[arg-type, var-annotated]
    return dict(trainer.validate(module, loader, verbose=False)[0])


def test_sampled_batches_measure_what_the_whole_graph_does(tmp_path: Path) -> None:
    data = table()
    torch.manual_seed(0)
    module = RRNetModule(4, 3, EDGE_DIM, 8, objective=RankingObjective(k=(1, 2)))
    whole = validated([data], module, tmp_path)
    sampler = NeighborSampler(data, [-1, -1, -1], targets_whole=0)
    parts = [sampler.sample(data, seeds) for seeds in data[INTER].edge_index[0].unique().split(3)]
    found = validated(parts, module, tmp_path)
    assert len(whole) == 1 + 2 * 7 + 4 and "val/source/recall@2" in whole and "val/map" in whole
    same = {name: value for name, value in whole.items() if name != "val/loss"}  # which is a mean of batches' means
    assert {name: found[name] for name in same} == pytest.approx(same, abs=1e-6)
    assert validated([data], module, tmp_path) == whole  # nothing is left over from the run before


def test_what_a_batch_asks_is_read_from_its_fields() -> None:
    data = table()
    data[INTER].supervised[::2] = False
    asked = asked_of(data, torch.double)
    inter, chosen = data[INTER], data[INTER].supervised
    assert asked.y.dtype == torch.double and torch.equal(asked.ends, inter.edge_index[:, chosen])
    assert asked.rows is not None and torch.equal(asked.rows, asked.ends + torch.tensor([[100], [200]]))
    assert asked.asks is not None and torch.equal(asked.asks, inter.asks[chosen])
    assert asked.relevant is not None and torch.equal(asked.relevant, inter.relevant[chosen])
    for found, (side, first, name) in zip(
        asked.missed,
        [
            (SOURCE, 100, "missed"),
            (SOURCE, 100, "missed_class"),
            (TARGET, 200, "missed"),
            (TARGET, 200, "missed_class"),
        ],
        strict=True,
    ):
        wanted = [[first + i, at] for i, ranks in enumerate(data[side][name].tolist()) for at in ranks if at > 0]
        assert found.tolist() == wanted
    del inter.relevant, inter.asks
    asked = asked_of(data, torch.float)
    assert asked.relevant is None and asked.asks is None and torch.equal(asked.missed[1], asked.missed[0])
    del data[SOURCE].missed
    assert asked_of(data, torch.float).missed[0].shape == (0, 2)


def test_training_with_a_ranking_reports_and_learns(tmp_path: Path) -> None:
    data = table()
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    module = RRNetModule(
        4, 3, EDGE_DIM, 8, objective=RankingObjective(), optimizer=lambda params: torch.optim.Adam(params, lr=0.02)
    )
    trainer = L.Trainer(accelerator="cpu", default_root_dir=tmp_path, max_epochs=60, **off)  # type: ignore[arg-type]
    loader = DataLoader([data], batch_size=None)  # type: ignore[arg-type, var-annotated]
    before = validated([data], module, tmp_path)
    trainer.fit(module, loader, loader)
    assert trainer.callback_metrics["val/loss"] < 0.7 * before["val/loss"]
    assert trainer.callback_metrics["val/mrr"] > before["val/mrr"]
    assert "val/mrr" in trainer.progress_bar_metrics and "val/source/mrr" not in trainer.progress_bar_metrics
