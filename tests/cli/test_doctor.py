from pathlib import Path

import pytest

from rrnet_lightning import __version__
from rrnet_lightning.cli import doctor, main
from tests.fake import write_filmtrust


def test_report_has_versions_devices_threads_data_and_disk(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor"])
    said = capsys.readouterr().out
    assert f"rrnet-lightning {__version__}" in said and "torch 2" in said
    assert all(f"\n{heading}" in said for heading in ("devices:", "threads:", "data, looked for in ", "disk:"))
    assert "cores may be used" in said and "GiB free" in said


def test_data_sets_are_found_or_what_is_missing_is_named(tmp_path: Path) -> None:
    write_filmtrust(tmp_path)
    (tmp_path / "ciao").mkdir()
    (tmp_path / "ciao/trustnetwork.mat").touch()
    said = dict(line.split(": ", 1) for line in doctor.data(tmp_path))
    assert said["filmtrust"] == f"found in {tmp_path / 'filmtrust'}"
    assert said["ciao"].startswith("missing") and "rating_with_timestamp.mat" in said["ciao"]
    assert "trustnetwork.mat" not in said["ciao"]
    assert "train_*.webp" in said["cifar10"] and "cifar-10-batches-py" in said["cifar10"]
    (tmp_path / "cifar10/cifar-10-batches-py").mkdir(parents=True)
    (tmp_path / "esc50/audio").mkdir(parents=True)
    (tmp_path / "esc50/meta").mkdir()
    (tmp_path / "esc50/meta/esc50.csv").touch()
    said = dict(line.split(": ", 1) for line in doctor.data(tmp_path))
    assert said["cifar10"] == f"found in {tmp_path / 'cifar10'}"
    assert said["esc50"] == said["esc10"] == f"found in {tmp_path / 'esc50'}"
