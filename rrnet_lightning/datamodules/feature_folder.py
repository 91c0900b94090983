"""A folder of feature files as a task reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_info

from rrnet_lightning.candidates.features import Features
from rrnet_lightning.candidates.samples import ScoredSamples
from rrnet_lightning.candidates.views import test_files, views_of
from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.errors import DataError


@dataclass
class FeatureFolder:
    """Feature files of one data set, and the folds that a task asks. Arguments as in :func:`feature_views`.

    Raises:
        DataError: from every property and method, as `feature_views`, or features of another data set than `dataset`.
    """

    dataset: str
    folder: str
    test_fold: int
    val_fold: int | None
    cross_fit: bool
    backbone: str | None
    checksum: str | None

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes."""
        return self._about[0]

    @property
    def width(self) -> int:
        """Width of the final view's features."""
        return self._about[1]

    def views(self, transductive: bool) -> list[ScoredSamples]:
        """Read all views, the final one last."""
        *others, final = self._about[2]
        learns = f"learns in the spaces of {', '.join(others)}, " if others and self.cross_fit else ""
        rank_zero_info(f"{self.folder}, fold {self.test_fold}: {learns}answers in that of {final}")
        files = self._files
        del self._files  # as large as the views; read again if ever asked for again
        return views_of(files, self.test_fold, self.val_fold, transductive=transductive, cross_fit=self.cross_fit)

    @cached_property
    def _about(self) -> tuple[Sequence[str], int, list[str]]:
        """Class names, width and names of the files, the final view's last."""
        final = list(self._files.values())[-1]
        if final.dataset != self.dataset:
            raise DataError(
                f"{self.folder}: found features of {final.dataset}, wanted {self.dataset}. Correct --data.features or "
                "--data.dataset"
            )
        return final.names, final.features.shape[1], [file.stem for file in self._files]

    @cached_property
    def _files(self) -> dict[Path, Features]:
        """The files without the test fold, read once for widths and views."""
        wanted = {"dataset": self.dataset, "backbone": self.backbone, "checksum": self.checksum}
        return test_files(self.folder, self.test_fold, **wanted)


def default_words(root: str | None) -> str | None:
    """The file of class-name words in the data root; None, for vectors of the spelling, where there is none."""
    file = data_root(root) / "word_vectors/googlenews300_class_words.txt"
    return str(file) if file.is_file() else None
