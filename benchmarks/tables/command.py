"""Which row belongs to which? RR-Net beside what ranks the same candidates without a graph.

python -m benchmarks.tables --task halves
python -m benchmarks.tables --task words
python -m benchmarks.tables --task words-300  # words-1000, words-3000

Each split has its own known and new pairs. All models learn from the same folds of the known ones, with the settings of
``configs/tables.yaml``, which were chosen on validation pairs of splits 0 and 1 of the words. What is finished is kept
in ``<out>.jsonl`` and not run again, so an interrupted command goes on where it stopped. The table says what a model
uses; a name that ends in ``+sinkhorn`` reads its scores out by Sinkhorn.
"""

import argparse
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import torch
from rich.console import Console
from torchmetrics import MetricCollection

from benchmarks.common.command import finish
from benchmarks.common.files import append_row, read_rows, with_ending, write_whole
from benchmarks.common.jobs import ROOT, Job
from benchmarks.tables.models import LEARNT, MODES, learnt, measure
from benchmarks.tables.peers import PEERS
from benchmarks.tables.rows import Row, pack
from benchmarks.tables.table import Case, table
from benchmarks.tables.tasks import TASKS
from rrnet_lightning.cli.runs import git_commit
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.whole import whole_metrics


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tables", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", required=True, choices=sorted(TASKS))
    add_options(parser, "--models")
    options = parser.parse_args(argv)
    options.out = options.out or ROOT / "docs/results" / f"tables_{options.task}"
    options.title = f"Two tables: {options.task}"
    return options


def add_options(parser: argparse.ArgumentParser, models: str) -> None:
    """Add what :func:`run` reads; ``models`` is the option that chooses among what ranks."""
    names = [*PEERS, *LEARNT]
    parser.add_argument(
        models, dest="models", nargs="+", default=names, choices=names, metavar="MODEL", help=", ".join(names)
    )
    parser.add_argument("--splits", type=int, default=5, help="splits, seeds 0, 1, ...")
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--out", type=Path, help="default: in docs/results; .jsonl and .md are added")


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; return the exit status."""
    options = parse(argv)
    command = f"python -m benchmarks.tables {shlex.join(argv)}"
    return finish(options.out, lambda console: _work(options, command, console))


def _work(options: argparse.Namespace, command: str, console: Console) -> list[Job]:
    run({options.task: TASKS[options.task]}, options, command, console)
    return []


def run(cases: Mapping[str, Case], options: argparse.Namespace, command: str, console: Console) -> None:
    """Run what is not done yet; write a row each, and the table after each split.

    ``options``: splits, models, modes and out, as :func:`parse` reads them.
    """
    torch.set_num_threads(1)
    file = with_ending(options.out, ".jsonl")
    done = {(row.task, row.model, row.mode, row.split) for row in read_rows(file, Row)}
    for (key, case), seed in product(cases.items(), range(options.splits)):
        for mode in (each for each in case.modes if each in options.modes):
            wanted = [
                name
                for name in options.models
                if any((key, each, mode, seed) not in done for each in _names(name, mode))
            ]
            if wanted:
                data = case.make(seed, mode)
            for name in wanted:
                for row in _run(data, (key, case), name, seed, command):
                    append_row(file, row)
                    text = ", ".join(f"{metric} {row.metrics[metric]:.4f}" for metric in ("recall@1", "map"))
                    line = f"{key}, split {seed}, {row.model}, {mode}: {text}, {row.seconds:.0f} s"
                    console.print(line, highlight=False, markup=False, soft_wrap=True)
        text = table(options.title, cases, read_rows(file, Row), command)
        write_whole(with_ending(options.out, ".md"), text.encode())


def _names(name: str, mode: str) -> list[str]:
    """Rows that a model gives in a mode."""
    if name in PEERS:
        return [name] if PEERS[name].mode == mode else []
    return [name] if mode == "inductive" else [name, f"{name}+sinkhorn"]


def _run(data: TablesDataModule, of: tuple[str, Case], name: str, seed: int, command: str) -> Iterator[Row]:
    (key, case), start = of, time.monotonic()

    def row(model: str, found: MetricCollection) -> Row:
        metrics = {metric: float(value) for metric, value in found.compute().items()}
        told = time.monotonic() - start, str(git_commit()), command
        return Row(key, model, data.mode, seed, metrics, *told, pack(found))

    if name in PEERS:
        (view,) = data.views("test")
        yield row(name, whole_metrics(view, PEERS[name].scores(data, view)))
        return
    model = learnt(LEARNT[name], data, seed, case.class_share)
    yield row(name, measure(data, model))
    if data.mode == "transductive":
        yield row(f"{name}+sinkhorn", measure(data, model, "sinkhorn"))
