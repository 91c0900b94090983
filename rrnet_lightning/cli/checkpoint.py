"""Which checkpoints a run keeps."""

import os
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from rrnet_lightning.errors import OptionError

BEST = "best"


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, with the best of the monitored value in ``best.ckpt`` whatever its options are.

    With ``save_top_k`` of 1 the one file is ``best.ckpt``. With more, or with a ``filename`` of the user's, the files
    have names of their own, and ``best.ckpt`` is a link to the best of them. Without ``monitor`` the newest counts as
    the best. Arguments are those of ModelCheckpoint.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.save_top_k != 1:  # each file a name of its own
            self._enable_version_counter = True
            self.filename = "{epoch}-{step}" if self.filename == BEST else self.filename
        self._check_filename()

    def _check_filename(self) -> None:
        wanted = (
            "wanted a name such as {epoch}, without a slash (--checkpoint.auto_insert_metric_name false drops that of "
            "a metric's name), and not last, the file of the last epoch"
        )
        try:
            file = Path(self.format_checkpoint_name({}))
        except (ValueError, LookupError) as error:
            raise OptionError(f"--checkpoint.filename: found {self.filename!r} ({error}), {wanted}") from error
        if file.parent != Path(self.dirpath or "") or file.stem == "last":
            raise OptionError(f"--checkpoint.filename: found {self.filename!r}, {wanted}")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the best so far, also where the run's folder was moved since."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        files = [here(path) for path in (*state_dict["best_k_models"], state_dict["best_model_path"]) if path]
        if files and all(map(os.path.isfile, files)):
            paths = ("best_model_path", "kth_best_model_path", "last_model_path")
            state_dict = {**state_dict, **{name: here(state_dict[name]) for name in paths}, "dirpath": self.dirpath}
            state_dict["best_k_models"] = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict)

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
