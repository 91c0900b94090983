"""Image classification as a mapping: images -> class names."""

from collections.abc import Sequence
from typing import Any, Literal

from rrnet_lightning.candidates.digits import DIGIT_FEATURES, DIGIT_NAMES, digit_views
from rrnet_lightning.candidates.samples import ScoredSamples
from rrnet_lightning.datamodules.feature_folder import FeatureFolder, default_words
from rrnet_lightning.datamodules.mapping import MappingDataModule
from rrnet_lightning.datamodules.raw_image import TEST_FOLD, VAL_FOLD
from rrnet_lightning.errors import DataError


class ImageDataModule(MappingDataModule):
    """Images and their classes.

    ``cifar10`` and ``cifar100`` come from one feature file, of a backbone trained without the folds 1, 2 and 3
    (``configs/backbone_*.yaml``, ``predict``). Fold 0 is evidence, fold 1 is asked in training, fold 2
    validates, fold 3 tests.

    ``digits``, scikit-learn's handwritten digits, need no download. Small classifiers score them, fitted at
    ``prepare_data``. Half of the images train, 10 % validate, 40 % test; the same writers wrote all three parts. See
    :func:`digit_views`.

    Args:
        dataset: which images.
        features: folder of the feature file; not for digits.
        folds: the training digits are cut into so many; each is asked in a view whose classifier has not seen it.
        cross_fit: False is the paper's setting: images of fold 0 ask themselves, although their scores come from a
            backbone that saw their labels. Use it with ``evidence`` off. Not for digits.
        backbone: class name of the backbone that the features must be of; None for any.
        checksum: digest of the weights that the features must be of; None for any.
        root: folder of the data sets, for the word vectors.
        word_vectors: as in :func:`rrnet_lightning.data.word_vectors.class_vectors`. None: for CIFAR the file
            ``word_vectors/googlenews300_class_words.txt`` in the data root, for digits or without one the spelling.
        seed: of the split of the digits.
        mapping: the options of :class:`MappingDataModule`.

    Raises:
        DataError: CIFAR without ``features``; as :func:`rrnet_lightning.candidates.views.feature_views`.
    """

    def __init__(
        self,
        dataset: Literal["digits", "cifar10", "cifar100"] = "digits",
        features: str | None = None,
        *,
        folds: int = 5,
        cross_fit: bool = True,
        backbone: str | None = None,
        checksum: str | None = None,
        root: str | None = None,
        word_vectors: str | None = None,
        seed: int = 0,
        **mapping: Any,
    ) -> None:
        files = dataset != "digits"
        if files and features is None:
            raise DataError(f"features: found nothing, wanted the folder of the feature file of {dataset}")
        for option, given in (("features", features), ("backbone", backbone), ("checksum", checksum)):
            if not files and given is not None:
                raise DataError(f"{option}: found {given!r} for the digits, wanted null: their features are made here")
        if not files and not cross_fit:
            raise DataError("cross_fit: found False for the digits, wanted True: theirs is always cross-fitted")
        words = default_words(root) if files and word_vectors is None else word_vectors
        super().__init__(word_vectors=words, **mapping)
        self.folds, self.seed = folds, seed
        self.folder: FeatureFolder | None = None
        if files and features is not None:
            self.folder = FeatureFolder(dataset, features, TEST_FOLD, VAL_FOLD, cross_fit, backbone, checksum)

    @property
    def feature_dim(self) -> int:
        """Width of the images' features."""
        return DIGIT_FEATURES if self.folder is None else self.folder.width

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes."""
        return DIGIT_NAMES if self.folder is None else self.folder.class_names

    def prepare_data(self) -> None:
        """Fit the small classifiers of the digits and keep their scores, once a machine."""
        if self.folder is None:
            self.views()

    def views(self) -> Sequence[ScoredSamples]:
        """Read the feature file; for digits make features and scores, or take them from the cache."""
        if self.folder is None:
            return digit_views(self.seed, self.folds, transductive=self.transductive)
        return self.folder.views(self.transductive)
