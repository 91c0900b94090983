"""Image classification as a mapping: images -> class names."""

from collections.abc import Sequence
from typing import Literal

from rrnet_lightning.data import DIGIT_FEATURES, DIGIT_NAMES, Candidates, digit_candidates
from rrnet_lightning.datamodules.mapping import MappingDataModule


class ImageDataModule(MappingDataModule):
    """Images and their classes, with features and scores of a small classifier made at ``prepare_data``.

    ``digits``, scikit-learn's handwritten digits, need no download; see :func:`rrnet_lightning.data.digit_candidates`
    for split (50 % train, 10 % val, 40 % test, by ``seed``; the same writers in all three), features and scores.

    Args:
        dataset: which images.
        folds: of the training images; each is scored by a classifier fitted on the other folds.
        source_k, target_k, top_k, add_truth, transductive, votes, word_vectors: see
            :class:`MappingDataModule`.
        evidence, mask_ratio, batch_size, fan_out, eval_fan_out, steps_per_epoch, num_workers: see
            :class:`GraphDataModule`.
        seed: of the split.
    """

    def __init__(
        self,
        dataset: Literal["digits"] = "digits",
        *,
        folds: int = 5,
        source_k: int = 10,
        target_k: int = 3,
        top_k: int = 5,
        add_truth: bool = False,
        transductive: bool = False,
        votes: bool = True,
        word_vectors: str | None = None,
        unknown: Literal["error", "spelling"] = "error",
        evidence: bool = True,
        mask_ratio: float = 0.2,
        batch_size: int | None = None,
        fan_out: Sequence[int] = (10, 10),
        eval_fan_out: Sequence[int] | None = None,
        steps_per_epoch: int = 10,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            source_k=source_k,
            target_k=target_k,
            top_k=top_k,
            add_truth=add_truth,
            transductive=transductive,
            votes=votes,
            word_vectors=word_vectors,
            unknown=unknown,
            evidence=evidence,
            mask_ratio=mask_ratio,
            batch_size=batch_size,
            fan_out=fan_out,
            eval_fan_out=eval_fan_out,
            steps_per_epoch=steps_per_epoch,
            num_workers=num_workers,
        )
        self.dataset, self.folds, self.seed = dataset, folds, seed

    @property
    def source_dim(self) -> int:
        """Width of the images' features."""
        return DIGIT_FEATURES

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes."""
        return DIGIT_NAMES

    def prepare_data(self) -> None:
        """Train the small classifier and keep its scores, once a machine."""
        self.candidates()

    def candidates(self) -> Candidates:
        """Return features and scores, from the cache if they are there."""
        return digit_candidates(self.seed, self.folds)
