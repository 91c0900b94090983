"""What a run keeps of its config."""

from functools import cached_property
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from lightning.pytorch.cli import SaveConfigCallback

from rrnet_lightning.checkpoints import CONFIG
from rrnet_lightning.cli.runs import git_commit
from rrnet_lightning.data.files.atomic import atomic


class SaveConfig(SaveConfigCallback):
    """Save the resolved config in every checkpoint and beside them, and log it with the git commit.

    With it in the checkpoint, one that was moved still says what it was trained on.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Wait: a run whose data or options are refused leaves nothing behind."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write ``config.yaml`` into the run folder, once a run."""
        file = Path(trainer.default_root_dir) / "config.yaml"
        if not trainer.is_global_zero or file.exists():
            return
        config = self._resolved
        with atomic(file) as part:
            part.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        for logger in trainer.loggers:
            logger.log_hyperparams({**config, "git_commit": git_commit()})

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the config into the checkpoint; a resumed run keeps that which it was started with, be it unknown."""
        started = getattr(pl_module, "trained_by", None)
        checkpoint[CONFIG] = self._resolved if started is None else started

    @cached_property
    def _resolved(self) -> dict[str, Any]:
        """The config of a run that is to be made anew, in a folder of its own."""
        config: dict[str, Any] = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        config["trainer"]["default_root_dir"] = str(Path(config["trainer"]["default_root_dir"]).parent)
        config["checkpoint"]["dirpath"] = None
        return config
