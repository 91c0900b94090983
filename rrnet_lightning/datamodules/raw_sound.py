"""Waveforms of ESC-10 and ESC-50, for backbones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lightning.pytorch.utilities import rank_zero_info

from rrnet_lightning.data.files.root import data_root, dataset_folder
from rrnet_lightning.data.sound.esc import EscClips, read_esc
from rrnet_lightning.data.sound.esc_fetch import fetch_esc50
from rrnet_lightning.datamodules.raw import RawDataModule
from rrnet_lightning.errors import DataError

SECONDS = 5
CLASSES = {"esc10": 10, "esc50": 50}


class RawSoundDataModule(RawDataModule):
    """Five-second clips, [B, 5 · rate] float32 of full scale -1 to 1, in the official folds 1 to 5.

    Args:
        dataset: ``esc50`` or ``esc10``, in the folder of that name under ``root``; ESC-10 is found in ``esc50`` too.
        rate: samples a second that the backbone wants; clips of another rate are resampled, once.
        root: folder of the data sets; default: ``RRNET_DATA``, ``../shared/data`` if it exists, ``~/.cache/rrnet``.
        download: fetch ESC-50 (600 MB) where it is missing.
        left_out: folds that the backbone must not see. The first is the test's.
        val_fold: the one among them to validate on; null: none.
        batch_size: samples a step; a last batch of fewer is left out in training.
        num_workers: processes that prepare batches.
        classes: number of classes, where it is not that of the data set named.
    """

    def __init__(
        self,
        dataset: Literal["esc10", "esc50"] = "esc50",
        rate: int = 16000,
        root: str | None = None,
        download: bool = False,
        left_out: Sequence[int] = (1,),
        val_fold: int | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        classes: int | None = None,
    ) -> None:
        super().__init__(
            classes=CLASSES[dataset] if classes is None else classes,
            left_out=left_out,
            val_fold=val_fold,
            test_fold=next(iter(left_out), None),
            batch_size=batch_size,
            num_workers=num_workers,
        )
        if rate < 1:
            raise DataError(f"rate: found {rate}, wanted samples a second, such as 16000")
        self.dataset, self.rate, self.root, self.download = dataset, rate, root, download
        self._clips: EscClips | None = None

    @property
    def source_dim(self) -> int:
        """Samples of a clip."""
        assert self.rate is not None
        return SECONDS * self.rate

    def prepare_data(self) -> None:
        """Fetch the clips if asked to, and decode them once a machine."""
        if self.download and not self._folder().is_dir():
            fetch_esc50(self.root)
        self.read()

    def read(self) -> EscClips:
        """Open the decoded clips; decode them first if need be."""
        if self._clips is None:
            assert self.rate is not None
            hint = "Download it with --data.download true."
            folder = dataset_folder(self._folder().name, ["audio"], self.root, hint)
            self._clips = read_esc(folder, self.rate, esc10=folder.name != self.dataset)
            special = [f"{count} {what}" for what, count in self._clips.counts.items() if count]
            if special:
                rank_zero_info(f"{folder}: {', '.join(special)}")
        return self._clips

    def _folder(self) -> Path:
        own, whole = data_root(self.root) / self.dataset, data_root(self.root) / "esc50"
        return whole if not own.is_dir() and (whole.is_dir() or self.download) else own
