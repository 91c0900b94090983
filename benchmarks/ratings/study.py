"""What a setting does: RR-Net with it and without, on validation ratings, as a table and a picture.

python -m benchmarks.ratings.study width       # hidden_dim, figure 3 of the paper
python -m benchmarks.ratings.study units       # number of GCN units, figure 4
python -m benchmarks.ratings.study pairs       # what messages, and pairs that hear pairs, add to one inter unit
python -m benchmarks.ratings.study ablation    # one part of the network or of its evidence changed at a time

Runs and resumes as ``benchmarks.ratings --part val``: nothing is measured on a test fold. Drawn to ``<out>.svg``.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.common.command import finish
from benchmarks.common.differences import fold_means, paired_difference
from benchmarks.common.files import read_rows, with_ending, write_whole
from benchmarks.common.jobs import ROOT, Job
from benchmarks.common.picture import matplotlib, svg
from benchmarks.ratings.command import run
from benchmarks.ratings.plan import Plan, add_options, plan
from benchmarks.ratings.rows import Row

STUDIES: dict[str, dict[str, str]] = {  # label in the picture -> options of train.py
    "width": {str(width): f"--model.hidden_dim={width}" for width in (8, 16, 32, 64)},
    "units": {str(n): f"--model.units=[{','.join(['inter'] * n)}]" for n in (1, 2, 3, 5, 7)},
    "pairs": {
        "one inter unit": "--model.units=[inter]",
        "three inter units": "--model.units=[inter,inter,inter]",
        "one pair unit": "--data.supports=5 --model.units=[inter,pair,inter]",
        "two pair units": "--data.supports=5 --model.units=[inter,pair,inter,pair,inter]",
    },
    "ablation": {
        "as shipped": "",
        "no scorer": "--data.scorer=null",
        "no neighbours' ratings": "--data.neighbors=0",
        "no trust": "--data.trust=none",
        "no residual": "--model.residual=false",
        "no weight averaging": "--trainer.callbacks=null",
        "bilinear kernel": "--model.kernel=bilinear",
        "concat kernel": "--model.kernel=concat",
        "sum aggregation": "--model.aggregation=sum",
        "layer norm": "--model.norm=true",
        "intra units too": "--model.units=[intra,inter,inter,inter]",
        "Huber loss, delta 1": "--model.objective.loss=huber --model.objective.delta=1.0",
        "Huber loss, delta 0.5": "--model.objective.loss=huber --model.objective.delta=0.5",
    },
}
Means = dict[str, dict[int, float]]  # model -> fold -> metric
AXIS = {"width": "hidden_dim", "units": "GCN units"}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ratings.study",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", choices=sorted(STUDIES))
    add_options(parser)
    options = parser.parse_args(argv)
    options.labels = {f"rrnet {text}".strip(): label for label, text in STUDIES[options.study].items()}
    options.part, options.models = "val", list(options.labels)
    options.against = None if options.study in AXIS else options.models[0]
    options.out = options.out or Path(f"docs/results/social_{options.data}_{options.study}")
    return options


def draw(rows: Sequence[Row], options: argparse.Namespace) -> bytes:
    """Return the picture, SVG."""
    mpl, figure_class = matplotlib()
    mpl.rcParams["svg.hashsalt"] = "rrnet"  # the same picture from the same numbers
    lines = options.study in AXIS
    figure = figure_class((9, 3.2) if lines else (9, 5), layout="constrained")
    for axis, metric in zip(figure.subplots(1, 2, sharey=not lines), ("rmse", "mae"), strict=True):
        means = {model: fold_means((row for row in rows if row.model == model), metric) for model in options.models}
        (_lines if lines else _differences)(axis, means, options)
        axis.set_title(
            f"validation {metric.upper()}" + (f" minus {next(iter(options.labels.values()))}" if not lines else "")
        )
    return svg(figure)


def _lines(axis: Any, means: Means, options: argparse.Namespace) -> None:
    """Each fold as a thin line, their mean as a thick one."""
    done = [model for model in options.models if means[model]]
    x = range(len(done))
    for fold in sorted(set.intersection(*(set(means[model]) for model in done))):
        axis.plot(x, [means[model][fold] for model in done], color="#a3adba", linewidth=1)
    axis.plot(x, [sum(means[model].values()) / len(means[model]) for model in done], "o-", color="#2f6db3")
    axis.set_xticks(list(x), [options.labels[model] for model in done])
    axis.set_xlabel(AXIS[options.study])


def _differences(axis: Any, means: Means, options: argparse.Namespace) -> None:
    """Paired difference of each variant to the first with its 95 % interval; right of zero is worse."""
    base = means[options.models[0]]
    variants = [model for model in options.models[1:] if means[model].keys() & base.keys()]
    for y, model in enumerate(reversed(variants)):
        common = sorted(means[model].keys() & base.keys())
        d = paired_difference([means[model][fold] for fold in common], [base[fold] for fold in common])
        axis.plot([d.mean if end is None else end for end in (d.low, d.high)], [y, y], color="#a3adba", linewidth=2)
        axis.plot([d.mean], [y], "o", color="#2f6db3")
    axis.axvline(0, color="#1f2733", linewidth=0.8)
    axis.set_yticks(range(len(variants)), [options.labels[model] for model in reversed(variants)])


def study(options: argparse.Namespace, planned: Plan, command: str, console: Console) -> list[Job]:
    """Run what is missing, then draw; return the runs that failed."""
    matplotlib()  # before hours of runs, not after
    about = {"settings": "; ".join(f"{label}: `{text}`" for text, label in options.labels.items()), **planned.about}
    planned = replace(planned, labels=options.labels, about=about)
    failed = run(options, planned, command, console)
    rows = planned.shown(read_rows(with_ending(options.out, ".jsonl"), Row))
    if rows:
        write_whole(with_ending(options.out, ".svg"), draw(rows, options))
    return failed


def main(argv: Sequence[str], configs: Path = ROOT / "configs") -> int:
    """Run the command line; return its exit status."""
    options, command = parse(argv), f"python -m benchmarks.ratings.study {shlex.join(argv)}"
    return finish(options.out, lambda console: study(options, plan(options, configs), command, console))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
