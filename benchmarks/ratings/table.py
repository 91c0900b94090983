"""The table of rating models, Markdown and Parquet: mean and sd over folds, difference to the best peer, cost."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.differences import PARQUET, Difference, fold_means, paired_difference
from benchmarks.common.files import with_ending, write_whole
from benchmarks.ratings.rows import Row

METRICS = ("mae", "rmse")
NOTE = """\
Each figure is the mean ± standard deviation over folds, of the mean over seeds in each fold, in rating units. A
difference is the mean over folds of the model minus the one named in the header, with its 95 % t-interval over folds;
unless asked otherwise, that is the model with the lowest mean that is not an RR-Net. All models learn from the same
ratings, for a number of epochs fixed beforehand; a seed is the network's or the factors'; a scorer has the split's.
Fit seconds: mean of the training alone, scorers included, importing and testing left out. Peak memory: the highest of
the model's processes, Python and libraries included, the GPU's own left out.
"""
SLICES = """\
The same runs on users and items of which few ratings were learnt from: RMSE over the ratings of all folds together, and
the mean over folds of the paired difference to the same peer with its 95 % interval.
"""


@dataclass(frozen=True)
class SliceSummary:
    """Errors of a model on some of the ratings, over all folds and seeds; ``difference`` of RMSE, paired by fold."""

    name: str
    count: int
    mae: float | None
    rmse: float | None
    difference: Difference | None


@dataclass(frozen=True)
class Summary:
    """One model of the table. What cannot be said yet, or not at all, is None.

    Attributes:
        folds, runs: how many are in the figures.
        mae_mean, mae_sd, rmse_mean, rmse_sd: over folds.
        mae_difference, rmse_difference: to the best peer by that metric; None for that peer itself.
        fit_seconds: mean over runs. peak_mib: maximum over runs.
        slices: the same on some of the ratings.
    """

    model: str
    folds: int
    runs: int
    mae_mean: float | None
    mae_sd: float | None
    rmse_mean: float | None
    rmse_sd: float | None
    mae_difference: Difference | None
    rmse_difference: Difference | None
    fit_seconds: float | None
    peak_mib: float | None
    slices: list[SliceSummary]


def best_peer(means: Mapping[str, Mapping[int, float]], peers: Iterable[str]) -> str | None:
    """Return the peer with the lowest mean, among those with the most folds; None if none has one."""
    done = [name for name in peers if means[name]]
    most = max((len(means[name]) for name in done), default=0)
    return min((n for n in done if len(means[n]) == most), key=lambda n: mean(means[n].values()), default=None)


def summarise(rows: Sequence[Row], models: Sequence[str], peers: Sequence[str]) -> list[Summary]:
    """Return the table's rows in the order of ``models``; ``peers`` are those that may be the best peer."""
    by_model = {name: [row for row in rows if row.model == name] for name in models}
    means = {metric: {name: fold_means(by_model[name], metric) for name in models} for metric in METRICS}
    best = {metric: best_peer(means[metric], peers) for metric in METRICS}

    def difference(name: str, metric: str) -> Difference | None:
        peer = best[metric]
        common = means[metric][name].keys() & means[metric][peer].keys() if peer else set()
        if peer is None or peer == name or not common:
            return None
        ours, theirs = ([means[metric][model][fold] for fold in sorted(common)] for model in (name, peer))
        return paired_difference(ours, theirs, peer)

    summaries = []
    for name, own in by_model.items():
        mae, rmse = (list(means[metric][name].values()) for metric in METRICS)
        summaries.append(
            Summary(
                model=name,
                folds=len(mae),
                runs=len(own),
                mae_mean=mean(mae) if mae else None,
                mae_sd=stdev(mae) if len(mae) > 1 else None,
                rmse_mean=mean(rmse) if rmse else None,
                rmse_sd=stdev(rmse) if len(rmse) > 1 else None,
                mae_difference=difference(name, "mae"),
                rmse_difference=difference(name, "rmse"),
                fit_seconds=mean(row.fit_seconds for row in own) if own else None,
                peak_mib=max((row.peak_mib for row in own), default=None),
                slices=[
                    slice_summary(text, own, by_model.get(best["rmse"] or "", []), best["rmse"])
                    for text in dict.fromkeys(text for row in own for text in row.slices)
                ],
            )
        )
    return summaries


