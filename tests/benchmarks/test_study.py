from pathlib import Path

import pytest

from benchmarks.common.jobs import ROOT
from benchmarks.ratings.plan import plan
from benchmarks.ratings.rows import Row, Slice
from benchmarks.ratings.study import AXIS, STUDIES, draw, parse
from rrnet_lightning.cli.resolve import resolve
from tests.fake import write_filmtrust


def rows(models: list[str]) -> list[Row]:
    about: tuple[dict[str, Slice], str, str] = {}, "command", "2026-01-01"
    return [
        Row(model, fold, 0, "abc", "split", 0.5 + 0.01 * n, 0.7 + 0.01 * n * (fold + 1), 1, 1, *about)
        for n, model in enumerate(models)
        for fold in range(3)
    ]


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_is_planned_on_validation_ratings_and_drawn(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RRNET_DATA", str(tmp_path))
    write_filmtrust(tmp_path)
    options = parse([study])
    planned = plan(options, ROOT / "configs")
    assert {job.part for job in planned.jobs} == {"val"} and len(planned.jobs) == 5 * len(STUDIES[study])
    found = draw(rows(options.models), options).decode()
    labels = list(STUDIES[study])[study not in AXIS :]  # differences are to the first
    assert all(f"<!-- {label} -->" in found for label in labels)
    assert found == draw(rows(options.models), options).decode()


def test_an_unfinished_study_is_drawn_without_what_is_missing() -> None:
    options = parse(["ablation"])
    found = draw(rows(options.models[:2]), options).decode()
    assert "no scorer" in found and "no trust" not in found


@pytest.mark.parametrize("study", STUDIES)
def test_options_exist(study: str) -> None:
    """The parser checks each option, one that a later one overrules too."""
    options = [option for text in STUDIES[study].values() for option in text.split()]
    resolve([f"--config={ROOT / 'configs' / 'social_filmtrust.yaml'}", *options])
