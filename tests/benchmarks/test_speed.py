"""The measurements of speed, on next to nothing."""

import pytest
import torch

from benchmarks.speed import startup, tables, threads


def test_start_is_measured_beside_the_libraries(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(startup, "COMMANDS", {startup.LIBRARIES: ["-c", ""], "ours": ["-c", "sum(range(10**7))"]})
    startup.main(["--rounds", "1"])
    libraries, ours = [line.split("|")[3] for line in capsys.readouterr().out.splitlines()[2:]]
    assert float(libraries) == 1 < float(ours)


def test_a_command_that_fails_is_said() -> None:
    with pytest.raises(SystemExit, match="status 3"):
        startup.processor_seconds(["-c", "raise SystemExit(3)"])


def test_threads_are_compared_by_size(capsys: pytest.CaptureFixture[str]) -> None:
    before = torch.get_num_threads()
    try:
        threads.main(["--sizes", "200", "--steps", "1"])
    finally:
        torch.set_num_threads(before)
    row = capsys.readouterr().out.splitlines()[-1].split("|")
    assert int(row[1].replace(",", "")) > 200 * threads.WIDTH and float(row[4]) > 0


def test_tables_are_ranked_beside_a_plain_search(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = torch.randn(60, 6, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(tables, "words", lambda: (small, small.flip(1), None))
    monkeypatch.setattr(tables, "KNOWN", 40)
    monkeypatch.setattr(tables, "alone", lambda work, *args: work(*args))
    before = torch.get_num_threads()
    try:
        tables.main(["--sources", "30", "--targets", "80", "--rounds", "2", "--threads", "1"])
    finally:
        torch.set_num_threads(before)
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("| inter")]
    assert [(line[0].strip(), line[1].strip()) for line in lines] == [
        (units, size) for size in ("30", "80") for units in tables.UNITS
    ]
    assert all(float(number.replace(",", "")) > 0 for line in lines for number in line[2:6])
