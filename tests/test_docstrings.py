"""Docstrings as the reference shows them: an entry for every argument, and tables that Markdown can read."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXCEPTIONS = {  # several arguments on a line
    "rrnet_lightning/data/tables/pairs.py:read_pairs",
    "rrnet_lightning/module.py:RRNetModule",
    "rrnet_lightning/nn/rrnet.py:RRNet",
}


def documented(docstring: str) -> list[str] | None:
    """Names of the entries below ``Args:``; None where there is no such section."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", docstring, flags=re.MULTILINE)
    return section and re.findall(r"^    (\S[^:\n]*):", section[1], flags=re.MULTILINE)


def parameters(node: ast.ClassDef | ast.FunctionDef) -> list[str]:
    """Names of what a function takes, or a class: by ``__init__``, or by the fields of a dataclass."""
    if isinstance(node, ast.ClassDef):
        init = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        if not init:
            return [ast.unparse(each.target) for each in node.body if isinstance(each, ast.AnnAssign)]
        (node,) = init
    names = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    names += [name for name in (node.args.vararg, node.args.kwarg) if name]
    return [name.arg for name in names if name.arg not in ("self", "cls")]


def differences(root: Path) -> Iterator[str]:
    """Classes and functions whose ``Args:`` are not what they take, as ``file:name``."""
    for file in sorted((root / "rrnet_lightning").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found = documented(ast.get_docstring(node) or "")
                if found is not None and sorted(found) != sorted(parameters(node)):
                    yield f"{file.relative_to(root).as_posix()}:{node.name}"


def test_every_argument_has_an_entry() -> None:
    assert set(differences(ROOT)) - EXCEPTIONS == set()


@pytest.mark.parametrize(
    ("entries", "found"), [("one: a.\n        two: b.", []), ("one, two: a.", ["f"]), ("one: a. two: b.", ["f"])]
)
def test_a_missing_entry_is_seen(entries: str, found: list[str], tmp_path: Path) -> None:
    (tmp_path / "rrnet_lightning").mkdir()
    text = f'def f(one, two):\n    """Do.\n\n    Args:\n        {entries}\n\n    Raises:\n        Error: e.\n    """\n'
    (tmp_path / "rrnet_lightning/a.py").write_text(text)
    assert list(differences(tmp_path)) == [f"rrnet_lightning/a.py:{name}" for name in found]


def test_tables_have_one_line_a_row() -> None:
    """Markdown makes a row of every line: one whose first cell is empty goes on from the line above."""
    pattern = re.compile(r"^\| +\|.*$", flags=re.MULTILINE)
    rows = [row for file in (ROOT / "rrnet_lightning").rglob("*.py") for row in pattern.findall(file.read_text())]
    assert rows == []
