"""Sound recognition as a mapping: clips -> class names."""

from collections.abc import Sequence
from typing import Any, Literal

from rrnet_lightning.candidates.samples import ScoredSamples
from rrnet_lightning.datamodules.feature_folder import FeatureFolder, default_words
from rrnet_lightning.datamodules.mapping import Attributes, MappingDataModule


class SoundDataModule(MappingDataModule):
    """ESC-10 or ESC-50, from the feature files of a cross-fitted backbone.

    ``rrnet crossfit`` makes the files; :mod:`rrnet_lightning.candidates.views` says what
    becomes of them. Clips are split by the official folds, which keep clips of one recording together. Four recordings
    of ESC-50 (131943, 134049, 209698, 234879) are in two folds all the same, so a few test clips have a sibling among
    the evidence.

    Args:
        dataset: which set the features must be of.
        features: folder of the feature files.
        fold: the one that tests.
        val_fold: the one that validates; None for none. Training does without its answers.
        cross_fit: False is the paper's setting: the final view alone, whose TRAIN clips ask themselves, although their
            scores come from a backbone that saw their labels. Use it with ``evidence`` off: among the neighbours are
            near copies, clips of the same recording.
        backbone: class name of the backbone that the features must be of, such as ``LogMelCNN``; None for any.
        checksum: digest of the weights that the test fold's features must be of; None for any.
        root: folder of the data sets, for the word vectors.
        target_k: neighbours of a class name, by cosine of the word vectors.
        top_k: candidate classes of a clip.
        attributes: what describes a clip to the network, see :class:`MappingDataModule`.
        word_vectors: as in :func:`rrnet_lightning.data.word_vectors.class_vectors`; None for the file
            ``word_vectors/googlenews300_class_words.txt`` in the data root, or vectors of the spelling without one.
        mapping: the other options of :class:`MappingDataModule`.

    Raises:
        DataError: as :func:`rrnet_lightning.candidates.views.feature_views`, or features of another data set.
    """

    def __init__(
        self,
        dataset: Literal["esc10", "esc50"] = "esc50",
        features: str = "features/esc50_logmel",
        *,
        fold: int = 1,
        val_fold: int | None = None,
        cross_fit: bool = True,
        backbone: str | None = None,
        checksum: str | None = None,
        root: str | None = None,
        target_k: int = 2,
        top_k: int = 20,
        attributes: Attributes = "scores",
        word_vectors: str | None = None,
        **mapping: Any,
    ) -> None:
        words = word_vectors if word_vectors is not None else default_words(root)
        super().__init__(target_k=target_k, top_k=top_k, attributes=attributes, word_vectors=words, **mapping)
        self.folder = FeatureFolder(dataset, features, fold, val_fold, cross_fit, backbone, checksum)

    @property
    def feature_dim(self) -> int:
        """Width of the features."""
        return self.folder.width

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes, as the feature files have them."""
        return self.folder.class_names

    def views(self) -> Sequence[ScoredSamples]:
        """Read the feature files."""
        return self.folder.views(self.transductive)
