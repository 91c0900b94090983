import csv
import errno
from pathlib import Path
from typing import Any

import lightning as L
import pyarrow.parquet as pq
import pytest
import torch
from lightning.pytorch.loggers import WandbLogger

from rrnet_lightning.cli.command import main
from rrnet_lightning.cli.predictions import PredictionTable, PredictionWriter, best
from rrnet_lightning.data.ratings.reader import read_filmtrust
from rrnet_lightning.errors import RRNetError
from tests.command import mini, refused
from tests.fake import write_lines


@pytest.fixture
def trained(here: Path) -> Path:
    main(mini("fit"))
    return here


def predict(*args: str) -> dict[str, list[Any]]:
    main(mini("predict", "--ckpt_path", "best", "--predictions.overwrite", "true", *args))
    columns: dict[str, list[Any]] = pq.read_table("predictions.parquet").to_pydict()
    return columns


def test_pairs_carry_original_ids_scores_and_truth(trained: Path) -> None:
    rows = predict()
    assert list(rows) == ["source", "target", "score", "truth"]
    data = read_filmtrust(trained / "data" / "filmtrust")
    ids = zip(data.user.tolist(), data.item.tolist(), data.rating.tolist(), strict=True)
    known = {(data.user_ids[u], data.item_ids[i]): rating for u, i, rating in ids}
    pairs = list(zip(rows["source"], rows["target"], strict=True))
    assert [known[pair] for pair in pairs] == rows["truth"]
    assert len(pairs) == len(set(pairs)) == 58 and all(0.5 <= score <= 4 for score in rows["score"])
    assert sorted(path.name for path in trained.iterdir()) == ["data", "mini.yaml", "predictions.parquet", "runs"]


def test_best_writes_one_row_a_source(trained: Path) -> None:
    pairs, rows = predict(), predict("--predictions.rows", "best")
    highest = {source: -1.0 for source in pairs["source"]}
    for source, score in zip(pairs["source"], pairs["score"], strict=True):
        highest[source] = max(highest[source], score)
    assert dict(zip(rows["source"], rows["score"], strict=True)) == highest
    assert len(rows["source"]) == len(highest) < len(pairs["source"])


def test_wanted_pairs_have_no_truth(trained: Path) -> None:
    write_lines(trained / "pairs.txt", [(1, 1), (1, 2), (30, 20)])
    rows = predict("--data.predict_path", "pairs.txt")
    assert set(zip(rows["source"], rows["target"], strict=True)) == {("1", "1"), ("1", "2"), ("30", "20")}
    assert rows["truth"] == [None] * 3


@pytest.mark.parametrize("method", ["write_table", "close"])
def test_full_disk_leaves_the_old_file_and_nothing_partial(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("out").mkdir()
    Path("out/p.parquet").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, method, full)
        words = ["--ckpt_path", "last", "--predictions.path", "out/p.parquet", "--predictions.overwrite", "true"]
        message = refused(capsys, mini("predict", *words))
    assert "error: --predictions.path: out/p.parquet cannot be written (No space left on device)" in message
    assert [file.name for file in Path("out").iterdir()] == ["p.parquet"]


def test_a_file_that_is_there_is_kept_unless_told_otherwise(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = trained / "kept.csv"
    file.write_text("mine")
    words = mini("predict", "--ckpt_path", "last", "--predictions.path", str(file))
    message = refused(capsys, words)
    assert "kept.csv is there already" in message and "--predictions.overwrite true" in message
    assert file.read_text() == "mine"
    main([*words, "--predictions.overwrite", "true"])
    assert file.read_text().startswith('"source","target"')


def test_a_folder_for_a_file_is_noticed_before_predicting(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rrnet_lightning.cli.predictions.table", None)  # nothing may be predicted
    message = refused(capsys, mini("predict", "--ckpt_path", "last", "--predictions.path", "."))
    assert message.count("\n") == 1 and "found ., a folder, wanted the name of a file that ends in .parquet" in message


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/", r"found /, a folder"),
        ("new/p.tsv", r"found 'new/p.tsv', wanted .* \.parquet or \.csv"),
        ("predictions", r"found 'predictions', wanted"),
        ("", r"path: found ''"),
        ("taken.parquet", r"taken.parquet cannot be written \(it is a folder\)"),
        ("file/p.csv", r"file/p.csv cannot be written \(file is a file, not a folder\)"),
        ("new/deep/" + "x" * 300 + ".csv", r"cannot be written \(File name too long\)"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("taken.parquet").mkdir()
    Path("file").touch()
    with pytest.raises(RRNetError, match=told):
        PredictionWriter(path).on_predict_start(L.Trainer(logger=False, accelerator="cpu"), L.LightningModule())
    assert sorted(place.name for place in tmp_path.iterdir()) == ["file", "taken.parquet"]


def test_csv_where_the_name_says_so(trained: Path) -> None:
    wanted = predict("--predictions.rows", "best")
    main(mini("predict", "--ckpt_path", "best", "--predictions.path", "new/p.CSV", "--predictions.rows", "best"))
    with Path("new/p.CSV").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == wanted["source"]
    assert [float(row["score"]) for row in rows] == pytest.approx(wanted["score"])
    assert list(Path("new").iterdir()) == [Path("new/p.CSV")]


@pytest.mark.parametrize("pairs", [None, "no-one 1\n"])
def test_bad_pairs_to_predict_are_refused_before_loggers_start(
    trained: Path, capsys: pytest.CaptureFixture[str], pairs: str | None
) -> None:
    if pairs:
        Path("pairs.txt").write_text(pairs)
    words = mini("predict", "--ckpt_path", "best", "--data.predict_path", "pairs.txt", logger=True)
    assert "pairs.txt" in refused(capsys, words)
    assert not list(trained.rglob("wandb"))


def test_an_interrupted_prediction_leaves_nothing(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("stopped")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="stopped"):
        patch.setattr("rrnet_lightning.cli.predictions.table", broken)
        predict()
    assert not list(trained.glob("predictions*"))


def test_best_of_equals_is_the_first() -> None:
    rows = {
        "source": torch.tensor([7, 3, 7, 3, 7]),
        "target": torch.tensor([0, 1, 2, 3, 4]),
        "score": torch.tensor([0.5, 0.1, 0.9, 0.4, 0.9]),
    }
    assert {name: column.tolist() for name, column in best(rows).items() if name != "score"} == {
        "source": [3, 7],
        "target": [3, 2],
    }


def test_best_is_that_of_the_metrics_where_scores_round_to_one() -> None:
    logits = torch.tensor([18.0, 20.0])
    rows = {"source": torch.tensor([0, 0]), "target": torch.tensor([0, 1]), "score": logits.sigmoid()}
    assert rows["score"][0] == rows["score"][1]
    assert best({**rows, "measured": logits})["target"].tolist() == [1]


def test_test_predictions_are_logged_as_a_table(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = []
    monkeypatch.setattr(WandbLogger, "log_table", lambda self, *args: tables.append(args))
    monkeypatch.setattr(WandbLogger, "log_metrics", lambda *args, **kwargs: None)
    monkeypatch.setattr(WandbLogger, "log_hyperparams", lambda *args, **kwargs: None)
    monkeypatch.setattr(WandbLogger, "experiment", None)
    monkeypatch.setattr(PredictionTable.__init__, "__defaults__", (10,))
    main(mini("test", "--ckpt_path", "last", logger=True))
    ((name, columns, rows),) = tables
    assert name == "test/predictions" and columns == ["source", "target", "score", "truth"]
    assert len(rows) == 10 and all(isinstance(row[0], str) and 0.5 <= row[2] <= 4 for row in rows)
