"""Small files, small functions: at most 250 lines a file and, outside tests, 40 a function, docstrings included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = "rrnet_lightning", "benchmarks", "tests"
FILE, FUNCTION = 250, 40
EXCEPTIONS = {  # what may be longer, and why
    "rrnet_lightning/nn/rrnet.py": "the whole network, to be read top to bottom in one file",
    "rrnet_lightning/nn/rrnet.py:score": "most of it names the tensors of a graph",
    "rrnet_lightning/data/sound/esc.py:read_esc": "half of it says what the folder may look like and what is refused",
    "rrnet_lightning/data/splits.py:read_split_dir": "a third of it says what is read and refused",
    "rrnet_lightning/datamodules/tables/datamodule.py": "a third of it says what the options are",
    "rrnet_lightning/datamodules/tables/datamodule.py:__init__": "one line an option",
    "rrnet_lightning/datamodules/social.py": "a third of it says what the options are",
    "rrnet_lightning/graph/build.py:build_graph": "most of it names the fields of a graph",
    "rrnet_lightning/module.py:__init__": "one line an option",
}


def too_long(root: Path) -> Iterator[str]:
    """Files and functions over the limits, as ``file`` and ``file:function``."""
    for file in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py")):
        text, name = file.read_text(encoding="utf-8"), file.relative_to(root).as_posix()
        if len(text.splitlines()) > FILE:
            yield name
        if name.startswith("tests/"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 > FUNCTION:
                    yield f"{name}:{node.name}"


def test_files_and_functions_are_small() -> None:
    """An exception that is no longer needed is taken off the list."""
    assert set(too_long(ROOT)) == set(EXCEPTIONS)


@pytest.mark.parametrize(
    ("folder", "body", "found"),
    [("benchmarks", 38, []), ("benchmarks", 40, [":f"]), ("benchmarks", 249, ["", ":f"]), ("tests", 249, [""])],
)
def test_the_limits_are_seen(folder: str, body: int, found: list[str], tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "a.py").write_text("def f():\n" + "    1\n" * body + "\n\n" * (body > 100))
    assert list(too_long(tmp_path)) == [f"{folder}/a.py{name}" for name in found]