def slice_summary(name: str, rows: Sequence[Row], theirs: Sequence[Row], peer: str | None) -> SliceSummary:
    """Sum up one slice of a model's rows; ``theirs`` are the peer's."""
    counts, absolute, squared = (sum(row.slices[name][column] for row in rows) for column in range(3))
    once = {row.fold: row.slices[name].size for row in rows}
    folds = [_rmse_by_fold(some, name) for some in (rows, theirs)]
    common = sorted(folds[0].keys() & folds[1].keys())
    if peer is None or not common or rows == theirs:
        difference = None
    else:
        difference = paired_difference([folds[0][fold] for fold in common], [folds[1][fold] for fold in common], peer)
    if not counts:
        return SliceSummary(name, 0, None, None, None)
    return SliceSummary(name, sum(once.values()), absolute / counts, (squared / counts) ** 0.5, difference)


def _rmse_by_fold(rows: Iterable[Row], name: str) -> dict[int, float]:
    """RMSE of a slice in each fold where it has ratings, mean over seeds."""
    values: dict[int, list[float]] = {}
    for row in rows:
        if name in row.slices and row.slices[name].size:
            values.setdefault(row.fold, []).append((row.slices[name].squared / row.slices[name].size) ** 0.5)
    return {fold: mean(found) for fold, found in values.items()}


def markdown(summaries: Sequence[Summary], about: Mapping[str, str]) -> str:
    """Return the table as Markdown, what it is about first and how to read it last."""
    peers = [next((d.peer for d in differences if d), "best peer") for differences in _differences(summaries)]
    header = f"| model | MAE | RMSE | MAE - {peers[0]} | RMSE - {peers[1]} | folds | runs | fit s | peak MiB |"
    lines = [f"- {name}: {value}" for name, value in about.items()]
    lines += ["", header, "|---|---|---|---|---|---|---|---|---|"]
    for row in summaries:
        cells = [
            row.model,
            _spread(row.mae_mean, row.mae_sd),
            _spread(row.rmse_mean, row.rmse_sd),
            str(row.mae_difference or "–"),
            str(row.rmse_difference or "–"),
            str(row.folds),
            str(row.runs),
            "–" if row.fit_seconds is None else f"{row.fit_seconds:.2f}",
            "–" if row.peak_mib is None else f"{row.peak_mib:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", NOTE, *_slices(summaries)])


def _slices(summaries: Sequence[Summary]) -> list[str]:
    names = list(dict.fromkeys(part.name for row in summaries for part in row.slices))
    if not names:
        return []
    cells = {(row.model, part.name): part for row in summaries for part in row.slices}
    counts = {name: max(part.count for row in summaries for part in row.slices if part.name == name) for name in names}
    lines = [SLICES, f"| model | {' | '.join(f'{name} (n = {counts[name]:,})' for name in names)} |"]
    lines.append("|---" * (len(names) + 1) + "|")
    for row in summaries:
        found = [cells.get((row.model, name)) for name in names]
        texts = [
            "–" if part is None else f"{_spread(part.rmse, None)} {part.difference or ''}".strip() for part in found
        ]
        lines.append(f"| {row.model} | {' | '.join(texts)} |")
    return [*lines, ""]


def parquet(summaries: Sequence[Summary], about: Mapping[str, str]) -> bytes:
    """Return the table as Parquet: the fields of :class:`Summary`, a difference as a struct, ``about`` as metadata."""
    types: dict[Any, Any] = {**PARQUET}
    types[list[SliceSummary]] = pa.list_(pa.struct([(field.name, types[field.type]) for field in fields(SliceSummary)]))
    schema = pa.schema([(field.name, types[field.type]) for field in fields(Summary)], metadata=dict(about))
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(summary) for summary in summaries], schema=schema), buffer)
    return buffer.getvalue()


def write_table(out: Path, summaries: Sequence[Summary], title: str, about: Mapping[str, str]) -> None:
    """Write ``<out>.md`` and ``<out>.parquet``, each whole or not at all."""
    write_whole(with_ending(out, ".md"), f"# {title}\n\n{markdown(summaries, about)}".encode())
    write_whole(with_ending(out, ".parquet"), parquet(summaries, about))


def _differences(summaries: Sequence[Summary]) -> list[list[Difference | None]]:
    return [[row.mae_difference for row in summaries], [row.rmse_difference for row in summaries]]


def _spread(middle: float | None, sd: float | None) -> str:
    if middle is None:
        return "–"
    return f"{middle:.4f}" if sd is None else f"{middle:.4f} ± {sd:.4f}"
