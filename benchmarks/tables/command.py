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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev

import torch
from rich.console import Console
from torchmetrics import MetricCollection

from benchmarks.common.command import finish
from benchmarks.common.differences import paired_difference
from benchmarks.common.files import append_row, read_rows, with_ending, write_whole
from benchmarks.common.jobs import ROOT, Job
from benchmarks.tables.models import LEARNT, MODES, learnt, measure
from benchmarks.tables.peers import KNOWN, LABELS, OTHERS, PEERS
from benchmarks.tables.tasks import TASKS, split
from rrnet_lightning.cli.runs import git_commit
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.whole import whole_metrics
from rrnet_lightning.metrics.retrieval import recall_by_query

METRICS = {"recall@1": 100, "source/recall@1": 100, "target/recall@1": 100, "recall@10": 100, "mrr": 1, "map": 100}


@dataclass(frozen=True)
class Row:
    """One model on one split; metrics as shares. ``seconds`` of training and testing.

    ``hits``: whether each query finds a partner first, sources before targets by row: bits behind a first
    1, as a hexadecimal number.
    """

    task: str
    model: str
    mode: str
    split: int
    metrics: dict[str, float]
    seconds: float
    commit: str
    command: str
    hits: str = ""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tables", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*PEERS, *LEARNT]
    parser.add_argument("--task", required=True, choices=sorted(TASKS))
    parser.add_argument("--splits", type=int, default=5, help="random splits, seeds 0, 1, ...")
    parser.add_argument("--models", nargs="+", default=names, choices=names, metavar="MODEL", help=", ".join(names))
    parser.add_argument("--modes", nargs="+", default=list(MODES), choices=MODES)
    parser.add_argument("--out", type=Path, help="default: docs/results/tables_<task>; .jsonl and .md are added")
    options = parser.parse_args(argv)
    options.out = options.out or ROOT / "docs/results" / f"tables_{options.task}"
    return options


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; return the exit status."""
    options = parse(argv)
    command = f"python -m benchmarks.tables {shlex.join(argv)}"
    return finish(options.out, lambda console: _work(options, command, console))


def _work(options: argparse.Namespace, command: str, console: Console) -> list[Job]:
    torch.set_num_threads(1)
    file = with_ending(options.out, ".jsonl")
    done = {(row.model, row.mode, row.split) for row in read_rows(file, Row)}
    for seed in range(options.splits):
        for mode in (each for each in TASKS[options.task].modes if each in options.modes):
            wanted = [
                name for name in options.models if any((each, mode, seed) not in done for each in _names(name, mode))
            ]
            data = split(TASKS[options.task], seed, mode=mode)
            for name in wanted:
                for row in _run(data, options.task, name, seed, command):
                    append_row(file, row)
                    text = ", ".join(f"{metric} {row.metrics[metric]:.4f}" for metric in ("recall@1", "map"))
                    line = f"split {seed}, {row.model}, {mode}: {text}, {row.seconds:.0f} s"
                    console.print(line, highlight=False, markup=False, soft_wrap=True)
        tabulate(options, read_rows(file, Row), command)
    return []


def _names(name: str, mode: str) -> list[str]:
    """Rows that a model gives in a mode."""
    if name in PEERS:
        return [name] if PEERS[name].mode == mode else []
    return [name] if mode == "inductive" else [name, f"{name}+sinkhorn"]


def _run(data: TablesDataModule, key: str, name: str, seed: int, command: str) -> Iterator[Row]:
    task, start = TASKS[key], time.monotonic()

    def row(model: str, found: MetricCollection) -> Row:
        metrics = {metric: float(value) for metric, value in found.compute().items()}
        told = time.monotonic() - start, str(git_commit()), command
        return Row(key, model, data.mode, seed, metrics, *told, _hits(found))

    if name in PEERS:
        (view,) = data.views("test")
        yield row(name, whole_metrics(view, PEERS[name].scores(data, view)))
        return
    model = learnt(LEARNT[name], data, seed, task.class_share)
    yield row(name, measure(data, model))
    if data.mode == "transductive":
        yield row(f"{name}+sinkhorn", measure(data, model, "sinkhorn"))


def _hits(found: MetricCollection) -> str:
    """``Row.hits``; a partner that shares the first place counts as found where that is as likely as not."""
    recall = torch.cat([recall for _, recall in recall_by_query(found, 1).values()])
    bits = "".join("1" if each >= 0.5 else "0" for each in recall.tolist())
    return f"{int('1' + bits, 2):x}"


def _queries(hits: str) -> list[int]:
    """``Row.hits``, 1 or 0 for each query."""
    return [int(bit) for bit in f"{int(hits, 16):b}"[1:]]


def tabulate(options: argparse.Namespace, rows: Sequence[Row], command: str) -> None:
    """Write the table: mean and deviation over splits, and RR-Net's difference to each, paired by split."""
    lines = [f"# Two tables: {options.task}", "", f"- command: `{command}`", f"- date: {datetime.now(UTC).isoformat()}"]
    lines += [f"- code: {', '.join(sorted({row.commit for row in rows}))}", ""]
    for mode in TASKS[options.task].modes:
        own = [row for row in rows if row.mode == mode]
        reference = "rrnet" if mode == "inductive" else "rrnet+sinkhorn"
        head = ["model", "uses", *METRICS, f"{reference} − it, recall@1", "by query", "splits", "s"]
        lines += [f"## {mode.capitalize()}", "", f"| {' | '.join(head)} |"]
        lines += ["|---" * len(head) + "|"]
        best = {row.split: row for row in own if row.model == reference}
        for name in dict.fromkeys(row.model for row in own):
            found = {row.split: row for row in own if row.model == name}
            cells = [_spread([row.metrics[metric] * by for row in found.values()]) for metric, by in METRICS.items()]
            both = sorted(found.keys() & best.keys())
            gain, by_query = "–", "–"
            if both and name != reference:
                ours, theirs = ([100 * by[s].metrics["recall@1"] for s in both] for by in (best, found))
                gain = paired_difference(ours, theirs).text(2)
                by_query = _by_query([(best[s], found[s]) for s in both])
            seconds = mean(row.seconds for row in found.values())
            cells = [name, _uses(name, mode, options.task), *cells, gain, by_query, str(len(found)), f"{seconds:.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += [
        "Mean ± standard deviation over splits; mrr is a share, all else in %. A difference is the mean over splits,"
    ]
    lines += [
        "paired, with its 95 % t-interval; by query: the interval over the queries of all these splits, as if none"
    ]
    lines += ["were asked twice. `source/`: queries are sources. Else the mean of both directions.", ""]
    write_whole(with_ending(options.out, ".md"), "\n".join(lines).encode())


def _by_query(pairs: Sequence[tuple[Row, Row]]) -> str:
    """Interval of the difference over all queries."""
    if not all(row.hits for both in pairs for row in both):
        return "–"
    ours, theirs = ([100 * hit for both in pairs for hit in _queries(both[i].hits)] for i in (0, 1))
    found = paired_difference(ours, theirs)
    return f"[{found.low:+.2f}, {found.high:+.2f}]"


def _uses(name: str, mode: str, task: str) -> str:
    """What a model reads beside its query, the rows that are searched, and the generator."""
    if name in PEERS:
        return ", ".join(PEERS[name].uses) or "–"
    return ", ".join([KNOWN] + [LABELS] * (TASKS[task].class_share > 0) + [OTHERS] * (mode == "transductive"))


def _spread(values: list[float]) -> str:
    deviation = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{mean(values):.2f}{deviation}"
