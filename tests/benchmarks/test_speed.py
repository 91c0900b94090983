"""The measurements of speed, on next to nothing."""

import pytest
import torch

from benchmarks.speed import startup, threads


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
