"""Every benchmark command that is written down is one of today's, and every row of results can be read."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.common.files import read_rows
from benchmarks.common.jobs import ROOT
from benchmarks.ratings import command as ratings
from benchmarks.ratings import study
from benchmarks.ratings.peers import PEERS
from benchmarks.ratings.plan import Model, config_files
from benchmarks.ratings.rows import Row
from benchmarks.refine import command as refine
from benchmarks.refine.rows import Result
from benchmarks.retrieval import command as retrieval
from benchmarks.speed import startup, threads
from benchmarks.speed import tables as speed_tables
from benchmarks.tables import command as tables
from benchmarks.tables import curve
from benchmarks.tables.rows import Row as TablesRow

PARSE = {
    "ratings": ratings.parse,
    "ratings.study": study.parse,
    "refine": refine.parse,
    "retrieval": retrieval.parse,
    "speed.startup": startup.parse,
    "speed.tables": speed_tables.parse,
    "speed.threads": threads.parse,
    "tables": tables.parse,
    "tables.curve": curve.parse,
}
WRITTEN = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("configs/*.yaml")]


def commands() -> list[tuple[str, str]]:
    """Module and arguments of each command, up to the end of its line or code span."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in WRITTEN)
    module = "|".join(map(re.escape, sorted(PARSE, key=len, reverse=True)))
    spans = re.findall(rf"`python -m benchmarks\.({module})\b\s*([^`]*)`", text)
    lines = re.findall(rf"^(?:# +)?python -m benchmarks\.({module})\b *([^#\n]*)", text, re.MULTILINE)
    return sorted({(name, words) for name, words in spans + lines if words or name.startswith("speed")})  # else a name


def test_a_command_of_each_is_written() -> None:
    """And none of another."""
    everywhere = "\n".join(file.read_text(encoding="utf-8") for file in WRITTEN)
    assert {module for module, _ in commands()} == set(PARSE)
    assert set(re.findall(r"python -m benchmarks\.([\w.]*\w)", everywhere)) == set(PARSE)


@pytest.mark.parametrize(("module", "words"), commands())
def test_written_commands_are_read(module: str, words: str) -> None:
    options = PARSE[module](shlex.split(words))
    if module.startswith("ratings"):
        known = [*PEERS, *config_files(options.data, ROOT / "configs")]
        assert all(Model.of(name, known, options.data) for name in options.models)


@pytest.mark.parametrize("file", sorted(ROOT.glob("docs/results/*.jsonl")), ids=lambda file: file.stem)
def test_rows_of_results_are_read(file: Path) -> None:
    kinds: dict[str, type[Row | Result | TablesRow]] = {"refine": Result, "social": Row, "tables": TablesRow}
    kinds["retrieval"] = TablesRow
    kind = kinds[file.name.partition("_")[0]]
    assert len(read_rows(file, kind)) == len(file.read_text().splitlines()) > 0
