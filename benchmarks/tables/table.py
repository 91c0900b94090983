"""The Markdown table of two tables' runs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import mean, stdev
from typing import Protocol

from benchmarks.common.differences import paired_difference
from benchmarks.tables.peers import KNOWN, LABELS, OTHERS, PEERS
from benchmarks.tables.rows import KEPT, Row, unpack
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.datamodule import Mode

METRICS = {"recall@1": 100, "source/recall@1": 100, "target/recall@1": 100, "recall@10": 100, "mrr": 1, "map": 100}
NOTES = """Mean ± standard deviation over splits; mrr is a share, all else in %. A difference is the mean over splits,
paired, with its 95 % t-interval; in round brackets is the interval over the queries of all these splits, as if none
were asked twice. `source/`: queries are sources. Else the mean of both directions.
"""


class Case(Protocol):
    """What is asked, split by split."""

    @property
    def modes(self) -> tuple[Mode, ...]: ...  # noqa: D102

    @property
    def class_share(self) -> float: ...  # noqa: D102

    @property
    def same_queries(self) -> bool:
        """Whether all splits ask the same."""

    def make(self, seed: int, mode: Mode) -> TablesDataModule: ...  # noqa: D102


def table(title: str, cases: Mapping[str, Case], rows: Sequence[Row], command: str) -> str:
    """Mean and deviation over splits, and RR-Net's differences to each model, paired by split."""
    lines = [f"# {title}", "", f"- command: `{command}`", f"- date: {datetime.now(UTC).isoformat()}"]
    lines += [f"- code: {', '.join(sorted({row.commit for row in rows}))}", ""]
    for name, case in cases.items():
        for mode in case.modes:
            own = [row for row in rows if (row.task, row.mode) == (name, mode)]
            if own:
                lines += [f"## {name}, {mode}" if len(cases) > 1 else f"## {mode.capitalize()}", ""]
                lines += [*_means(own, case), "", *_differences(own, case), ""]
    return "\n".join([*lines, NOTES])


def _means(rows: Sequence[Row], case: Case) -> list[str]:
    """A row a model."""
    lines = _head(["model", "uses", *METRICS, "splits", "s"])
    for name, found in _by_model(rows).items():
        cells = [_spread([row.metrics[metric] * by for row in found.values()]) for metric, by in METRICS.items()]
        seconds = mean(row.seconds for row in found.values())
        cells = [name, _uses(name, rows[0].mode, case), *cells, str(len(found)), f"{seconds:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _differences(rows: Sequence[Row], case: Case) -> list[str]:
    """RR-Net minus each other model."""
    models = _by_model(rows)
    reference = "rrnet" if rows[0].mode == "inductive" else "rrnet+sinkhorn"
    if reference not in models:
        return []
    lines = _head([f"{reference} minus", *KEPT, "splits"])
    for name, found in models.items():
        both = sorted(found.keys() & models[reference].keys())
        if name != reference and both:
            pairs = [(models[reference][split], found[split]) for split in both]
            cells = [_difference(pairs, metric, case) for metric in KEPT]
            lines.append(f"| {' | '.join([name, *cells, str(len(both))])} |")
    return lines


def _difference(pairs: Sequence[tuple[Row, Row]], metric: str, case: Case) -> str:
    """Over splits and, where they were kept, over queries; each is the mean of the splits that ask the same."""
    ours, theirs = ([100 * both[i].metrics[metric] for both in pairs] for i in (0, 1))
    text = paired_difference(ours, theirs).text(2)
    if all(metric in row.queries for both in pairs for row in both):
        splits = [[unpack(both[i].queries[metric]) for both in pairs] for i in (0, 1)]
        if case.same_queries:
            splits = [[[mean(each) for each in zip(*of, strict=True)]] for of in splits]
        ours, theirs = ([100 * x for split in of for x in split] for of in splits)
        found = paired_difference(ours, theirs)
        text += f" ([{found.low:+.2f}, {found.high:+.2f}])"
    return text


def _by_model(rows: Sequence[Row]) -> dict[str, dict[int, Row]]:
    """Model -> split -> row."""
    found: dict[str, dict[int, Row]] = {}
    for row in rows:
        found.setdefault(row.model, {})[row.split] = row
    return found


def _uses(name: str, mode: str, case: Case) -> str:
    """What a model reads beside its query, the rows that are searched, and the generator."""
    if name in PEERS:
        return ", ".join(PEERS[name].uses) or "–"
    return ", ".join([KNOWN] + [LABELS] * (case.class_share > 0) + [OTHERS] * (mode == "transductive"))


def _head(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _spread(values: list[float]) -> str:
    deviation = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{mean(values):.2f}{deviation}"
