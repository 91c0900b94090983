import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from benchmarks.common.files import append_row, read_rows
from benchmarks.common.jobs import ROOT, BenchmarkError, Job
from benchmarks.refine import command as refine
from benchmarks.refine.peers import MAX_K, PEERS, SHRINKAGE
from benchmarks.refine.pictures import bars, confusion, confusion_matrix, study
from benchmarks.refine.plan import RRNETS, STUDIES, TASKS, plan
from benchmarks.refine.report import recall_ceiling
from benchmarks.refine.rows import Result
from benchmarks.refine.runs import arguments, predictions_file, read_predictions
from benchmarks.refine.table import markdown, sample_interval, summarise
from rrnet_lightning.candidates.features import Features, keep_features
from rrnet_lightning.candidates.samples import TEST, ScoredSamples
from rrnet_lightning.cli.resolve import resolve

CLASSES = ("cat", "dog", "car crash")


def test_peers_may_have_what_rrnet_has() -> None:
    data = yaml.safe_load((ROOT / "configs/sound_esc50.yaml").read_text())["data"]["init_args"]
    assert data["source_k"] == MAX_K and data["relations"]["discriminant"] == SHRINKAGE


def test_the_interval_over_samples_by_hand() -> None:
    found = sample_interval([1, 1, 0, 1], [0, 1, 0, 0], "peer")
    half = 1.959964 * (100 * (1 / 3) ** 0.5) / 2
    assert found.mean == 50 and found.low == pytest.approx(50 - half) and found.high == pytest.approx(50 + half)


def row(model: str, fold: int, correct: str, seed: int = 0, **values: Any) -> Result:
    share = correct.count("1") / len(correct)
    fixed = {"nll": None, "ece": None, "seconds": 1.0, "setting": "{}", "command": "c", "commit": None, "date": "d"}
    return Result(model, fold, seed, "x", share, correct=correct, **{**fixed, **values})


def test_the_table_says_gain_spread_and_difference() -> None:
    rows = [row("backbone", 1, "1000", nll=1.0, ece=0.5), row("backbone", 2, "1100", nll=2.0, ece=0.25)]
    rows += [row("rrnet", 1, "1100"), row("rrnet", 1, "1110", seed=1), row("rrnet", 2, "1110")]
    lines = summarise(rows, ["backbone", "knn", "rrnet"], "rrnet")
    base, ours = lines
    assert (base.accuracy, ours.accuracy, ours.runs, ours.folds) == (37.5, 68.75, 3, 2)
    assert ours.gain == pytest.approx(31.25) and base.gain is None and ours.over_samples is None
    assert base.over_samples is not None and base.over_samples.mean == pytest.approx(31.25)
    assert base.over_folds is not None and base.over_folds.mean == pytest.approx(31.25)
    text = markdown(lines, {"backbone": "backbone", "rrnet": "RR-Net"}, {"command": "`c`"}, "rrnet", "+9.3")
    assert "| backbone | 37.50 ± 17.68 | – | – | +31.25 [" in text and "1.500 | 0.375 | 2 | 2 | 1.0 |" in text
    assert "| RR-Net | 68.75 ± 8.84 | – | +31.25 | – | – |" in text and "others: +9.3." in text


def test_rows_are_read_as_written_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    append_row(file, row("a", 1, "10", nll=0.5))
    append_row(file, row("b", 1, "11"))
    assert read_rows(file, Result) == [row("a", 1, "10", nll=0.5), row("b", 1, "11")]
    lines = file.read_text().splitlines()
    for bad in (lines[0][:-3], lines[0].replace('"10"', '"12"'), lines[0].replace("0.5", "0.7", 1), "[]"):
        file.write_text(f"{lines[1]}\n{bad}\n")
        with pytest.raises(BenchmarkError, match=r"rows\.jsonl:2: found no result row"):
            read_rows(file, Result)


