"""What ``benchmarks.refine`` writes of the rows there are: table, bars, the study of K, the confusion matrix."""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from benchmarks.common.files import with_ending, write_whole
from benchmarks.common.jobs import Job, job_folder, missing
from benchmarks.refine.pictures import bars, confusion, confusion_matrix, study
from benchmarks.refine.plan import REFERENCE, STUDIES, TASKS, models, titles, top_k_name
from benchmarks.refine.rows import Result
from benchmarks.refine.runs import predictions_file, read_predictions
from benchmarks.refine.table import Line, markdown, summarise, write_refine_table
from rrnet_lightning.candidates.samples import ScoredSamples


class AskedFold(Protocol):
    """The part of a fold that a report reads: its final view, the rows asked [N] bool, their classes [A]."""

    final: ScoredSamples
    asked: Tensor
    truth: Tensor


def report(
    options: argparse.Namespace,
    jobs: Sequence[Job],
    rows: Sequence[Result],
    folds: Mapping[int, AskedFold],
    command: str,
) -> None:
    """Write table and pictures of the rows, models asked for first, then the others; nothing while there are none."""
    if not rows:
        return
    task, names, asked = TASKS[options.task], titles(options), list(models(options))
    others = list(dict.fromkeys(row.model for row in rows if row.model not in asked))
    earlier = {"measured by earlier commands": ", ".join(others)} if others else {}
    about = _about(options, rows, jobs, command) | earlier
    reference = top_k_name(STUDIES[options.study][0]) if options.study else REFERENCE
    lines = summarise(rows, [*asked, *others], reference)
    text = markdown(lines, names, about, reference, task.gain) if not options.study else ""
    heading = f"{task.title}: the same features, used in other ways"
    if options.study:
        points = _points(options, lines, folds)
        text, heading = _study_text(points, task.top_k, about), f"{task.title}: number of candidate classes"
        picture = study(points, task.top_k)
    else:
        picture = bars(lines, names, REFERENCE)
    write_refine_table(options.out, heading, text, lines, about)
    write_whole(with_ending(options.out, ".svg"), picture)
    if options.confusion:
        _write_confusion(options, jobs, rows, folds)


def recall_ceiling(view: ScoredSamples, asked: Tensor, k: int) -> float:
    """Share of the rows asked whose class is among their k best by the backbone's scores: no choice can do better."""
    best = view.log_probs[asked].topk(k, dim=1).indices
    return (best == view.label[asked, None]).any(1).double().mean().item()


def _about(options: argparse.Namespace, rows: Sequence[Result], jobs: Sequence[Job], command: str) -> dict[str, str]:
    done = len(jobs) - len(missing(jobs, rows))
    state = "" if done == len(jobs) else f" ({done} of {len(jobs)} runs; the same command goes on)"
    return {
        "command": f"`{command}`{state}",
        "date": max(row.date for row in rows),
        "commit": ", ".join(sorted({(row.commit or "none")[:10] for row in rows})),
        "features": f"`{options.features}`",
        "test folds": ", ".join(map(str, sorted({row.fold for row in rows}))),
        "seeds": f"{', '.join(map(str, sorted({row.seed for row in rows})))} of RR-Net; peers make no random choices",
        "machine": f"{os.cpu_count()} cores",
    }


def _points(
    options: argparse.Namespace, lines: Sequence[Line], folds: Mapping[int, AskedFold]
) -> dict[int, dict[str, float]]:
    """Recall ceiling and accuracy in %, seconds of fit, by K; those that have results."""
    by_name = {line.model: line for line in lines}
    points = {}
    for k in STUDIES[options.study]:
        line = by_name.get(top_k_name(k))
        if line is not None:
            ceilings = [recall_ceiling(fold.final, fold.asked, k) for fold in folds.values()]
            recall = 100 * sum(ceilings) / len(ceilings)
            points[k] = {"recall": recall, "accuracy": line.accuracy, "seconds": line.seconds}
            points[k] |= {"sd": line.sd_folds} if line.sd_folds is not None else {}
    return points


def _study_text(points: Mapping[int, Mapping[str, float]], paper: Mapping[int, float], about: Mapping[str, str]) -> str:
    lines = [f"- {name}: {value}" for name, value in about.items()]
    lines += ["", "| K | recall ceiling, % | RR-Net tuned, % | paper, % | fit, seconds |", "|---|---|---|---|---|"]
    for k, at in points.items():
        spread = f" ± {at['sd']:.2f}" if "sd" in at else ""
        theirs = f"{paper[k]:.1f}" if k in paper else "–"
        lines.append(f"| {k} | {at['recall']:.2f} | {at['accuracy']:.2f}{spread} | {theirs} | {at['seconds']:.1f} |")
    note = "Test folds: mean ± standard deviation over folds of the mean over seeds. The ceiling is the share of test\n"
    note += "samples whose class is among the K. The curve is for reading: no setting was chosen by it. The paper's\n"
    note += "values (its Table V) are with another backbone.\n"
    return "\n".join([*lines, "", note])


def _write_confusion(
    options: argparse.Namespace, jobs: Sequence[Job], rows: Sequence[Result], folds: Mapping[int, AskedFold]
) -> None:
    """Draw the reference's confusion matrix over the test folds that are done, first seed."""
    done = {row.key for row in rows}
    chosen = [j for j in jobs if j.model == REFERENCE and j.seed == options.seeds[0] and j.key in done]
    if not chosen:
        return
    names = folds[chosen[0].fold].final.names
    matrix = torch.zeros(len(names), len(names), dtype=torch.long)
    for job in chosen:
        fold = folds[job.fold]
        predicted = read_predictions(predictions_file(job_folder(job, options.runs)), fold.final, fold.asked)
        matrix += confusion_matrix(fold.truth, predicted, len(names))
    write_whole(with_ending(options.out, "_confusion.svg"), confusion(matrix, names))
