"""Resumable: weights that must fit, and exact resuming."""

from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor

from rrnet_lightning.errors import CheckpointError

CONFIG = "rrnet_config"  # key in a checkpoint
Predictions = dict[str, Tensor]  # rows of pairs: source, target, score and y


def trained_config(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resolved config of the run that wrote a checkpoint; {} if that was no run of the command line."""
    config = checkpoint.get(CONFIG)
    return config if isinstance(config, dict) and isinstance(config.get("data"), dict) else {}


class Resumable(L.LightningModule):
    """A module whose resumed run goes on as an uninterrupted one would, and which refuses the weights of another.

    The random streams of the processor and of the process's GPU travel in the checkpoint; with several processes they
    are those of the first.

    Attributes:
        trained_by: :func:`trained_config` of the checkpoint that was loaded; None where none was.
    """

    trained_by: dict[str, Any] | None = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the random streams."""
        checkpoint["rng_state"] = torch.get_rng_state()
        if self.device.type == "cuda":
            checkpoint["cuda_rng_state"] = torch.cuda.get_rng_state(self.device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the weights fit, and continue the random streams when training resumes.

        Raises:
            CheckpointError: names the first weight that is missing, not wanted or of another shape.
        """
        saved, wanted = (
            {name: tuple(value.shape) for name, value in state.items()}
            for state in (checkpoint["state_dict"], self.state_dict())
        )
        for name in [*wanted, *saved]:
            if saved.get(name) != wanted.get(name):
                raise CheckpointError(
                    f"checkpoint: found {name} {saved.get(name, 'missing')}, wanted {wanted.get(name, 'none')}. It "
                    "belongs to other data or other options: use the config.yaml beside it, on its own data"
                )
        self.trained_by = trained_config(checkpoint)
        if self._trainer is not None and self._trainer.training and "rng_state" in checkpoint:
            torch.set_rng_state(checkpoint["rng_state"].cpu())
            if self.device.type == "cuda" and "cuda_rng_state" in checkpoint:
                torch.cuda.set_rng_state(checkpoint["cuda_rng_state"].cpu(), self.device)
