"""Texts as vectors: fitted on training texts alone, and any text is a row."""

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from rrnet_lightning.data.paired.text_features import BagOfWords, Lsa, MeanVectors, TextFeatures
from rrnet_lightning.data.paired.word_graph import WordGraph, nearest_edges
from rrnet_lightning.data.paired.words import words
from rrnet_lightning.errors import DataError
from tests.fake import write_word_vectors

TRAIN = ["a red dog", "a blue dog runs", "the red cat", "a blue cat runs", "the dog and the cat"]
KNOWN = ["red", "blue", "dog", "cat", "runs", "sleeps"]


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    write_word_vectors(tmp_path / "vectors.txt", KNOWN, "text")
    return tmp_path / "vectors.txt"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A dog's 2nd_walk, e.g. here!", ["a", "dog", "s", "2nd", "walk", "e", "g", "here"]),
        ("", []),
        (" ... ", []),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),  # vowel points stay in their word
        ("\u200fمرحبا، يا عالم\u200f", ["مرحبا", "يا", "عالم"]),  # marks of direction go, the Arabic comma parts  # noqa: RUF001
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("love❤️you 👍🏽", ["love", "❤", "you", "👍"]),
        ("👩‍🚀", ["👩", "🚀"]),
        ("ＦＵＬＬ ﬁne", ["full", "fine"]),  # noqa: RUF001
    ],
)
def test_words(text: str, wanted: list[str]) -> None:
    assert words(text) == [unicodedata.normalize("NFKC", word) for word in wanted]


def test_bag_counts_the_words_of_the_training_texts() -> None:
    bag = BagOfWords(min_texts=2).fit(TRAIN)
    assert bag.words == ("a", "blue", "cat", "dog", "red", "runs", "the")
    assert bag.transform(["the dog, the cat", "a bird", ""]).tolist() == [[0, 0, 1, 1, 0, 0, 2], [1] + [0] * 6, [0] * 7]
    assert BagOfWords(1, most=1).fit(TRAIN).words == ("a",)


def test_lsa_is_the_singular_vectors_of_tf_idf() -> None:
    """Against the equations, in plain NumPy."""
    lsa = Lsa(width=2, pairs=False, min_texts=1).fit(TRAIN)
    split = [text.split() for text in TRAIN]
    terms = sorted({word for row in split for word in row})
    count = np.array([[row.count(term) for term in terms] for row in split], dtype=float)
    idf = np.log((1 + len(TRAIN)) / (1 + (count > 0).sum(0))) + 1
    weight = np.where(count > 0, 1 + np.log(np.maximum(count, 1)), 0) * idf
    weight /= np.linalg.norm(weight, axis=1, keepdims=True)
    right = np.linalg.svd(weight)[2][:2]
    found = lsa.transform(TRAIN).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(weight @ right.T), atol=1e-5)


def test_pairs_of_words_tell_orders_apart() -> None:
    texts = ["dog bites man", "man bites dog", "dog bites man today", "man bites dog today"]
    alone, pairs = (Lsa(2, both, min_texts=1).fit(texts).transform(texts[:2]) for both in (False, True))
    assert torch.allclose(alone[0], alone[1], atol=1e-6) and not torch.allclose(pairs[0], pairs[1], atol=0.01)


def test_mean_of_word_vectors(tmp_path: Path) -> None:
    matrix = torch.from_numpy(write_word_vectors(tmp_path / "v.txt", KNOWN, "text"))
    with pytest.warns(UserWarning, match=r"knows no word of 1 of 3 texts, such as 'מילה'; their vectors are 0"):
        found = MeanVectors(tmp_path / "v.txt").fit(TRAIN).transform(["Red DOG!", "a dog, a dog, a cat", "מילה"])
    assert torch.allclose(found[0], matrix[[0, 2]].mean(dim=0))
    assert torch.allclose(found[1], matrix[[2, 2, 3]].mean(dim=0)) and not found[2].any()
    with pytest.raises(DataError, match=r"v.txt: found no word of the 1 of the texts, .*'red'"):
        MeanVectors(tmp_path / "v.txt").transform(["xyz"])


