"""A graph of words: who lies near whom among the vectors of the words of training texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.paired.text_features import BagOfWords, TextFeatures, fitted, known_vectors
from rrnet_lightning.errors import DataError


class WordGraph(TextFeatures):
    """Words of the training texts as nodes, each joined with its nearest words, and texts as weights of the nodes.

    The graph is the same for all texts, so a graph convolution runs over it with one number a node and text.

    Args:
        source: file of word vectors, or a name in gensim's collection. Words it does not know are no nodes.
        neighbours: nearest words by cosine that a word is joined with. Edges go both ways, so a word may have more.
        min_texts: leave out words that stand in fewer training texts.
        most: keep so many of the most frequent words; None keeps all.

    Attributes:
        words: W words, once fitted.
        vectors: [W, D] float32.
        edge_index: [2, E] long, every edge in both directions, no word with itself.
    """

    def __init__(self, source: str | Path, neighbours: int = 8, min_texts: int = 2, most: int | None = None) -> None:
        self.source, self.neighbours = source, neighbours
        self._bag = BagOfWords(min_texts, most)
        self._columns: Tensor | None = None
        self.words: tuple[str, ...] = ()
        self.vectors = self.edge_index = torch.empty(0)

    def fit(self, texts: Sequence[str]) -> Self:
        """Take nodes and edges from training texts.

        Raises:
            DataError: no such source, no word that stands in `min_texts` of the texts, or too few known words.
        """
        found = self._bag.fit(texts).words
        known = known_vectors(self.source, set(found))
        columns = [column for column, word in enumerate(found) if word in known]
        self.words = tuple(found[column] for column in columns)
        vectors = np.stack([known[word] for word in self.words])
        self.edge_index = nearest_edges(vectors, self.neighbours)
        self.vectors, self._columns = torch.from_numpy(vectors), torch.tensor(columns)
        return self

    def transform(self, texts: Sequence[str]) -> Tensor:
        """Return [N, W] float32: how large a part of a text's known words each word is; 0 where none is known."""
        counts = self._bag.transform(texts)[:, fitted(self._columns)]
        return counts / counts.sum(dim=1, keepdim=True).clamp(min=1)


def nearest_edges(vectors: NDArray[np.float32], neighbours: int) -> Tensor:
    """Edges between each row and its nearest rows by cosine, in both directions, [2, E] long, sorted.

    Args:
        vectors: [W, D].
        neighbours: 1 to W - 1.

    Raises:
        DataError: another number of neighbours.
    """
    from sklearn.neighbors import kneighbors_graph

    if not 1 <= neighbours < len(vectors):
        raise DataError(
            f"neighbours: found {neighbours}, wanted 1 to {len(vectors) - 1}, as {len(vectors)} words have a vector. "
            "Set it lower, or give more texts."
        )
    near = kneighbors_graph(vectors, neighbours, metric="cosine", include_self=False)
    both = near.maximum(near.T).tocoo()
    edges = torch.from_numpy(np.stack([both.row, both.col]).astype(np.int64))
    order = np.lexsort((edges[1].numpy(), edges[0].numpy()))
    return edges[:, torch.from_numpy(order)]
