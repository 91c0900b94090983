"""When does a second thread pay? Training steps on graphs of several sizes: ``python -m benchmarks.speed.threads``.

A step is forward, backward and Adam of a network of three units on a random graph. Both numbers take turns.
``--beside 2`` runs two busy loops at the same time, as on a shared machine. Seconds are those on the clock.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch_geometric.data import HeteroData

from rrnet_lightning.graph import INTER, build_graph
from rrnet_lightning.nn import RRNet

WIDTH = 16  # hidden width of the network, the paper's
SIZES = (1_000, 4_000, 16_000, 64_000, 256_000)  # inter-edges; each size has half as many nodes' neighbours beside them


def random_graph(edges: int) -> HeteroData:
    """Return a graph of random numbers with this many inter-edges, ten to a source, and five neighbours a node."""
    generator = torch.Generator().manual_seed(0)
    sources, targets = edges // 10, max(edges // 40, 10)
    x = [torch.rand(count, WIDTH, generator=generator) for count in (sources, targets)]
    pairs = torch.stack([torch.arange(edges) // 10 % sources, torch.randint(targets, (edges,), generator=generator)])
    neighbours = [
        torch.stack([torch.randint(count, (5 * count,), generator=generator), torch.arange(count).repeat_interleave(5)])
        for count in (sources, targets)
    ]
    graph = build_graph(x[0], x[1], pairs.unique(dim=1), source_intra=neighbours[0], target_intra=neighbours[1])
    graph[INTER].message = torch.ones(graph[INTER].edge_index.size(1), dtype=torch.bool)
    return graph


def step_seconds(graph: HeteroData, threads: int, steps: int) -> float:
    """Return the median seconds of a training step."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = RRNet(WIDTH, WIDTH, 0, WIDTH, ["inter", "intra", "inter"])
    optimizer, seconds = torch.optim.Adam(network.parameters()), []
    for _ in range(steps + 2):
        start = time.perf_counter()
        optimizer.zero_grad()
        network(graph).square().mean().backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])


def _spin() -> None:
    while True:
        pass


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep this many processes busy meanwhile."""
    running = [multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(processes)]
    for process in running:
        process.start()
    try:
        yield
        if not all(process.is_alive() for process in running):
            raise SystemExit("error: a busy loop ended early: the figures are not of a machine as busy as asked for")
    finally:
        for process in running:
            process.terminate()
            process.join()


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.threads", description=__doc__.split("\n")[0])
    parser.add_argument("--beside", type=int, default=0, help="busy loops beside it (default 0)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of inter-edges")
    parser.add_argument("--steps", type=int, default=10, help="steps of each measurement (default 10)")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    options = parse(args)
    print(f"| numbers on the edges | 1 thread, ms | 2 threads, ms | ratio |   {options.beside} busy loops beside")
    print("|---|---|---|---|")
    with busy(options.beside):
        for size in options.sizes:
            graph = random_graph(size)
            numbers = WIDTH * sum(store.edge_index.size(1) for store in graph.edge_stores)
            rounds = [(step_seconds(graph, 1, options.steps), step_seconds(graph, 2, options.steps)) for _ in range(3)]
            one, two = (1000 * min(each) for each in zip(*rounds, strict=True))
            print(f"| {numbers:,} | {one:.1f} | {two:.1f} | {two / one:.2f} |", flush=True)


if __name__ == "__main__":
    main()
