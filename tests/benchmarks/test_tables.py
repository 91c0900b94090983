"""The benchmark of two tables: rows, resuming, and the table of differences."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from benchmarks.common.files import read_rows
from benchmarks.tables import tasks
from benchmarks.tables.command import main
from benchmarks.tables.rows import Row, unpack
from rrnet_lightning.candidates.retrieval import CCA
from rrnet_lightning.evidence.seen import Bridges


def small() -> tuple[Tensor, Tensor, Tensor | None]:
    rng = torch.Generator().manual_seed(0)
    hidden, label = torch.randn(90, 5, generator=rng), torch.arange(90) % 10
    left, right = (hidden @ torch.randn(5, width, generator=rng) for width in (6, 7))
    return left + 0.3 * torch.randn(90, 6, generator=rng), right + 0.3 * torch.randn(90, 7, generator=rng), label


def interval(rows: dict[tuple[str, int], Row], one: str, other: str) -> tuple[float, float]:
    """Of the difference in recall@1, in %, over the queries of both splits: mean ± t sd / sqrt(n), by NumPy."""
    ours, theirs = (
        np.concatenate([unpack(rows[model, split].queries["recall@1"]) for split in (0, 1)]) for model in (one, other)
    )
    assert len(ours) == 120 and theirs[60:].mean() == pytest.approx(rows[other, 1].metrics["recall@1"])
    gain = 100 * (ours - theirs)  # 30 new pairs, both ways, in two splits
    half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / len(gain) ** 0.5
    return gain.mean() - half, gain.mean() + half


def test_models_run_in_both_modes_and_are_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    relations = Bridges(neighbours=4, hubness=3, supports=2, classes=True)
    task = tasks.Task(small, 60, 6, {"generator": CCA(), "relations": relations, "top_k": 5, "repeats": 1}, 0.2)
    monkeypatch.setitem(tasks.TASKS, "halves", task)
    monkeypatch.setattr("benchmarks.tables.models.EPOCHS", 1)
    args = ["--task", "halves", "--splits", "2", "--out", str(tmp_path / "small")]
    args += [
        "--models",
        "generator",
        "csls",
        "csls-test",
        "self-training",
        "linear",
        "pair-mlp",
        "rrnet-no-bridge",
        "rrnet",
    ]
    assert main(args) == 0
    said = capsys.readouterr().out
    assert said.count("split 0") == 16 and "split 1, rrnet+sinkhorn, transductive" in said
    table = (tmp_path / "small.md").read_text()
    assert "## Inductive" in table and "| generator | – |" in table and "| csls | known rows |" in table
    assert (
        "| rrnet | known rows, labels |" in table
        and "| csls-test | other test queries |" in table
        and "| rrnet+sinkhorn minus | recall@1 | recall@10 | map |" in table
    )
    rows = {(row.model, row.split): row for row in read_rows(tmp_path / "small.jsonl", Row) if row.mode == "inductive"}
    low, high = interval(rows, "rrnet", "csls")
    line = next(line for line in table.splitlines() if line.startswith("| csls |") and line.count("[") > 2)
    assert f"([{low:+.2f}, {high:+.2f}])" in line
    assert sum(unpack(rows["csls", 1].queries["map"])) / 60 == pytest.approx(rows["csls", 1].metrics["map"], abs=1e-3)
    assert main(args) == 0
    assert "split 0" not in capsys.readouterr().out
    assert (tmp_path / "small.jsonl").read_text().count("\n") == 32
