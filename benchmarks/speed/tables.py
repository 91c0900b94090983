"""How fast are the targets of new sources ranked? Beside a plain search: ``python -m benchmarks.speed.tables``.

New sources are rows of the word spaces with noise; 5,000 words are known pairs. ``predict`` runs from the call of
Lightning's Trainer to the finished file, ``rank`` answers one source after another. The plain search is one product of
matrices in chunks and ``topk``, of the same rows in the generator's space. Weights are random: times do not depend on
them. Each line has a process of its own, as peak memory is a process's; workers that build graphs are processes, too.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import Tensor

from benchmarks.tables.models import module
from benchmarks.tables.tasks import words
from rrnet_lightning.candidates.retrieval import CCA
from rrnet_lightning.cli.predictions import PredictionWriter
from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.evidence.seen import Bridges
from rrnet_lightning.mapper import Mapper
from rrnet_lightning.module import RRNetModule
from rrnet_lightning.nn.rrnet import Unit

KNOWN, NOISE, CHUNK = 5_000, 0.1, 1024
UNITS = {"inter, pair, inter": 5, "inter, inter": 0}  # and supports that the edges of their graphs carry


@dataclass(frozen=True)
class Line:
    """One measurement: seconds on the clock and of the processor, those of the plain search; peaks in bytes."""

    clock: float
    processor: float
    plain: float
    peak: int = 0
    worker_peak: int = 0


def more(x: Tensor, size: int) -> Tensor:
    """Return ``size`` rows, each of them like one of ``x``."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(len(x), (size,), generator=generator)
    return x[rows] + NOISE * x.std() * torch.randn(size, x.shape[1], generator=generator)


def prepared(units: str, targets: int, new: Path | None = None) -> tuple[TablesDataModule, RRNetModule]:
    """Return the data, ready to be asked, and a network with the settings of ``configs/tables.yaml``."""
    left, right, _ = words()
    right = torch.cat([right, more(right, max(targets - len(right), 0))])
    known = torch.arange(KNOWN)
    pairs = as_pairs(torch.stack([known, known]), num_sources=len(left), num_targets=len(right))
    relations, path = Bridges(supports=UNITS[units]), None if new is None else str(new)
    data = TablesDataModule.of(
        as_features(left),
        as_features(right),
        pairs,
        generator=CCA(regularization=0.03),
        relations=relations,
        predict_path=path,
    )
    data.setup()
    data.everything()
    order: list[Unit] = units.split(", ")  # type: ignore[assignment]
    return data, module(data, order).eval()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that some work takes, on the clock and of the processor, with its workers."""
    clock, processor = time.perf_counter(), processor_time()
    work()
    return time.perf_counter() - clock, processor_time() - processor


def processor_time() -> float:
    """Seconds of this process and of the workers that ended."""
    return time.process_time() + sum(os.times()[2:4])


def plain_search(data: TablesDataModule, x: Tensor) -> None:
    """The best rows by the product of vectors that are there already: a chunk's product, then ``topk``."""
    view = data.ask(x)
    assert view.new is not None
    query, base = view.reference.halves["source"].maps[-1](view.new[1]), view.see_base("target").vectors[-1]
    for some in query.split(CHUNK):
        (some @ base.T).topk(data.top_k)


def predict(units: str, sources: int, threads: int, workers: int) -> Line:
    """Predict for so many new sources, into a file."""
    torch.set_num_threads(threads)
    x = more(words()[0], sources)
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "new.npy"
        np.save(new, x.numpy())
        data, network = prepared(units, 0, new)
        data.num_workers = workers
        writer = PredictionWriter(str(new.with_suffix(".parquet")))
        trainer = L.Trainer(
            accelerator="cpu",
            callbacks=[writer],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        took = timed(lambda: trainer.predict(network, data, return_predictions=False))
    peaks = [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Line(*took, timed(lambda: plain_search(data, x))[1], *peaks)


def rank(units: str, sources: int, targets: int, threads: int) -> Line:
    """Rank for one new source at a time; the median of them."""
    torch.set_num_threads(threads)
    data, network = prepared(units, targets)
    mapper = Mapper(data, network)
    ours, plain = [], []
    for row in more(words()[0], sources).split(1):
        ours.append(timed(partial(mapper.rank, row)))
        plain.append(timed(partial(plain_search, data, row)))
    clock, processor = (statistics.median(each) for each in zip(*ours, strict=True))
    return Line(clock, processor, statistics.median(each for _, each in plain))


def alone(work: Callable[..., Line], *args: object) -> Line:
    """Run in a process of its own; its workers are forked, as Linux does."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(work, *args).result()


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.tables", description=__doc__.split("\n")[0])
    parser.add_argument("--sources", type=int, nargs="+", default=[25_000, 100_000], help="new sources of predict")
    parser.add_argument("--targets", type=int, nargs="+", default=[6_172, 100_000], help="targets, of rank alone")
    parser.add_argument("--rounds", type=int, default=30, help="new sources of rank, one at a time (default 30)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default 1)")
    parser.add_argument("--workers", type=int, default=2, help="that build graphs for predict (default 2)")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Measure and print two tables."""
    options = parse(args)
    print("| predict | new sources | pairs/s | pairs per processor s | times plain | peak, MB | a worker's | load |")
    print("|---|---|---|---|---|---|---|---|")
    for units in UNITS:
        for sources in options.sources:
            line = alone(predict, units, sources, options.threads, options.workers)
            pairs = sources * 20
            print(
                f"| {units} | {sources:,} | {pairs / line.clock:,.0f} | {pairs / line.processor:,.0f} | "
                f"{line.processor / line.plain:.1f} | {line.peak / 1e6:.0f} | {line.worker_peak / 1e6:.0f} | "
                f"{os.getloadavg()[0]:.1f} |",
                flush=True,
            )
    print("\n| rank one | targets | clock, ms | processor, ms | plain, processor, ms | times plain | load |")
    print("|---|---|---|---|---|---|---|")
    for units in UNITS:
        for targets in options.targets:
            line = alone(rank, units, options.rounds, targets, options.threads)
            print(
                f"| {units} | {targets:,} | {1e3 * line.clock:.1f} | {1e3 * line.processor:.1f} | "
                f"{1e3 * line.plain:.1f} | {line.processor / line.plain:.1f} | {os.getloadavg()[0]:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
