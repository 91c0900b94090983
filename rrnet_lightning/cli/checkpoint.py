"""Which checkpoints a run keeps."""

import os
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

BEST = "best"


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, with the best of the monitored value in ``best.ckpt`` whatever its options are.

    With ``save_top_k`` of 1 the one file is ``best.ckpt``. With more, or with a ``filename`` of the user's, the files
    have names of their own, and ``best.ckpt`` is a link to the best of them. Without ``monitor`` the newest counts as
    the best. Arguments are those of ModelCheckpoint.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.filename == BEST and self.save_top_k != 1:
            self.filename = "{epoch}-{step}"

    def _save_checkpoint(self, trainer: L.Trainer, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        file = Path(self.best_model_path)
        link = file.with_name(f"{BEST}.ckpt")
        if not trainer.is_global_zero or not self.best_model_path or file == link:
            return
        part = link.with_suffix(".part")
        part.unlink(missing_ok=True)
        part.symlink_to(file.name)
        os.replace(part, link)
