"""The number of threads: of the cores that may be used, by the size of the graph, unless the user says."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from torch_geometric.data import HeteroData

from rrnet_lightning.cli import threads
from rrnet_lightning.cli.command import main
from rrnet_lightning.cli.threads import SMALL, Threads, container_quota, edge_numbers, said_by_user, usable_cores
from rrnet_lightning.graph import INTER
from tests.command import mini, only_run, refused


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing said by the user, and three cores; the number of threads is put back."""
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_known", before)
    monkeypatch.setattr(threads, "usable_cores", lambda: 3)
    yield
    torch.set_num_threads(before)


def graph(edges: int) -> HeteroData:
    data = HeteroData()
    data[INTER].edge_index = torch.zeros(2, edges, dtype=torch.long)
    return data


def module(**hparams: int) -> Any:
    return SimpleNamespace(hparams=hparams)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
    ],
)
def test_container_quota_is_read_in_both_formats(tmp_path: Path, files: dict[str, str], cores: float | None) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    assert container_quota(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("max", 8), ("150000", 2), ("50000", 1), ("2000000", 8)])
def test_cores_are_those_of_affinity_and_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (tmp_path / "cpu.max").write_text(f"{quota} 100000")
    assert usable_cores(tmp_path) == cores


def test_size_counts_all_edges_times_the_width() -> None:
    data = graph(10)
    data["source", "intra", "source"].edge_index = torch.zeros(2, 5, dtype=torch.long)
    assert edge_numbers(data, 16) == 240


@pytest.mark.parametrize(
    ("width", "batch", "wanted"),
    [
        ({"hidden_dim": 16}, graph(SMALL // 16 - 1), 1),
        ({"hidden_dim": 16}, graph(SMALL // 16), 3),
        ({"rank": 50}, graph(SMALL // 50), 3),
        ({}, torch.zeros(1), 3),  # images, sounds
    ],
)
def test_threads_follow_from_the_batch(
    width: dict[str, int], batch: Any, wanted: int, caplog: pytest.LogCaptureFixture
) -> None:
    chooser = Threads()
    chooser.start()
    assert torch.get_num_threads() == 1
    with caplog.at_level(logging.INFO, "lightning.pytorch"):
        chooser.choose(module(**width), batch)
        chooser.choose(module(**width), graph(1))  # the first decides
    assert torch.get_num_threads() == wanted
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [f"threads: {wanted}"]


def test_what_the_user_says_holds(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    torch.set_num_threads(2)
    chooser = Threads()
    chooser.start()
    with caplog.at_level(logging.INFO, "lightning.pytorch"):
        chooser.choose(module(hidden_dim=16), graph(SMALL))
    assert torch.get_num_threads() == 2 and "torch.set_num_threads" in caplog.text
    asked = Threads(4)
    asked.start()
    asked.choose(module(hidden_dim=16), graph(1))
    assert torch.get_num_threads() == 4
    assert said_by_user() is None  # this was ours, so a second run in one process chooses anew
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert said_by_user() == "OMP_NUM_THREADS"


def test_option_is_taken_and_checked(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, mini("fit", "--threads", "0")) == "error: --threads: found 0, wanted at least 1\n"
    main(mini("fit", "--threads", "2"))
    assert torch.get_num_threads() == 2
    assert yaml.safe_load((only_run(here) / "config.yaml").read_text())["threads"] == 2
