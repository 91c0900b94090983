from pathlib import Path

import pytest
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator

from rrnet_lightning.cli.devices import check_accelerator
from tests.command import mini, refused


@pytest.mark.parametrize("asked", ["gpu", "cuda", "mps"])
def test_a_gpu_that_is_not_there_is_refused(
    asked: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in (CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(kind, "is_available", lambda: False)
    said = refused(capsys, mini("fit", "--trainer.accelerator", asked))
    assert said.startswith(f"error: --trainer.accelerator: found {asked}, which PyTorch cannot use here, wanted cpu. ")
    assert said.count("\n") == 1


def test_what_is_there_may_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CUDAAccelerator, "is_available", lambda: True)
    for asked in ("auto", "cpu", "gpu", "cuda", CUDAAccelerator()):
        check_accelerator(asked)