def test_word_graph_joins_the_nearest_words(vectors: Path) -> None:
    graph = WordGraph(vectors, neighbours=1).fit(TRAIN)
    assert graph.words == ("blue", "cat", "dog", "red", "runs")  # `a`, `the` have no vector, `sleeps` is in no text
    assert graph.vectors.shape == (5, 5)
    share = graph.transform(["a red dog and a red cat", "birds"])
    assert torch.allclose(share, torch.tensor([[0, 0.25, 0.25, 0.5, 0], [0.0] * 5]))
    cosine = (
        torch.nn.functional.normalize(graph.vectors.double()) @ torch.nn.functional.normalize(graph.vectors.double()).T
    )
    nearest = cosine.fill_diagonal_(-2).argmax(dim=1).tolist()
    wanted = {edge for row, near in enumerate(nearest) for edge in ((row, near), (near, row))}
    assert sorted(map(tuple, graph.edge_index.T.tolist())) == sorted(wanted)


def test_equal_vectors_are_joined_and_none_with_itself() -> None:
    edges = nearest_edges(np.ones((4, 3), dtype=np.float32), 2)
    assert (edges[0] != edges[1]).all() and edges.unique(dim=1).shape == edges.shape
    with pytest.raises(DataError, match=r"neighbours: found 4, wanted 1 to 3, as 4 words have a vector"):
        nearest_edges(np.ones((4, 3), dtype=np.float32), 4)


KINDS: list[Callable[[Path], TextFeatures]] = [
    lambda _: BagOfWords(),
    lambda _: Lsa(2),
    lambda vectors: WordGraph(vectors, neighbours=2),
]


@pytest.mark.parametrize("make", KINDS)
def test_a_text_says_the_same_in_any_company(make: Callable[[Path], TextFeatures], vectors: Path) -> None:
    """Nothing of new texts enters: alone, among others and after others, a text has one row."""
    features = make(vectors).fit(TRAIN)
    alone = features.transform(["a red cat"])
    features.transform(["dogs and birds everywhere"] * 5)
    assert torch.equal(features.transform(["zebra zebra", "a red cat"])[1:], alone) and alone.any()


@pytest.mark.filterwarnings("ignore:.*knows no word")
@pytest.mark.parametrize("make", [*KINDS, MeanVectors])
def test_odd_texts_are_finite_rows(make: Callable[[Path], TextFeatures], vectors: Path) -> None:
    odd = ["", "dog", "dog " * 10_000, "שלום עולם", "👍🏽❤️", "\u202eabc", "?!"]
    rows = make(vectors).fit([*TRAIN, *odd]).transform(odd)
    assert rows.dtype == torch.float32 and len(rows) == len(odd) and bool(rows.isfinite().all())
    assert not rows[[0, 6]].any() and rows[1].any()


@pytest.mark.parametrize("make", KINDS)
def test_what_is_not_fitted_says_so(make: Callable[[Path], TextFeatures], vectors: Path) -> None:
    with pytest.raises(DataError, match=r"found nothing fitted. Call fit\(training_texts\) first."):
        make(vectors).transform(TRAIN)


def test_too_few_words_are_refused(vectors: Path) -> None:
    with pytest.raises(DataError, match=r"no word that stands in 2 of 2 training texts"):
        BagOfWords().fit(["one", "two"])
    with pytest.raises(DataError, match=r"no word that stands in 1 of 2 training texts"):
        Lsa(1, min_texts=1).fit(["", "!"])
    with pytest.raises(DataError, match=r"width: found 5, wanted 1 to 4, as there are 5 training texts and 7 words"):
        Lsa(5, pairs=False).fit(TRAIN)
    with pytest.raises(DataError, match=r"neighbours: found 9, wanted 1 to 4"):
        WordGraph(vectors, neighbours=9).fit(TRAIN)
