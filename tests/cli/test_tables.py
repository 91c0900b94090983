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


def test_new_sources_are_ranked_by_file_and_in_python(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tables(here)
    main(["fit", *FEW, "--trainer.max_epochs", "4"])
    known = np.load("source.npy")
    np.save("new.npy", known[5:9] + 0.01)
    main(["predict", *FEW, "--ckpt_path", "best", "--data.predict_path", "new.npy"])
    table = pq.read_table("predictions.parquet").to_pydict()
    assert sorted(set(table["source"])) == [f"new {row}" for row in range(4)] and len(table["score"]) == 4 * 20
    assert table["truth"] == [None] * 80
    mapper = load(only_run(here))
    monkeypatch.setattr(mapper.data, "generator", None)  # fitted already: to rank takes a search alone
    ranked = mapper.rank(known[5:9] + 0.01, k=3)
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


def test_new_targets_are_ranked_too(here: Path) -> None:
    write_tables(here)
    main(["fit", *FEW, "--trainer.max_epochs", "4"])
    new = np.load("target.npy")[5:9] + 0.01
    np.save("new.npy", new)
    asked = ["--data.predict_path", "new.npy", "--data.predict_side", "target", "--predictions.rows", "best"]
    main(["predict", *FEW, "--ckpt_path", "best", *asked])
    table = pq.read_table("predictions.parquet").to_pydict()
    assert table["target"] == [f"new {row}" for row in range(4)]
    ranked = load(only_run(here)).rank(new, k=20, side="target")
    assert [line[0] for line in ranked.ids] == table["source"]
    assert ranked.score[:, 0].tolist() == pytest.approx(table["score"], abs=1e-5)
    assert ranked.score.sum(1).tolist() == pytest.approx([1] * 4)  # all 20 candidates of a target
    assert sum(str(row + 5) in ranked.ids[row][:3] for row in range(4)) >= 3


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


def test_own_scores_and_edges_from_files(
    here: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Candidates of each source are the next rows; the last source has none."""
    write_tables(here)
    lines = [f"{row},{(row + step) % 120},{-step}" for row in range(119) for step in range(30)]
    Path("scores.csv").write_text("\n".join(["source,target,score", *lines, "x,0,1"]) + "\n")
    Path("edges.csv").write_text("source,target\n" + "".join(f"{row},{row + 1}\n" for row in range(119)))
    own = [*FEW, "--data.scores_path", "scores.csv", "--data.target_edges", "edges.csv", "--data.split", "sources"]
    own += ["--data.top_k", "null", "--model.units", "[intra,inter,pair,inter]"]
    main(["fit", *own, "--trainer.max_epochs", "1"])
    said = caplog.text
    assert "3,570 scores; left out: 1 rows with unknown ids (source 'x' in" in said and "119 target_edges" in said
    main(["predict", *own, "--ckpt_path", "last"])
    table = pq.read_table("predictions.parquet").to_pydict()
    found = set(zip(map(int, table["source"]), map(int, table["target"]), strict=True))
    assert len(found) in (24 * 30, 23 * 30) and all((target - source) % 120 < 30 for source, target in found)
    np.save("new.npy", np.load("source.npy")[:3])
    new = refused(capsys, ["predict", *own, "--ckpt_path", "last", "--data.predict_path", "new.npy"])
    assert "error: predict_path: found new sources with scores_path" in new
    assert "--data.scores_path: found null, but the checkpoint" in refused(
        capsys, ["test", *FEW, "--data.split", "sources", "--data.top_k", "null", "--ckpt_path", "last"]
    )


def test_what_a_dual_encoder_predicts_is_a_list_of_scores(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Trained on pairs of its own, which the network is not shown."""
    write_tables(here)
    lines = Path("pairs.csv").read_text().splitlines(keepends=True)
    Path("encoder.csv").write_text("".join(lines[:61]))
    Path("pairs.csv").write_text("".join([lines[0], *lines[61:]]))
    alone = ["--config", str(PROJECT / "configs/tables_encoder.yaml"), *FEW[2:-2], "--data.pairs_path", "encoder.csv"]
    main(["fit", *alone, "--trainer.max_epochs", "30"])
    main(["predict", *alone, "--ckpt_path", "best", "--predictions.path", "scores.parquet"])
    scores = pq.read_table("scores.parquet").to_pydict()
    assert len(scores["score"]) == 120 * 100 and set(scores["truth"]) == {None}
    best = dict(zip(scores["source"][::100], scores["target"][::100], strict=True))
    assert sum(best[str(row)] == str(row) for row in range(60, 120)) > 15  # new to the encoder; by chance 0.5
    main(["fit", *FEW, "--data.scores_path", "scores.parquet", "--trainer.max_epochs", "1"])
    missing = refused(capsys, ["fit", *alone, "--data.source_path", "none.npy"])
    assert missing.splitlines()[-1].startswith("error: ") and "none.npy: found no such file" in missing
