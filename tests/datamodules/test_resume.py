"""Training that stops in mid-epoch and is resumed, beside training that is left alone."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch import Tensor

from rrnet_lightning.module import RRNetModule
from tests.datamodules.toy import Toy

QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "max_epochs": 3,
}


def fit(folder: Path, resume: Path | None = None, **options: Any) -> dict[str, Tensor]:
    """Weights after three epochs with dropout; keeps a checkpoint of each step."""
    L.seed_everything(7)
    module = RRNetModule(4, 3, 1, hidden_dim=4, dropout=0.5, optimizer=lambda p: torch.optim.Adam(p, lr=0.01))
    keep = ModelCheckpoint(dirpath=folder, filename="{step}", every_n_train_steps=1, save_top_k=-1)
    trainer = L.Trainer(**QUIET, callbacks=[keep, EMAWeightAveraging(decay=0.9)])
    trainer.fit(module, Toy(**options), ckpt_path=resume, weights_only=True if resume else None)
    return module.state_dict()


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 2},
        {"steps_per_epoch": 4},
        pytest.param({"batch_size": 2, "num_workers": 1}, marks=pytest.mark.slow),
    ],
    ids=["sampled", "full graph", "worker"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_stopped_in_mid_epoch_ends_as_one_left_alone(tmp_path: Path, options: dict[str, Any]) -> None:
    wanted = fit(tmp_path / "whole", **options)
    for step in (2, 4, 7):  # four a epoch: in the first epoch, at its end, in the second
        found = fit(tmp_path / f"from {step}", tmp_path / "whole" / f"step={step}.ckpt", **options)
        assert all(torch.equal(found[name], value) for name, value in wanted.items()), step
