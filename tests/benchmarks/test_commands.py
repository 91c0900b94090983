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

PARSE = {"ratings": ratings.parse, "ratings.study": study.parse, "refine": refine.parse}
WRITTEN = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("configs/*.yaml")]


def commands() -> list[tuple[str, str]]:
    """Module and arguments of each command, up to the end of its line or code span."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in WRITTEN)
    module = "|".join(map(re.escape, PARSE))
    spans = re.findall(rf"`python -m benchmarks\.({module})\s+([^`]+)`", text)
    lines = re.findall(rf"^(?:# +)?python -m benchmarks\.({module}) +([^#\n]+)", text, re.MULTILINE)
    return sorted(set(spans + lines))


@pytest.mark.parametrize(("module", "words"), commands())
def test_written_commands_are_read(module: str, words: str) -> None:
    options = PARSE[module](shlex.split(words))
    if module != "refine":
        known = [*PEERS, *config_files(options.data, ROOT / "configs")]
        assert all(Model.of(name, known, options.data) for name in options.models)


@pytest.mark.parametrize("file", sorted(ROOT.glob("docs/results/*.jsonl")), ids=lambda file: file.stem)
def test_rows_of_results_are_read(file: Path) -> None:
    kind: type[Row | Result] = Result if file.name.startswith("refine") else Row
    assert len(read_rows(file, kind)) == len(file.read_text().splitlines()) > 0
