"""Every `python train.py` command and Python example of the README and the docs, run on miniature data, cut short.

Other commands are read by their parsers alone: `tests/test_written_commands.py`, `tests/benchmarks/test_commands.py`.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rrnet_lightning.cli import main
from tests import fake_paired
from tests.command import PROJECT
from tests.fake import write_ciao, write_cifar, write_features, write_tables

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
BRIEF = ["--data.root", "data", "--data.steps_per_epoch", "1", "--trainer.accelerator", "cpu"]
BRIEF += [
    "--trainer.logger",
    "false",
    "--trainer.enable_progress_bar",
    "false",
    "--trainer.enable_model_summary",
    "false",
]


def blocks(language: str) -> list[str]:
    return [block for text in TEXT.values() for block in re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)]


def commands(program: str) -> Iterator[list[str]]:
    """Arguments of every command line that starts with ``program``, in the order of the pages."""
    for block in blocks("bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[: len(program.split())] == program.split():
                yield words[len(program.split()) :]


def test_train_py_commands_run_in_order(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_paired.write_emoji(here / "data")
    monkeypatch.setattr("rrnet_lightning.data.paired.emoji.check_counts", lambda *args: None)
    write_ciao(here / "data")
    write_tables(here)
    write_cifar(here / "data", classes=[f"class-{number}" for number in range(10)])
    write_features(here / "features/esc50_logmel", "esc50", 50, [[1], [1, 2]], range(1, 6))
    shutil.copytree(PROJECT / "configs", here / "configs")
    (here / "pairs.txt").write_text("1 1\n")
    seen = set()
    for words in commands("python train.py"):
        if words in ([], ["doctor"]):
            main(words)
            continue
        seen.add(words[0])
        if "--help" in words or "--print_config" in words:
            with pytest.raises(SystemExit) as exit:
                main(words)
            assert exit.value.code == 0
            continue
        short = ["--trainer.max_epochs", "2" if "last" in words else "1"] if words[0] == "fit" else []
        alone = ["--trainer.strategy", "auto", "--trainer.devices", "1"]  # two processes: tests/test_ddp.py
        backbone = any("backbone_" in word for word in words)
        if "features/cifar10_small/without_1_2_3.npy" in words:  # of 5,000 images: as well as of few
            write_features(here / "features/cifar10_small", "cifar10", 10, [[1, 2, 3]], range(4))
            continue
        brief = [*BRIEF[:2], *BRIEF[4:], "--trainer.limit_train_batches", "1"] if backbone else BRIEF
        brief = BRIEF[4:] if any("configs/tables" in word for word in words) else brief
        if any("configs/retrieval" in word for word in words):
            brief = [*BRIEF[:2], *BRIEF[4:], "--data.text", "[{class_path: Lsa, init_args: {width: 3, min_texts: 1}}]"]
        main([*words, *brief, *short, *alone])
    assert seen == {"fit", "validate", "test", "predict"}
    assert (here / "ratings.parquet").is_file()


def test_make_targets_exist() -> None:
    targets = [words[0] for words in commands("make")]
    makefile = (PROJECT / "Makefile").read_text()
    assert targets and all(f"\n{target}:" in makefile for target in targets)


def test_python_examples_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's: it answers. Then those of the page on a task of one's own: the first defines it; it is trained."""
    monkeypatch.setenv("RRNET_DATA", "data")
    quiet = "logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator='cpu'"
    found = [block.replace("logger=False", quiet) for block in blocks("python")]
    tables = next(block for block in found if "pairs.csv" in block)
    exec(tables, {})
    assert np.load("source.npy").shape == (400, 20) and len(Path("pairs.csv").read_text().splitlines()) == 401
    use, task, again = (block for block in found if block != tables)
    answered: dict[str, Any] = {}
    exec(use, answered)
    found = answered["best"].rows == torch.arange(1500, 1797)[:, None]
    assert found.shape == (297, 5) and found.any(1).double().mean() > 0.1
    exec(again, {})
    train = f"""
import lightning as L
from rrnet_lightning.module import RRNetModule
data = CaptionDataModule(mask_ratio=0.5)
model = RRNetModule(data.source_dim, data.target_dim, data.edge_dim)
trainer = L.Trainer(max_epochs=1, {quiet})
trainer.fit(model, data)
[metrics] = trainer.test(model, data, verbose=False)
"""
    scope: dict[str, object] = {}
    exec(task + train, scope)
    metrics = scope["metrics"]
    assert isinstance(metrics, dict) and metrics["test/candidate_recall"] == 1.0


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_linked_files_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(TEXT["README.md"].splitlines()) < 150


def test_every_config_is_named() -> None:
    tasks = TEXT["tasks.md"]
    stem, names = "social_filmtrust_", re.search(r"`social_filmtrust_\{(.*?)\}\.yaml`", tasks)
    assert names
    named = tasks + " ".join(f"{stem}{name}.yaml" for name in names[1].split(","))
    assert [file.name for file in (PROJECT / "configs").glob("*.yaml") if file.name not in named] == []
