"""The table of refiners, Markdown and Parquet: accuracy over folds and seeds, paired differences, calibration, cost."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import NormalDist, mean, stdev
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.differences import PARQUET, Difference, fold_means, paired_difference
from benchmarks.common.files import with_ending, write_whole
from benchmarks.refine.rows import Result

NOTE = """\
Accuracy in %: mean ± standard deviation over folds of the mean over seeds in each fold; `sd seeds` is the deviation
over seeds of the mean over folds. Gain: minus the backbone alone, in points, on the folds that both have.
`{reference} - model`, in points, with two 95 % intervals: first over samples (normal interval of the paired differences
of all test samples of all folds, each sample's correctness averaged over seeds: the trained models are taken as given,
samples as independent), then the t-interval over folds. NLL (nats) and ECE (15 bins) where scores are probabilities of
all classes. All models have the same features and, but for the paper's settings, the same evidence; settings of peers
were chosen on training views; how RR-Net's were is said in the README. Transductive models see the other unlabelled
test samples, the others one at a time.
Seconds: mean over runs; a peer's choice and answer without the search for neighbours, RR-Net's whole `fit` process.
The paper's gain over its own backbones, which were others: {gain}.
"""


@dataclass(frozen=True)
class Line:
    """One model of the table; accuracies and differences in % and points, None where they cannot be said.

    Attributes:
        sd_folds, sd_seeds: over folds of the mean over seeds, and the other way round.
        over_samples, over_folds: reference minus this model.
    """

    model: str
    folds: int
    runs: int
    accuracy: float
    sd_folds: float | None
    sd_seeds: float | None
    gain: float | None
    over_samples: Difference | None
    over_folds: Difference | None
    nll: float | None
    ece: float | None
    seconds: float


def sample_means(results: Sequence[Result]) -> dict[int, list[float]]:
    """Correctness of each sample, mean over seeds, by fold."""
    by_fold: dict[int, list[str]] = {}
    for result in results:
        by_fold.setdefault(result.fold, []).append(result.correct)
    return {fold: [mean(map(int, digits)) for digits in zip(*by_fold[fold], strict=True)] for fold in sorted(by_fold)}


def sample_interval(ours: Sequence[float], theirs: Sequence[float], peer: str = "") -> Difference:
    """Mean of the paired differences d in points with its 95 % normal interval, mean(d) ± 1.96 sd(d) / √n."""
    d = [100 * (a - b) for a, b in zip(ours, theirs, strict=True)]
    if len(d) < 2:
        return Difference(peer, mean(d), None, None)
    half = NormalDist().inv_cdf(0.975) * stdev(d) / len(d) ** 0.5
    return Difference(peer, mean(d), mean(d) - half, mean(d) + half)


def summarise(results: Sequence[Result], models: Sequence[str], reference: str) -> list[Line]:
    """Return the lines of the models that have results, in order; differences are ``reference`` minus model."""
    found = {name: [result for result in results if result.model == name] for name in models}
    folds = {name: _percent_by_fold(rows) for name, rows in found.items()}
    samples = {name: sample_means(rows) for name, rows in found.items()}

    def line(name: str, rows: list[Result]) -> Line:
        own, base = folds[name], folds.get("backbone", {})
        seeds = _percent_by_seed(rows)
        common = sorted(own.keys() & base.keys())
        return Line(
            model=name,
            folds=len(own),
            runs=len(rows),
            accuracy=mean(own.values()),
            sd_folds=stdev(own.values()) if len(own) > 1 else None,
            sd_seeds=stdev(seeds) if len(seeds) > 1 else None,
            gain=mean(own[f] - base[f] for f in common) if common and name != "backbone" else None,
            over_samples=_over_samples(samples.get(reference, {}), samples[name], name, reference),
            over_folds=_over_folds(folds.get(reference, {}), own, name, reference),
            nll=_mean([row.nll for row in rows]),
            ece=_mean([row.ece for row in rows]),
            seconds=mean(row.seconds for row in rows),
        )

    return [line(name, rows) for name, rows in found.items() if rows]


def _percent_by_fold(rows: Sequence[Result]) -> dict[int, float]:
    return {fold: 100 * value for fold, value in fold_means(rows, "accuracy").items()}


def _percent_by_seed(rows: Sequence[Result]) -> list[float]:
    """Mean over folds of each seed that has them all."""
    all_folds = {row.fold for row in rows}
    seeds = {seed: [row for row in rows if row.seed == seed] for seed in {row.seed for row in rows}}
    return [100 * mean(r.accuracy for r in own) for own in seeds.values() if {r.fold for r in own} == all_folds]


def _over_samples(
    ours: Mapping[int, list[float]], theirs: Mapping[int, list[float]], name: str, reference: str
) -> Difference | None:
    common = sorted(ours.keys() & theirs.keys())
    if name == reference or not common:
        return None
    pooled = [[value for fold in common for value in side[fold]] for side in (ours, theirs)]
    return sample_interval(pooled[0], pooled[1], name)


def _over_folds(ours: Mapping[int, float], theirs: Mapping[int, float], name: str, reference: str) -> Difference | None:
    common = sorted(ours.keys() & theirs.keys())
    if name == reference or not common:
        return None
    return paired_difference([ours[fold] for fold in common], [theirs[fold] for fold in common], name)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def markdown(
    lines: Sequence[Line], titles: Mapping[str, str], about: Mapping[str, str], reference: str, gain: str
) -> str:
    """Return the table as Markdown, what it is about first and how to read it last."""
    columns = ["model", "accuracy", "sd seeds", "gain", f"{titles[reference]} - model: over samples", "over folds"]
    columns += ["NLL", "ECE", "folds", "runs", "seconds"]
    text = [f"- {name}: {value}" for name, value in about.items()]
    text += ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for line in lines:
        spread = "" if line.sd_folds is None else f" ± {line.sd_folds:.2f}"
        cells = [
            titles[line.model],
            f"{line.accuracy:.2f}{spread}",
            _number(line.sd_seeds),
            _number(line.gain, "+.2f"),
            _interval(line.over_samples),
            _interval(line.over_folds),
            _number(line.nll, ".3f"),
            _number(line.ece, ".3f"),
            str(line.folds),
            str(line.runs),
            f"{line.seconds:.1f}",
        ]
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join([*text, "", NOTE.format(reference=titles[reference], gain=gain)])


def _number(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)


def _interval(d: Difference | None) -> str:
    if d is None:
        return "–"
    return f"{d.mean:+.2f}" + ("" if d.low is None or d.high is None else f" [{d.low:+.2f}, {d.high:+.2f}]")


def parquet(lines: Sequence[Line], about: Mapping[str, str]) -> bytes:
    """Return the table as Parquet: the fields of :class:`Line`, a difference as a struct, ``about`` as metadata."""
    types: dict[Any, Any] = {**PARQUET}
    schema = pa.schema([(field.name, types[field.type]) for field in fields(Line)], metadata=dict(about))
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([asdict(line) for line in lines], schema=schema), buffer)
    return buffer.getvalue()


def write_refine_table(out: Path, title: str, text: str, lines: Sequence[Line], about: Mapping[str, str]) -> None:
    """Write ``<out>.md`` and ``<out>.parquet``, each whole or not at all."""
    write_whole(with_ending(out, ".md"), f"# {title}\n\n{text}".encode())
    write_whole(with_ending(out, ".parquet"), parquet(lines, about))
