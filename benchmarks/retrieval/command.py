"""Which text belongs to a picture? Generators, and RR-Net beside what ranks their candidates anew.

python -m benchmarks.retrieval --data emoji --generators cca dual
python -m benchmarks.retrieval --data pascal --generators cca dual --rerank generator csls pair-mlp rrnet

Each split has its own known and new pairs; of sets with one official split, a split here is a seed. All models learn
from the same folds of the known pairs, and settings are chosen on validation pairs. What is finished is kept in
``<out>.jsonl`` and not run again. mAP is over all ranks, relevance by class, database: the other side of the test's
items, the query's own partner among them, cosine or scores; ties by expectation.
"""

import argparse
import shlex
from collections.abc import Sequence

from rich.console import Console

from benchmarks.common.command import finish
from benchmarks.common.jobs import ROOT, Job
from benchmarks.retrieval.sets import GENERATORS, SETS
from benchmarks.tables.command import add_options, run


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retrieval",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", required=True, choices=sorted(SETS))
    parser.add_argument("--generators", nargs="+", default=list(GENERATORS), choices=list(GENERATORS))
    add_options(parser, "--rerank")
    options = parser.parse_args(argv)
    options.out = options.out or ROOT / "docs/results" / f"retrieval_{options.data}"
    options.title = f"Pictures and texts: {options.data}"
    return options


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; return the exit status."""
    options = parse(argv)
    command = f"python -m benchmarks.retrieval {shlex.join(argv)}"

    def work(console: Console) -> list[Job]:
        cases = {f"{options.data} over {name}": SETS[options.data](GENERATORS[name]) for name in options.generators}
        run(cases, options, command, console)
        return []

    return finish(options.out, work)
