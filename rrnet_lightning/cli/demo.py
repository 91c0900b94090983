"""See RR-Net at work in a minute, without a download: ``rrnet demo [--only halves|digits] [--seeds 2]``.

Halves: scikit-learn's handwritten digits are cut in two; which right half belongs to this left one? Digits: which digit
is it? RR-Net stands beside what it starts from, on the same test. Seeds run side by side, one a core.
"""

import argparse
import logging
import multiprocessing
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from rrnet_lightning.cli import demo_digits, demo_halves
from rrnet_lightning.cli.demo_picture import draw
from rrnet_lightning.cli.threads import usable_cores
from rrnet_lightning.data.files.atomic import check_place
from rrnet_lightning.errors import program, reason

SEEDS = {"halves": 2, "digits": 1}
PICTURE = Path("runs/demo.png")


def parse(args: Sequence[str] | None) -> dict[str, int]:
    """Read the command line; return the number of splits of each task."""
    parser = argparse.ArgumentParser(prog=f"{program()} demo", description=__doc__.partition(":")[0])
    parser.add_argument("--only", choices=SEEDS, help="one of the two tasks")
    parser.add_argument(
        "--seeds", type=int, help="number of random splits, seeds 0, 1, ... (default: halves 2, digits 1)"
    )
    options = parser.parse_args(args)
    if options.seeds is not None and options.seeds < 1:
        parser.error(f"--seeds: found {options.seeds}, wanted at least 1")
    return {task: options.seeds or least for task, least in SEEDS.items() if options.only in (None, task)}


def main(args: Sequence[str] | None = None) -> None:
    """Run the command."""
    seeds = parse(args)
    try:
        check_place(PICTURE)
        show(seeds)
    except OSError as error:
        print(
            f"error: {PICTURE}: cannot be written here ({reason(error)}). Run it in a folder of yours", file=sys.stderr
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def show(seeds: dict[str, int]) -> None:
    """Run the comparison, print it and draw what was answered."""
    start, console = time.perf_counter(), Console()
    run = {"halves": demo_halves.compare, "digits": demo_digits.compare}
    jobs = [(task, seed) for task, number in seeds.items() for seed in range(number)]
    context = multiprocessing.get_context("spawn")  # a fork would share the threads of torch
    with ProcessPoolExecutor(min(usable_cores(), len(jobs)), context, initializer=quiet) as pool:
        waiting = [pool.submit(run[task], seed) for task, seed in jobs]
        found = [job.result() for job in track(waiting, "training", console=console, transient=True)]
    results: dict[str, list[Any]] = {task: [] for task in seeds}
    for (task, _), result in zip(jobs, found, strict=True):
        results[task].append(result)
    for task, each in results.items():
        console.print(halves_table(each) if task == "halves" else digits_table(each))
    if "halves" in results:
        draw(results["halves"][0], PICTURE)
        console.print(f"{PICTURE}: ten left halves and the right halves put first, before and after reasoning.")
    console.print(f"{time.perf_counter() - start:.0f} seconds. The same writers wrote training and test images.")


def quiet() -> None:
    """One thread, and no word of Lightning's, in a process of the pool."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    warnings.filterwarnings("ignore", module="lightning")
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)  # graphs this small lose far more by sharing the work than they gain


def halves_table(found: Sequence[demo_halves.Compared]) -> Table:
    """Metrics of the halves, in percent; mean ± standard deviation over several seeds."""
    heads = ("recall@1", "recall@10", "class mAP")
    title = f"Which right half belongs to a left one, and the other way round? {_seeds(found)}, %"
    table = Table("method", *heads, title=title)
    for row, values in zip(demo_halves.ROWS, torch.stack([each.metrics for each in found], 2), strict=True):
        table.add_row(row, *(_spread(value, 1) for value in values))
    return table


def digits_table(found: Sequence[Sequence[float]]) -> Table:
    """Accuracy of the digits, in percent."""
    table = Table("method", "test accuracy", title=f"Which digit is it? {_seeds(found)}, %")
    for row, values in zip(demo_digits.ROWS, torch.tensor(found, dtype=torch.double).T, strict=True):
        table.add_row(row, _spread(values, 2))
    return table


def _seeds(found: Sequence[object]) -> str:
    return "Seed 0" if len(found) == 1 else f"Seeds 0 to {len(found) - 1}"


def _spread(shares: torch.Tensor, digits: int) -> str:
    """Mean ± standard deviation, and each."""
    mean = f"{100 * float(shares.mean()):.{digits}f}"
    if len(shares) == 1:
        return mean
    each = " ".join(f"{100 * share:.{digits}f}" for share in shares.tolist())
    return f"{mean} ± {100 * float(shares.std()):.{digits}f} ({each})"


if __name__ == "__main__":
    main()
