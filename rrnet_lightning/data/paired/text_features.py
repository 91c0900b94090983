"""Texts as vectors: bag of words, tf-idf with SVD, mean of word vectors.

Each is fitted on training texts alone and then turns any text into a row. A text without a known word is
a row of zeros.

    lsa = Lsa(width=100).fit(training_texts)
    x = lsa.transform(texts)  # [N, 100]
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.paired.words import words
from rrnet_lightning.data.word_files import read_words
from rrnet_lightning.errors import DataError, reason


class TextFeatures(ABC):
    """Base of all: fitted on training texts, it turns N texts into [N, D] float32."""

    @abstractmethod
    def fit(self, texts: Sequence[str]) -> Self:
        """Take words and weights from training texts alone; returns itself."""

    @abstractmethod
    def transform(self, texts: Sequence[str]) -> Tensor:
        """Return [N, D] float32; DataError before :meth:`fit`."""


class BagOfWords(TextFeatures):
    """How often each word of the training texts stands in a text, [N, W].

    Args:
        min_texts: leave out words that stand in fewer training texts.
        most: keep so many of the most frequent words; None keeps all.
    """

    def __init__(self, min_texts: int = 2, most: int | None = None) -> None:
        self.min_texts, self.most = min_texts, most
        self._counter: Any = None

    @property
    def words(self) -> tuple[str, ...]:
        """Word of each column."""
        return tuple(fitted(self._counter).get_feature_names_out())

    def fit(self, texts: Sequence[str]) -> Self:
        """Take the words of training texts.

        Raises:
            DataError: no word stands in `min_texts` of them.
        """
        from sklearn.feature_extraction.text import CountVectorizer

        self._counter = fit_words(CountVectorizer, texts, self.min_texts, max_features=self.most)
        return self

    def transform(self, texts: Sequence[str]) -> Tensor:
        """Return counts, [N, W] float32."""
        return torch.from_numpy(fitted(self._counter).transform(texts).toarray().astype(np.float32))


class Lsa(TextFeatures):
    """Latent semantic analysis: tf-idf of words and of pairs of neighbouring words, and its largest singular vectors.

    With f the count of a word in a text, n of N training texts holding the word, a text has
    `(1 + log f) * (log((1 + N) / (1 + n)) + 1)`, scaled to norm 1, and is projected on `width` right singular vectors
    of the training texts.

    Args:
        width: D, less than the number of training texts and of words.
        pairs: take pairs of neighbouring words too.
        min_texts: leave out words and pairs that stand in fewer training texts.
        seed: of the randomised SVD.
    """

    def __init__(self, width: int = 200, pairs: bool = True, min_texts: int = 2, seed: int = 0) -> None:
        self.width, self.pairs, self.min_texts, self.seed = width, pairs, min_texts, seed
        self._weights: Any = None
        self._svd: Any = None

    def fit(self, texts: Sequence[str]) -> Self:
        """Take words, idf and singular vectors of training texts.

        Raises:
            DataError: no word stands in `min_texts` of them, or `width` is too large for them.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        spans = (1, 2 if self.pairs else 1)
        weights = fit_words(TfidfVectorizer, texts, self.min_texts, sublinear_tf=True, ngram_range=spans)
        rows = weights.transform(texts)
        if not 1 <= self.width < min(rows.shape):
            raise DataError(
                f"width: found {self.width}, wanted 1 to {min(rows.shape) - 1}, as there are {rows.shape[0]} training "
                f"texts and {rows.shape[1]} words. Set it lower, or give more texts."
            )
        self._svd = TruncatedSVD(self.width, random_state=self.seed).fit(rows)
        self._weights = weights
        return self

    def transform(self, texts: Sequence[str]) -> Tensor:
        """Return the projections, [N, width] float32."""
        rows = fitted(self._weights).transform(texts)
        return torch.from_numpy(np.asarray(self._svd.transform(rows), dtype=np.float32))


class MeanVectors(TextFeatures):
    """Mean of the vectors of a text's words, in lower case; nothing is taken from training texts.

    Args:
        source: file of word vectors, or a name in gensim's collection, as for
            :func:`rrnet_lightning.data.word_vectors.class_vectors`.
    """

    def __init__(self, source: str | Path) -> None:
        self.source = source

    def fit(self, texts: Sequence[str]) -> Self:
        """Return itself."""
        return self

    def transform(self, texts: Sequence[str]) -> Tensor:
        """Return [N, D] float32; warns of texts without a known word, which are zeros.

        Raises:
            DataError: no such file or name, a damaged file, or no text with a known word.
        """
        split = [words(text) for text in texts]
        known = known_vectors(self.source, {word for row in split for word in row})
        zero: NDArray[np.float32] = np.zeros_like(next(iter(known.values())))
        means = [np.mean([known[word] for word in row if word in known] or [zero], axis=0) for row in split]
        bare = [text for text, row in zip(texts, split, strict=True) if known.keys().isdisjoint(row)]
        if bare:
            warnings.warn(
                f"{self.source}: knows no word of {len(bare)} of {len(texts)} texts, such as {bare[0][:40]!r}; their "
                "vectors are 0.",
                stacklevel=2,
            )
        return torch.from_numpy(np.array(means, dtype=np.float32))


def known_vectors(source: str | Path, wanted: set[str]) -> dict[str, NDArray[np.float32]]:
    """Vectors of those of the wanted words that a source knows, at least one.

    Raises:
        DataError: no such file or name, a damaged file, or no known word.
    """
    known, example = read_words(source, wanted)
    if not known:
        raise DataError(
            f"{source}: found no word of the {len(wanted)} of the texts, wanted some, written as in this file: "
            f"{example!r}. Use word vectors of the language of the texts, in lower case."
        )
    return known


def fit_words(kind: Any, texts: Sequence[str], min_texts: int, **options: Any) -> Any:
    """Fit a vectorizer of scikit-learn on texts; DataError where no word is left."""
    try:
        # token_pattern=None: else scikit-learn warns that the tokenizer takes its place
        return kind(tokenizer=words, token_pattern=None, lowercase=False, min_df=min_texts, **options).fit(texts)
    except ValueError as error:
        raise DataError(
            f"texts: found no word that stands in {min_texts} of {len(texts)} training texts ({reason(error)}). "
            "Give more texts, or set min_texts lower."
        ) from error


def fitted(part: Any) -> Any:
    """The part, or DataError where it is None."""
    if part is None:
        raise DataError("text features: found nothing fitted. Call fit(training_texts) first.")
    return part
