"""The benchmark of pictures and texts: cases by generator, and resuming."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.retrieval import sets
from benchmarks.retrieval.command import main
from rrnet_lightning.candidates.retrieval import CCA, Ridge
from rrnet_lightning.data.paired.text_features import Lsa
from rrnet_lightning.evidence.seen import Bridges
from tests import fake_paired


def test_each_generator_has_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_paired.write_emoji(tmp_path, 60)
    monkeypatch.setenv("RRNET_DATA", str(tmp_path))
    monkeypatch.setattr("rrnet_lightning.data.paired.emoji.check_counts", lambda *args: None)
    monkeypatch.setattr("benchmarks.tables.models.EPOCHS", 1)
    relations = Bridges(neighbours=4, hubness=3, supports=2, classes=True)
    small = {"text": [Lsa(3, min_texts=1)], "relations": relations, "top_k": 5, "folds": 2}
    plain = sets.SETS["emoji"]
    monkeypatch.setitem(sets.SETS, "emoji", lambda of: replace(plain(of), data=plain(of).data | small))
    monkeypatch.setattr(sets, "GENERATORS", {"cca": CCA(dim=2), "ridge": Ridge()})
    args = ["--data", "emoji", "--generators", "cca", "ridge", "--rerank", "generator", "csls", "pair-mlp", "rrnet"]
    args += ["--modes", "inductive", "--splits", "2", "--out", str(tmp_path / "emoji")]
    assert main(args) == 0
    said = capsys.readouterr().out
    assert said.count("emoji over cca, split 0") == 4 and said.count("emoji over ridge, split 1") == 4
    table = (tmp_path / "emoji.md").read_text()
    assert "## emoji over cca, inductive" in table and "| rrnet minus | recall@1 | recall@10 | map | splits |" in table
    assert main(args) == 0
    assert "split" not in capsys.readouterr().out