def write_features(folder: Path, change_labels_of: int = 0) -> None:
    """Three folds, cross-fitted; on request one fold's labels are turned round."""
    label, fold = torch.arange(36) % 3, torch.arange(36) // 12 + 1
    for left_out in [(1,), (2,), (3,), (1, 2), (1, 3), (2, 3)]:
        torch.manual_seed(sum(left_out))
        features = torch.eye(3)[label] + 0.5 * torch.randn(36, 3)
        logits = torch.eye(3)[label] + torch.randn(36, 3)
        changed = torch.where(fold == change_labels_of, (label + 1) % 3, label)
        ids, name = [f"s{n}" for n in range(36)], "_".join(map(str, left_out))
        about = {"backbone": "Toy", "checksum": name, "recipe": "r", "dataset": "esc50"}
        keep_features(
            folder / f"without_{name}.npy",
            Features(features, logits, changed, fold, CLASSES, ids, left_out, **about),
        )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Features, and a task of three folds with configs."""
    write_features(tmp_path / "features")
    (tmp_path / "configs").mkdir()
    for ending in ("", "_paper"):
        (tmp_path / "configs" / f"sound_esc50{ending}.yaml").write_text(f"model{ending}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answers(job: Job, features: Path, folder: Path) -> float:
    """Stand in for fit and predict: every sample is a cat."""
    folder.mkdir(parents=True)
    rows = [f"s{n}" for n in range(36) if n // 12 + 1 == job.fold]
    pq.write_table(pa.table({"source": rows, "target": ["cat"] * 12}), predictions_file(folder))
    return 2.5


COMMAND = ["--task", "esc50", "--features", "features", "--folds", "1", "2", "3", "--seeds", "0", "--out", "out"]


def test_no_test_label_reaches_a_choice_or_an_answer(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("temperature", "knn", "lp", "lp-transductive", "lda", "knn-discriminant", "cs-discriminant")
    for name in names:  # a few settings to choose from: whole grids take ten seconds
        grid = PEERS[name].grid
        monkeypatch.setitem(PEERS, name, PEERS[name]._replace(grid=grid[:: len(grid) // 6]))

    def answered() -> list[Any]:
        fold = refine.Fold(refine.parse(COMMAND), 1)
        found = []
        for name in names:
            about = refine.answer(Job(name, "esc50", 5, 1, 0, 0, "x"), fold)[1]
            setting, (_, final) = json.loads(about["setting"]), fold.questions(PEERS[name])
            found.append((setting, PEERS[name].answer(final, **setting).tolist()))
        return found

    before = answered()
    write_features(place / "features", change_labels_of=1)
    assert answered() == before
    write_features(place / "features", change_labels_of=2)
    assert answered() != before


def test_a_run_resumes_and_writes_table_and_pictures(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[tuple[str, int]] = []

    def fail_once(job: Job, features: Path, folder: Path) -> float:
        if len(done) == 1:
            done.append(("failed", job.fold))
            raise BenchmarkError("train.py fit: no")
        done.append((job.model, job.fold))
        return answers(job, features, folder)

    monkeypatch.setattr(refine, "run_rrnet", fail_once)
    command = [*COMMAND, "--models", "backbone", "knn", "rrnet", "--confusion", "--runs", "runs"]
    assert refine.main(command, place / "configs") == 1
    assert done == [("rrnet", 1), ("failed", 2), ("rrnet", 3)] and "8 of 9 runs" in Path("out.md").read_text()
    assert refine.main(command, place / "configs") == 0
    assert done[3:] == [("rrnet", 2)] and len(read_rows(Path("out.jsonl"), Result)) == 9
    text = Path("out.md").read_text()
    assert "| RR-Net, tuned | 33.33 ± 0.00 |" in text and "+10.0" in text and "runs; the same" not in text
    assert "<!-- kNN vote -->" in Path("out.svg").read_text()
    assert "<!-- car crash -->" in Path("out_confusion.svg").read_text() and Path("out.parquet").exists()
    assert "error: 1 runs failed" in capsys.readouterr().err
    (place / "configs" / "sound_esc50.yaml").write_text("another\n")
    assert len([job for job in plan(refine.parse(command), place / "configs") if job.model == "rrnet"]) == 3
    keys = {result.key for result in read_rows(Path("out.jsonl"), Result)}
    todo = [job.model for job in plan(refine.parse(command), place / "configs") if job.key not in keys]
    assert todo == ["rrnet"] * 3


def test_peers_alone_make_a_table(place: Path) -> None:
    assert refine.main([*COMMAND, "--models", "backbone", "knn"], place / "configs") == 0
    text = Path("out.md").read_text()
    assert "| kNN vote |" in text and "RR-Net, tuned - model" in text
    assert refine.main([*COMMAND, "--models", "lda"], place / "configs") == 0
    text = Path("out.md").read_text()
    assert "earlier commands: backbone, knn\n" in text and text.index("| linear disc") < text.index("| kNN vote |")
    write_features(place / "features", change_labels_of=2)  # other features: what was measured on those is out
    for note in (place / "features").glob("*.json"):
        note.write_text(note.read_text() + "\n")
    assert refine.main([*COMMAND, "--models", "lda"], place / "configs") == 0
    assert "kNN" not in Path("out.md").read_text()


def test_the_study_of_k(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "run_rrnet", answers)
    monkeypatch.setitem(STUDIES, "top_k", (1, 2))
    assert refine.main([*COMMAND, "--study", "top_k", "--runs", "runs"], place / "configs") == 0
    fold = refine.Fold(refine.parse(COMMAND), 1)
    assert recall_ceiling(fold.final, fold.asked, 3) == 1
    scores = fold.final.log_probs[fold.asked]
    assert recall_ceiling(fold.final, fold.asked, 1) == pytest.approx((scores.argmax(1) == fold.truth).float().mean())
    assert "| 2 |" in Path("out.md").read_text() and "33.33 ± 0.00 | – | 2.5 |" in Path("out.md").read_text()


def test_predictions_must_answer_for_each_row_asked(tmp_path: Path) -> None:
    file, asked = tmp_path / "p.parquet", torch.tensor([True, True, False])
    data = ScoredSamples(torch.eye(3), torch.zeros(3, 3), torch.arange(3), asked * TEST, CLASSES, ["s0", "s1", "s2"])
    pq.write_table(pa.table({"source": ["s1", "s0"], "target": ["dog", "car crash"]}), file)
    assert read_predictions(file, data, asked).tolist() == [2, 1]
    pq.write_table(pa.table({"source": ["s1", "s1"], "target": ["dog", "dog"]}), file)
    with pytest.raises(BenchmarkError, match="found predictions of 2 samples"):
        read_predictions(file, data, asked)
    file.write_bytes(b"cut")
    with pytest.raises(BenchmarkError, match="found no predictions"):
        read_predictions(file, data, asked)


def test_pictures_are_the_same_for_the_same_numbers() -> None:
    lines = summarise([row("backbone", 1, "10"), row("rrnet", 1, "11")], ["backbone", "rrnet"], "rrnet")
    draw = [bars(lines, {"backbone": "b", "rrnet": "RR"}, "rrnet") for _ in range(2)]
    assert draw[0] == draw[1] and b"<!-- RR -->" in draw[0]
    matrix = confusion_matrix(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2)
    assert matrix.tolist() == [[1, 1], [0, 1]] and b"<!-- clock tick -->" in confusion(matrix, ["clock_tick", "b"])
    points = {k: {"recall": 90.0, "accuracy": 80.0, "seconds": 3.0} for k in (5, 10)}
    assert b"paper" in study(points, {5: 79.4}) and b"paper" not in study(points, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", "6"], "--folds: found [6]"),
        (["--seeds", "-1"], "--seeds"),
        (["--features", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_bad_options_end_with_a_message(
    options: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refine.main([*COMMAND, *options, "--models", "backbone"], place / "configs") == 2
    assert message in capsys.readouterr().err and not Path("out.md").exists()


@pytest.mark.parametrize("task", TASKS)
def test_options_exist(task: str, place: Path) -> None:
    """Options of all models with one config at once: the parser checks each, one that a later one overrules too."""
    options = refine.parse(["--task", task, "--features", "features", "--models", *RRNETS, "--seeds", "7"])
    by_config: dict[str, list[str]] = {}
    for job in plan(options, ROOT / "configs"):
        assert job.file is not None
        by_config.setdefault(job.file, arguments(job, options.features, Path("run"))).extend(job.overrides)
    for given in by_config.values():
        found = resolve(given)
        assert found["data"]["init_args"]["features"] == "features" and found["seed_everything"] == 7
