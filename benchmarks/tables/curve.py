"""Recall@1 by the number of known pairs, of words of which few are known, drawn from what was measured.

python -m benchmarks.tables.curve

Reads ``docs/results/tables_words-<known>.jsonl`` and writes ``docs/results/tables_words_few.svg``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from benchmarks.common.files import read_rows, write_whole
from benchmarks.common.jobs import ROOT, BenchmarkError
from benchmarks.common.picture import matplotlib, svg
from benchmarks.tables.rows import Row
from benchmarks.tables.tasks import TASKS

FEW = {task.known: name for name, task in TASKS.items() if name.startswith("words-")}
DRAWN = {  # model: its label, colour and line
    "rrnet+sinkhorn": ("RR-Net, Sinkhorn", "#2f6db3", "o-"),
    "pair-mlp+sinkhorn": ("pair-MLP, Sinkhorn", "#c4762b", "s--"),
    "self-training": ("self-training of CCA, CSLS", "#5d6675", "^:"),
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tables.curve",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", type=Path, default=ROOT / "docs/results", help="folder to read from and write to")
    return parser.parse_args(argv)


def draw(rows: Sequence[Row]) -> bytes:
    """Return the picture, SVG: a thin mark for each split, a line through the means."""
    mpl, figure_class = matplotlib()
    mpl.rcParams["svg.hashsalt"] = "rrnet"  # the same picture from the same numbers
    figure = figure_class((6, 3.6), layout="constrained")
    axis = figure.subplots()
    for model, (label, colour, line) in DRAWN.items():
        by = {n: [100 * r.metrics["recall@1"] for r in rows if (r.model, r.task) == (model, FEW[n])] for n in FEW}
        found = [(n, value) for n, values in by.items() for value in values]
        axis.plot(*zip(*found, strict=True), "_", color=colour, alpha=0.5)
        axis.plot(
            [n for n in by if by[n]],
            [mean(values) for values in by.values() if values],
            line,
            color=colour,
            label=label,
        )
    axis.set_xscale("log")
    axis.set_xticks(list(FEW), [f"{known:,}" for known in FEW])
    axis.minorticks_off()
    axis.set_ylim(0)
    axis.set_xlabel("known pairs of 6,172")
    axis.set_ylabel("recall@1 of the others, %, both ways")
    axis.legend(frameon=False)
    return svg(figure)


def main(argv: Sequence[str]) -> int:
    """Draw; return the exit status."""
    folder = parse(argv).results
    try:
        rows = [row for name in FEW.values() for row in read_rows(folder / f"tables_{name}.jsonl", Row)]
        missing = sorted(set(DRAWN) - {row.model for row in rows})
        if missing:
            raise BenchmarkError(
                f"{folder}: found no row of {missing[0]}, wanted one of each of {', '.join(FEW.values())}. "
                f"Run python -m benchmarks.tables --task {next(iter(FEW.values()))}"
            )
        write_whole(folder / "tables_words_few.svg", draw(rows))
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
