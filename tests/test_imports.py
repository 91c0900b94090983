"""The import rule: a folder imports only what comes before it. Read from the source, without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rrnet_lightning"
ORDER = [  # data -> candidates -> evidence -> graph -> nn -> objective
    {"errors"},
    {"checkpoints", "metrics", "schedulers"},
    {"trainable"},
    {"data", "graph"},
    {"candidates"},
    {"evidence"},
    {"nn", "objectives"},
    {"module"},
    {"datamodules"},
    {"mapper"},
    {"cli"},
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
NARROWER = {  # what of ours these may import, besides themselves: less than all that comes before
    "data": {"errors"},
    "graph": {"errors"},
    "nn": {"errors", "graph"},
    "objectives": {"errors", "metrics"},
    "module": {"errors", "checkpoints", "trainable", "graph", "nn", "objectives"},
    "datamodules": set(RANK) - {"cli", "mapper", "module", "nn", "checkpoints", "trainable", "schedulers"},
}
LIGHTNING = {"checkpoints", "trainable", "candidates", "module", "datamodules", "cli"}


def allowed(layer: str) -> set[str]:
    """What of ours a file or folder may import."""
    earlier = {name for name, rank in RANK.items() if rank < RANK[layer]}
    return NARROWER.get(layer, earlier) | {layer, "__version__"}


def imports(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported; ``package`` resolves relative imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + ([node.module] if node.module else [])
            yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)


def violations(package: Path) -> list[str]:
    """Every import under ``package`` that breaks the rule, as ``file:line: what``."""
    found = []
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        layer, place = parts[1], file.relative_to(package.parent)
        if layer in ("__init__", "__main__"):  # offers what the others hold
            continue
        for line, name in imports(ast.parse(file.read_text(encoding="utf-8"), str(file)), list(parts[:-1])):
            root, *rest = name.split(".")
            ours = rest[0] if root == package.name and rest else layer
            if ours not in allowed(layer):
                found.append(f"{place}:{line}: {layer} imports {ours}")
            if root in {"lightning", "pytorch_lightning"} and layer not in LIGHTNING:
                found.append(f"{place}:{line}: {layer} imports Lightning")
    return found


def test_package_follows_the_import_rule() -> None:
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("graph/build.py", "from rrnet_lightning.graph.schema import validate\nimport torch", []),
        ("graph/build.py", "from ..nn import ops", ["rrnet_lightning/graph/build.py:1: graph imports nn"]),
        ("nn/rrnet.py", "from rrnet_lightning import graph", []),
        (
            "nn/rrnet.py",
            "import torch\nimport rrnet_lightning.data.sound.esc",
            ["rrnet_lightning/nn/rrnet.py:2: nn imports data"],
        ),
        (
            "objectives/base.py",
            "from ..graph import schema",
            ["rrnet_lightning/objectives/base.py:1: objectives imports graph"],
        ),
        ("module.py", "from .datamodules import esc", ["rrnet_lightning/module.py:1: module imports datamodules"]),
        ("module.py", "def late():\n    from . import data", ["rrnet_lightning/module.py:2: module imports data"]),
        ("cli.py", "from lightning.pytorch.cli import LightningCLI\nfrom . import data, module", []),
        ("nn/ops.py", "from lightning import Trainer", ["rrnet_lightning/nn/ops.py:1: nn imports Lightning"]),
    ],
)
def test_rule_sees_each_kind_of_import(tmp_path: Path, file: str, source: str, expected: list[str]) -> None:
    path = tmp_path / "rrnet_lightning" / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert violations(tmp_path / "rrnet_lightning") == expected
