"""How many threads a run takes: as many as its work can use, of the cores that it really has."""

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch_geometric.data import HeteroData

log = logging.getLogger("lightning.pytorch")

CGROUP = Path("/sys/fs/cgroup")
SMALL = 1_000_000  # numbers on the edges of a graph that one thread works on alone
_known = torch.get_num_threads()  # what PyTorch chose, or this module did last: any other number is the user's


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Return the number of cores this process may use: its affinity, and its container's quota rounded up."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    cores: int = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = container_quota(cgroup)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def container_quota(cgroup: Path = CGROUP) -> float | None:
    """Return the processor time a second that the container allows, in cores (cgroup v2, then v1); None: no limit."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            limit, period = (int(word) for file in files for word in (cgroup / file).read_text().split())
        except (OSError, ValueError):  # absent, or "max": no limit
            continue
        if limit > 0:
            return limit / period
    return None


def said_by_user(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return what of the user's own fixes the number of threads, besides ``--threads``; None where nothing does."""
    if environment.get("OMP_NUM_THREADS"):
        return "OMP_NUM_THREADS"
    return "torch.set_num_threads" if torch.get_num_threads() != _known else None


def edge_numbers(graph: HeteroData, width: int) -> int:
    """Return how many numbers a layer of this width keeps on all edges of a graph."""
    edges: int = sum(store.edge_index.size(1) for store in graph.edge_stores)
    return width * edges


class Threads(Callback):
    """Set the number of threads when the first batch is seen, and say so in one line.

    Until then there is one: models that score pairs are fitted on small batches. A graph with fewer than 10⁶ numbers on
    its edges (edges x hidden width) keeps one; other work gets every core that the process may use.
    docs/performance.md has the measurements. OMP_NUM_THREADS and ``torch.set_num_threads`` come before this choice,
    ``--threads`` comes before them.

    Args:
        threads: the user's number, at least 1; None chooses.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads, self._chosen = threads, False

    def start(self) -> None:
        """Set the threads with which the data are read."""
        if self.threads is not None:
            _set(self.threads)
        elif said_by_user() is None:
            _set(1)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Choose by the batch, in all stages."""
        self.choose(pl_module, batch)

    on_validation_batch_start = on_test_batch_start = on_predict_batch_start = on_train_batch_start

    def choose(self, module: L.LightningModule, batch: Any) -> None:
        """Set the threads for batches like this one, unless that was done or is the user's affair."""
        if self._chosen:
            return
        self._chosen = True
        who, cores = "--threads" if self.threads is not None else said_by_user(), usable_cores()
        if who is not None:
            why = f"{who} says so"
        elif isinstance(batch, HeteroData):
            numbers = edge_numbers(batch, int(module.hparams.get("hidden_dim") or module.hparams.get("rank") or 1))
            _set(1 if numbers < SMALL else cores)
            why = f"{numbers:,} numbers on the edges, {cores} cores to use"
        else:
            _set(cores)
            why = f"{cores} cores to use"
        log.info("threads: %d (%s; --threads N for another number)", torch.get_num_threads(), why)


def _set(threads: int) -> None:
    global _known
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    _known = threads
