"""Processor time of a start, beside the libraries that training needs: ``python -m benchmarks.speed.startup``.

The commands take turns, so that other work on the machine slows all of them alike. Time is user and system time of the
process, in seconds; the median of the rounds.
"""

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = "import lightning.pytorch, torch_geometric"
COMMANDS = {
    LIBRARIES: ["-c", LIBRARIES],
    "train.py --help": ["train.py", "--help"],
    "train.py fit --help": ["train.py", "fit", "--help"],
    "train.py fit --config image_digits --print_config": [
        "train.py",
        "fit",
        "--config",
        "image_digits",
        "--print_config",
    ],
}


def processor_seconds(arguments: Sequence[str]) -> float:
    """Run Python once with these arguments; return user and system time in seconds."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"error: {' '.join(arguments)}: ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.startup", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="times that each command is run (default 5)")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    rounds = parse(args).rounds
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            seconds[name].append(processor_seconds(arguments))
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    print("| command | processor time, s | times the libraries alone |\n|---|---|---|")
    for name, value in middle.items():
        print(f"| `{name}` | {value:.2f} | {value / middle[LIBRARIES]:.2f} |")


if __name__ == "__main__":
    main()
