"""Miniature data sets in their true file formats. Each function takes a data root and returns the folder it made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

USERS, ITEMS = 30, 20


def rating_rows(levels: Sequence[float], seed: int = 0, share: float = 0.5) -> list[tuple[int, int, float]]:
    """(user, item, rating), ids from 1, of a share of all pairs; ratings follow the users' taste, so can be learned."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(USERS, 2)) @ rng.normal(size=(2, ITEMS))
    rank = taste.ravel().argsort().argsort().reshape(taste.shape) * len(levels) // taste.size
    pairs = np.argwhere(rng.random(taste.shape) < share)
    return [(int(u) + 1, int(i) + 1, float(levels[rank[u, i]])) for u, i in pairs]


def trust_rows(seed: int = 0) -> list[tuple[int, int]]:
    """60 distinct (truster, trustee) among the users, ids from 1, none to oneself."""
    rng = np.random.default_rng(seed)
    pairs = [(u, v) for u in range(1, USERS + 1) for v in range(1, USERS + 1) if u != v]
    return [pairs[row] for row in sorted(rng.choice(len(pairs), size=60, replace=False))]


def write_filmtrust(root: Path, seed: int = 0) -> Path:
    """`filmtrust/`: as the real one, with one repeated pair and one trust link to a user without ratings."""
    folder = root / "filmtrust"
    folder.mkdir(parents=True)
    rows = rating_rows([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4], seed)
    write_lines(folder / "ratings.txt", [*rows, rows[0]])
    write_lines(folder / "trust.txt", [(*pair, 1) for pair in [*trust_rows(seed), (1, USERS + 100)]])
    return folder


def write_ciao(root: Path, seed: int = 0, share: float = 0.5) -> Path:
    """`ciao/`: as the real one, with one repeated pair and one rating of 0."""
    folder = root / "ciao"
    folder.mkdir(parents=True)
    rows = [(u, i, 1, r, 4, 959670000) for u, i, r in rating_rows([1, 2, 3, 4, 5], seed, share)]
    zero = (1, ITEMS + 100, 1, 0, 4, 959670000)
    ratings = np.array([*rows, rows[0], zero], dtype=np.int32)
    savemat(folder / "rating_with_timestamp.mat", {"rating": ratings}, do_compression=True)
    trust = np.array(trust_rows(seed), dtype=np.uint16)
    savemat(folder / "trustnetwork.mat", {"trustnetwork": trust}, do_compression=True)
    return folder


def write_split(folder: Path, seed: int = 0) -> Path:
    """`train.txt`, `val.txt`, `test.txt`: 70, 10 and 20 percent of the ratings that `write_filmtrust` writes."""
    folder.mkdir(parents=True)
    rows = rating_rows([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4], seed)
    for part, keep in {"train": range(7), "val": range(7, 8), "test": range(8, 10)}.items():
        write_lines(folder / f"{part}.txt", [row for number, row in enumerate(rows) if number % 10 in keep])
    return folder


def word_matrix(words: Sequence[str], dim: int = 5) -> NDArray[np.float32]:
    """Vectors of the words, [W, dim], in steps of 1/4, which every format keeps exactly."""
    return (np.random.default_rng(0).integers(-8, 9, size=(len(words), dim)) / 4).astype(np.float32)


def write_word_vectors(
    path: Path, words: Sequence[str], kind: Literal["text", "binary", "glove"], dim: int = 5
) -> NDArray[np.float32]:
    """A file of word vectors: word2vec text or binary, or GloVe text. Returns the vectors, [W, dim]."""
    vectors = word_matrix(words, dim)
    header = b"" if kind == "glove" else f"{len(words)} {dim}\n".encode()
    if kind == "binary":
        rows = [word.encode() + b" " + vector.tobytes() + b"\n" for word, vector in zip(words, vectors, strict=True)]
    else:
        rows = [f"{word} {' '.join(map(str, vec))}\n".encode() for word, vec in zip(words, vectors, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + b"".join(rows))
    return vectors


def write_lines(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """One row a line, values separated by a space; numbers as short as in the real files."""
    path.write_text("".join(" ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in row) + "\n" for row in rows))
