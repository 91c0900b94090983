"""What RR-Net adds: one command, a table of ways to use the same features and the same labelled samples.

python -m benchmarks.refine --task esc50                  # all peers, RR-Net with the paper's and the tuned settings
python -m benchmarks.refine --task esc50 --confusion      # and the tuned RR-Net's confusion matrix over all folds
python -m benchmarks.refine --task esc50 --study top_k    # RR-Net against the number of candidate classes

Reads the feature files of a cross-fitting (``--features``). Every model learns from its training views and answers for
the test fold. RR-Net runs ``fit`` and ``predict`` of train.py in processes of their own, without validation, last
weights. What is finished is kept in ``<out>.jsonl`` and not run again by the same command, so an interrupted one goes
on where it stopped. It is run again when features, config or the file of peers change, but not when other code does:
remove its lines for that. Table and pictures are rewritten after every run; other models that ``<out>.jsonl`` holds
stay in them while features, config and peers are the same.
"""

import argparse
import json
import shlex
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import Tensor

from benchmarks.common.command import finish, say
from benchmarks.common.files import append_row, read_rows, with_ending
from benchmarks.common.jobs import ROOT, BenchmarkError, Job, job_folder, missing
from benchmarks.refine.peers import PEERS, Peer, Question, choose, ece, nll, question
from benchmarks.refine.pictures import check_drawing
from benchmarks.refine.plan import REFERENCE, RRNETS, STUDIES, TASKS, digests, plan
from benchmarks.refine.report import report
from benchmarks.refine.rows import Result
from benchmarks.refine.runs import predictions_file, read_predictions, run_rrnet
from rrnet_lightning.candidates.samples import HELD, TEST, ScoredSamples
from rrnet_lightning.candidates.views import feature_views
from rrnet_lightning.cli.jobs import progress
from rrnet_lightning.cli.runs import git_commit


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.refine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*PEERS, *RRNETS]
    parser.add_argument("--task", required=True, choices=sorted(TASKS))
    parser.add_argument("--features", type=Path, help="folder of feature files; default: features/<task>_<backbone>")
    parser.add_argument("--folds", type=int, nargs="+", help="test folds; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of RR-Net")
    parser.add_argument("--models", nargs="+", default=names, choices=names, metavar="MODEL", help=", ".join(names))
    parser.add_argument("--study", choices=sorted(STUDIES), help="vary one setting of the tuned RR-Net instead")
    parser.add_argument("--confusion", action="store_true", help="draw <out>_confusion.svg too")
    parser.add_argument("--out", type=Path, help="default: in docs/results; .jsonl, .md, .parquet, .svg are added")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmarks/refine"), help="logs and checkpoints")
    options = parser.parse_args(argv)
    options.features = options.features or Path(TASKS[options.task].features)
    options.folds = options.folds or list(TASKS[options.task].folds)
    options.out = options.out or Path(
        f"docs/results/refine_{options.task}{'_' * bool(options.study)}{options.study or ''}"
    )
    if options.confusion and (options.study or REFERENCE not in options.models):
        parser.error(f"--confusion: wanted {REFERENCE} among --models, and no --study")
    return options


class Fold:
    """Views and questions of one test fold, read and asked when first needed.

    Attributes:
        final: the view that holds the test samples. asked: [N] bool, those. truth: [A], their classes.
    """

    def __init__(self, options: argparse.Namespace, number: int) -> None:
        self._options, self._number = options, number
        self._asked: dict[tuple[bool, float | None], tuple[list[tuple[Question, Tensor]], Question]] = {}
        self.final = self._views(False)[-1]
        self.asked = self.final.role == TEST
        self.truth = self.final.label[self.asked]

    def _views(self, transductive: bool) -> list[ScoredSamples]:
        val_fold = TASKS[self._options.task].val_fold
        return feature_views(self._options.features, self._number, val_fold, transductive=transductive)

    def questions(self, peer: Peer) -> tuple[list[tuple[Question, Tensor]], Question]:
        """Return the training views' questions to a peer with their truth, and the final question without."""
        kind = peer.transductive, peer.discriminant
        if kind not in self._asked:
            views = self._views(peer.transductive)
            ask = partial(question, transductive=peer.transductive, discriminant=peer.discriminant)
            held = [(view, view.role == HELD) for view in views]
            training = [(ask(view, HELD), view.label[asked]) for view, asked in held if asked.any()]
            self._asked[kind] = training, ask(views[-1], TEST)
        return self._asked[kind]


def answer(job: Job, fold: Fold) -> tuple[Tensor, dict[str, Any]]:
    """Let a peer choose its setting on the training views and answer: correctness [A] bool, and further fields."""
    peer = PEERS[job.model]
    training, final = fold.questions(peer)
    started = time.perf_counter()
    setting = choose(peer, training)
    scores = peer.answer(final, **setting)
    seconds = time.perf_counter() - started
    if not scores.isfinite().all():
        raise BenchmarkError(f"{job.model}: found scores that are not finite with {setting}, wanted finite ones")
    measured = {name: of(scores, fold.truth) for name, of in (("nll", nll), ("ece", ece)) if peer.probabilities}
    return scores.argmax(1) == fold.truth, {"setting": json.dumps(setting), "seconds": seconds, **measured}


def result(job: Job, fold: Fold, options: argparse.Namespace, command: str) -> Result:
    """Run a job and measure it on the test fold."""
    if job.file is None:
        right, found = answer(job, fold)
    else:
        folder = job_folder(job, options.runs)
        found = {"setting": json.dumps(job.overrides), "seconds": run_rrnet(job, options.features, folder)}
        right = read_predictions(predictions_file(folder), fold.final, fold.asked) == fold.truth
    return Result(
        **dict(zip(("model", "fold", "seed", "config"), job.key, strict=True)),  # type: ignore[arg-type]
        **{"nll": None, "ece": None, **found},
        accuracy=right.double().mean().item(),
        correct="".join("01"[int(bit)] for bit in right.tolist()),
        command=command,
        commit=git_commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def run(options: argparse.Namespace, jobs: Sequence[Job], configs: Path, command: str, console: Console) -> list[Job]:
    """Run what is missing, keep each row and report as it comes; return the jobs that failed."""
    check_drawing()
    kept, failed, settings = with_ending(options.out, ".jsonl"), list[Job](), digests(options, configs)
    todo = missing(jobs, read_rows(kept, Result))
    folds = {number: Fold(options, number) for number in dict.fromkeys(options.folds)}  # all checked before any run

    def write() -> None:
        rows = [row for row in read_rows(kept, Result) if row.config == settings.get(row.model)]
        report(options, jobs, rows, folds, command)

    with progress(console) as bar:
        task = bar.add_task("runs", total=len(jobs), completed=len(jobs) - len(todo))
        write()
        for job in todo:
            try:
                row = result(job, folds[job.fold], options, command)
                append_row(kept, row)
                write()
                said = f"accuracy {100 * row.accuracy:.2f} %, {row.seconds:.1f} s"
            except BenchmarkError as error:
                failed.append(job)
                said = f"failed\n{error}"
            say(bar, job, said)
            bar.advance(task)
    return failed


def main(argv: Sequence[str], configs: Path = ROOT / "configs") -> int:
    """Run the command line; return its exit status."""
    options, command = parse(argv), f"python -m benchmarks.refine {shlex.join(argv)}"
    return finish(options.out, lambda console: run(options, plan(options, configs), configs, command, console))
