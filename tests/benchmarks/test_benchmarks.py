from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from scipy import stats

from benchmarks.common.differences import paired_difference
from benchmarks.common.files import append_row, read_rows
from benchmarks.common.jobs import ROOT, BenchmarkError, Job
from benchmarks.ratings import runs
from benchmarks.ratings.command import main, parse, tabulate
from benchmarks.ratings.plan import plan
from benchmarks.ratings.rows import Row, Slice
from benchmarks.ratings.table import summarise
from tests.fake import write_filmtrust


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Three configs of our own: one that works, one with an option that does not exist, one that its module refuses."""
    text = (ROOT / "configs" / "social_filmtrust.yaml").read_text(encoding="utf-8")
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "social_filmtrust.yaml").write_text(text, encoding="utf-8")
    (folder / "social_filmtrust_misspelt.yaml").write_text(text + "\nno_such_option: 1\n", encoding="utf-8")
    broken = text.replace("hidden_dim: 32", "hidden_dim: 0")
    (folder / "social_filmtrust_broken.yaml").write_text(broken, encoding="utf-8")
    return folder


def row(model: str, fold: int, error: float, seed: int = 0) -> Row:
    return Row(
        model, fold, seed, "abc", "split", error / 2, error, 1.0 + fold, 100.0 + fold, {}, "command", "2026-01-01"
    )


def test_interval_is_that_of_the_paired_t_test() -> None:
    ours, theirs = [0.79, 0.80, 0.78, 0.81, 0.77], [0.80, 0.80, 0.80, 0.82, 0.79]
    found = paired_difference(ours, theirs)
    interval = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.mean == pytest.approx(-0.012)
    assert paired_difference([1.0], [2.0]).low is None


def test_summary_pairs_seed_means_with_the_best_peer() -> None:
    rows = [row("rrnet", 0, 0.6, seed=0), row("rrnet", 0, 0.8, seed=1), row("rrnet", 1, 0.8)]
    rows += [row("good", 0, 0.8), row("good", 1, 1.0), row("bad", 0, 2.0), row("bad", 1, 2.0)]
    rows += [row("new", 0, 0.1)]  # has seen too few folds to be the best peer
    summaries = summarise(rows, ["rrnet", "good", "bad", "new", "none"], ["good", "bad", "new", "none"])
    rrnet, good, bad, _, none = summaries
    assert rrnet.rmse_mean == pytest.approx(0.75)
    assert (rrnet.folds, rrnet.runs, rrnet.peak_mib) == (2, 3, 101)
    assert rrnet.rmse_difference is not None and rrnet.rmse_difference.peer == "good"
    assert rrnet.rmse_difference.mean == pytest.approx(-0.15)
    assert good.rmse_difference is None and none.rmse_mean is None
    assert bad.mae_difference is not None and bad.mae_difference.mean == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--models", "rrnt"], "found 'rrnt', wanted one of global, user"),
        (["--models", "mine"], "write configs/social_filmtrust_mine.yaml"),
        (["--folds", "1"], "--folds: found 1, wanted 2 or more"),
        (["--folds", "100000"], "folds: found 100000"),
        (["--jobs", "0"], "--jobs: found 0"),
        (["--seeds", "-1"], "--seeds: found [-1]"),
        (["--models", "rrnet --data.fold=1"], "found '--data.fold=1' in 'rrnet --data.fold=1'"),
        (["--models", "rrnet max_epochs 3"], "found 'max_epochs' in"),
        (["--models", "bias x5"], "a peer takes no options"),
        (["--models", "bias", "--against", "rrnet"], "--against: found 'rrnet', wanted one of --models"),
        (["--only-folds", "5"], "--only-folds: found 5, wanted 0 to 4"),
        (["--data", "ciao", "--models", "bias"], "rating_with_timestamp.mat"),
    ],
)
def test_bad_input_ends_with_a_message(
    options: list[str], expected: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "out" / "table"), *options]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_damaged_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, row("bias", 0, 0.8))
    assert read_rows(path, Row) == [row("bias", 0, 0.8)]
    path.write_text(path.read_text() + path.read_text().replace("0.8", "NaN"))
    with pytest.raises(BenchmarkError, match=r"rows\.jsonl:2: found no result row"):
        read_rows(path, Row)


@pytest.mark.parametrize(("model", "expected"), [("rrnet --data.neighbour=3", "neighbors"), ("misspelt", "no_such_op")])
def test_a_misspelt_option_is_refused_before_any_run(
    model: str, expected: str, data: Path, configs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--out", str(tmp_path / "out/table"), "--runs", str(tmp_path / "runs")]
    assert main([*files, "--models", "bias", model], configs) == 2
    said = capsys.readouterr().err
    assert f"error: --models: in {model!r}: " in said and expected in said
    assert not (tmp_path / "out").exists() and not (tmp_path / "runs").exists()


def test_models_of_earlier_commands_stay_in_the_table(data: Path, configs: Path) -> None:
    options = parse(["--folds", "2", "--models", "user", "--out", str(data.parent / "table")])
    planned = plan(options, configs)
    [user, *_] = planned.jobs
    rows = [row("rrnet", 0, 0.7), row("rrnet", 1, 0.7), row("bias", 0, 0.9), replace(row("bias", 0, 0.8), config="new")]
    rows += [row("user", 0, 0.2), replace(row("user", 0, 0.6), config=user.config)]  # the first is of other settings
    kept = [row("item", 0, 0.1), *(replace(of, split=planned.split) for of in rows)]  # the first is of another split
    tabulate(options, planned, kept, "command")
    table = pq.read_table(data.parent / "table.parquet").to_pylist()
    assert [(line["model"], line["runs"], line["rmse_mean"]) for line in table] == [
        ("user", 1, 0.6),
        ("rrnet", 2, 0.7),
        ("bias", 1, 0.8),
    ]
    assert table[1]["rmse_difference"]["peer"] == "user"
    text = (data.parent / "table.md").read_text()
    assert "1 of 2 runs" in text and "measured by earlier commands: rrnet, bias" in text


def test_another_config_or_override_is_another_run(data: Path, configs: Path) -> None:
    def keys(more: str = "", *argv: str) -> list[tuple[str, int, int, str]]:
        rrnet = f"rrnet{more}"
        found = plan(parse(["--folds", "2", "--seeds", "3", "4", "--models", rrnet, "bias", *argv]), configs)
        assert found.comparable([rrnet, "bias", "gone"]) == ["bias"]
        return [("rrnet" if job.model == rrnet else job.model, *job.key[1:]) for job in found.jobs]

    first = keys()
    runs = [(model, fold, seed) for model, fold, seed, _ in first]
    # the bias does not depend on the seed, so runs once
    assert runs == [("rrnet", 0, 3), ("bias", 0, 0), ("rrnet", 1, 3), ("bias", 1, 0), ("rrnet", 0, 4), ("rrnet", 1, 4)]
    assert keys() == first
    for other in (" --trainer.max_epochs=1", " x2"):
        assert {key[0] for key in set(first) & set(keys(other))} == {"bias"}
    assert not set(first) & set(keys("", "--part", "val"))
    file = configs / "social_filmtrust.yaml"
    file.write_text(file.read_text() + "# changed\n")
    assert {key[0] for key in set(first) & set(keys())} == {"bias"}
    write_filmtrust(data.parent / "other", seed=1)
    (data.parent / "other" / "filmtrust" / "ratings.txt").replace(data / "ratings.txt")
    assert not set(first) & set(keys())


def test_slices_are_pooled_and_paired_by_fold() -> None:
    def of(model: str, fold: int, *entry: float) -> Row:
        return replace(row(model, fold, 0.8), slices={"cold": Slice(*entry)})  # type: ignore[arg-type]

    rows = [of("rrnet", 0, 1, 1, 1), of("rrnet", 1, 3, 6, 12), of("rrnet", 2, 0, 0, 0)]
    rows += [of("peer", 0, 1, 2, 4), of("peer", 1, 3, 6, 12), of("peer", 2, 0, 0, 0)]
    ours, theirs = (summary.slices[0] for summary in summarise(rows, ["rrnet", "peer"], ["peer"]))
    assert (ours.count, ours.mae, ours.rmse) == (4, 7 / 4, (13 / 4) ** 0.5)
    assert ours.difference is not None and ours.difference.mean == pytest.approx((1 - 2 + 0) / 2)
    assert theirs.difference is None


@pytest.mark.slow  # three processes, most of whose time goes into imports
def test_runs_resumes_and_reports(
    data: Path, configs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results" / "table"
    short = "--trainer.max_epochs=1 --data.steps_per_epoch=2 --trainer.accelerator=cpu --data.scorer.epochs=1"
    models = [f"rrnet x2 {short}", "bias", "broken"]
    argv = ["--models", *models, "--only-folds", "1", "--jobs", "2"]
    argv += ["--out", str(out), "--runs", str(tmp_path / "runs")]

    assert main(argv, configs) == 1
    said = capsys.readouterr()
    assert "broken, fold 1, seed 0: failed" in said.out and "error: hidden_dim: found 0" in said.out
    assert "1 runs failed" in said.err
    kept = out.with_suffix(".jsonl").read_text().splitlines()
    table = pq.read_table(out.with_suffix(".parquet")).to_pylist()
    assert [(line["model"], line["runs"]) for line in table] == [(models[0], 1), ("bias", 1), ("broken", 0)]
    assert table[0]["rmse_difference"]["peer"] == "bias" and table[0]["fit_seconds"] > 0 and table[0]["peak_mib"] > 100
    assert "2 of 3 runs" in out.with_suffix(".md").read_text()

    def refuse(job: Job, *args: object) -> object:
        raise AssertionError(f"ran {job.key} again")

    models.remove("broken")
    argv.remove("broken")
    monkeypatch.setattr(runs, "command", refuse)
    assert main(argv, configs) == 0
    assert out.with_suffix(".jsonl").read_text().splitlines() == kept
    out.with_suffix(".jsonl").write_text("\n".join(line for line in kept if '"bias"' not in line) + "\n")
    with pytest.raises(AssertionError, match=r"\('bias', 1, 0"):
        main(argv, configs)
