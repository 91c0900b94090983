"""A user's own tables through the command line, and in three lines of Python."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from rrnet_lightning import load
from rrnet_lightning.cli.command import main
from rrnet_lightning.errors import DataError, RunError
from tests.command import PROJECT, only_run, refused
from tests.fake import write_tables

FEW = ["--config", str(PROJECT / "configs/tables.yaml"), "--trainer.accelerator", "cpu", "--trainer.logger", "false"]
FEW += ["--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", "runs", "--data.repeats", "1"]


def test_new_sources_are_ranked_by_file_and_in_python(here: Path) -> None:
    write_tables(here)
    main(["fit", *FEW, "--trainer.max_epochs", "4"])
    known = np.load("source.npy")
    np.save("new.npy", known[5:9] + 0.01)
    main(["predict", *FEW, "--ckpt_path", "best", "--data.predict_path", "new.npy"])
    table = pq.read_table("predictions.parquet").to_pydict()
    assert sorted(set(table["source"])) == [f"new {row}" for row in range(4)] and len(table["score"]) == 4 * 20
    assert table["truth"] == [None] * 80
    ranked = load(only_run(here)).rank(known[5:9] + 0.01, k=3)
    for row in range(4):
        own = [
            (score, target)
            for name, target, score in zip(*(table[c] for c in ("source", "target", "score")), strict=True)
            if name == f"new {row}"
        ]
        best = sorted(own, key=lambda pair: -pair[0])[:3]
        assert ranked.ids[row] == [target for _, target in best]
        assert ranked.score[row].tolist() == pytest.approx([score for score, _ in best], abs=1e-5)
    assert sum(str(row + 5) in ranked.ids[row] for row in range(4)) >= 3  # almost known rows find their partners


def test_a_run_that_is_none_and_rows_of_another_width_are_refused(here: Path) -> None:
    with pytest.raises(RunError, match=r"config\.yaml: found no such file"):
        load(here)
    write_tables(here)
    main(["fit", *FEW, "--trainer.max_epochs", "1"])
    mapper = load(only_run(here), "last")
    with pytest.raises(DataError, match=r"new sources: found \[2, 3\], wanted \[M, 8\]"):
        mapper.rank(np.ones((2, 3), dtype=np.float32))
    with pytest.raises(RunError, match="k: found 21, wanted 1 to 20"):
        mapper.rank(np.ones((2, 8), dtype=np.float32), k=21)


def test_other_pairs_than_those_learnt_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tables(here)
    main(["fit", *FEW, "--trainer.max_epochs", "1"])
    lines = (here / "pairs.csv").read_text().splitlines()
    (here / "pairs.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    main(["test", *FEW, "--ckpt_path", "best"])  # the same pairs in another order
    (here / "pairs.csv").write_text("\n".join([*lines[:-1], "119,0"]) + "\n")
    assert "the data is not that of the training" in refused(capsys, ["test", *FEW, "--ckpt_path", "best"])
