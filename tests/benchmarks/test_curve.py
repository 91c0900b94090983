"""The curve over the number of known pairs."""

import json
from pathlib import Path

import pytest

from benchmarks.tables.curve import DRAWN, FEW, main


def write(folder: Path, models: list[str]) -> None:
    for known, task in FEW.items():
        rows = [
            {"task": task, "model": model, "mode": "transductive", "split": split, "metrics": {"recall@1": known / 1e4},
             "seconds": 1.0, "commit": "c", "command": "x"}
            for model in models for split in (0, 1)
        ]  # fmt: skip
        (folder / f"tables_{task}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_curve_has_a_line_a_model_and_is_the_same_each_time(tmp_path: Path) -> None:
    write(tmp_path, list(DRAWN))
    assert main(["--results", str(tmp_path)]) == 0
    picture = (tmp_path / "tables_words_few.svg").read_bytes()
    assert picture.count(b'id="legend_1"') == 1 and picture.count(b'id="line2d_') >= 2 * len(DRAWN)
    assert main(["--results", str(tmp_path)]) == 0 and (tmp_path / "tables_words_few.svg").read_bytes() == picture


def test_a_model_without_a_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, ["self-training"])
    assert main(["--results", str(tmp_path)]) == 2
    assert "found no row of pair-mlp+sinkhorn" in capsys.readouterr().err
    assert not (tmp_path / "tables_words_few.svg").exists()
