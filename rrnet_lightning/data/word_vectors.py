"""Class names as vectors: from a file of word vectors, from gensim's collection, or from the spelling of the name."""

import hashlib
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from rrnet_lightning.data.checks import check_finite
from rrnet_lightning.data.files.atomic import atomic
from rrnet_lightning.data.files.root import cache_root, user_path
from rrnet_lightning.data.word_files import Vector, read_words
from rrnet_lightning.errors import DataError, reason

Unknown = Literal["error", "spelling"]

SPELLING_DIM = 64
CACHE_FORMAT = 1  # count up when the same arguments give other vectors


def class_vectors(
    names: Sequence[str],
    source: str | Path | None,
    *,
    unknown: Unknown = "error",
    cache_dir: str | Path | None = None,
) -> Tensor:
    """Vectors of class names, [C, D] float32.

    A name is split into words at white space, "_" and "-". Its vector is the mean over those words that the source
    knows. Each word is looked up as it is written, then in lower case.

    Args:
        names: C class names, such as "dog", "sea_waves", "can-opening".
        source: one of
            a file: GloVe, word2vec or fastText text, as published (also `.gz`), or word2vec binary (`.bin`, `.bin.gz`);
            a name in gensim's collection, such as "glove-wiki-gigaword-100", downloaded once by gensim;
            None: `spelling_vectors`, which needs no file but knows nothing of meaning.
        unknown: what to do with a name without a known word: "error" refuses it; "spelling" gives it the vector of its
            spelling in D dimensions, as long as the vectors of the other names are on average.
        cache_dir: where results are kept, so that later runs need not read gigabytes. Default: `vectors` in
            `cache_root()`.

    Raises:
        DataError: no such file, damaged file, no network, or names without a known word (all are listed).
    """
    if not names:
        raise DataError("names: found no class name, wanted at least one.")
    if source is None:
        return spelling_vectors(names)
    folder = user_path(cache_dir) if cache_dir is not None else cache_root() / "vectors"
    file = folder / f"{_cache_key(names, source, unknown)}.npy"
    vectors = _read_cache(file, len(names))
    if vectors is None:
        vectors = _average(names, source, unknown)
        check_finite(f"{source}, vectors of the class names", torch.from_numpy(vectors))
        _write_cache(file, vectors)
    return torch.from_numpy(vectors)


def vector_width(names: Sequence[str], source: str | None, *, unknown: Unknown = "error") -> int:
    """Width of :func:`class_vectors` of the same arguments; of gensim's collection without a download."""
    if source is None:
        return SPELLING_DIM
    collection = re.search(r"-(\d+)$", source)  # its names end with the width
    if collection and not user_path(source).exists():
        return int(collection[1])
    return class_vectors(names, source, unknown=unknown).shape[1]


def spelling_vectors(names: Sequence[str], dim: int = SPELLING_DIM) -> Tensor:
    """Vectors made of the letters of each name, [C, dim] float32 of norm 1, the same on every machine.

    Every group of 2, 3 or 4 neighbouring letters has a fixed random vector of signs; a name is the sum of its groups.
    Case does not matter, and the ends of the name count as letters. So names that share letters lie close, whatever
    they mean: "cat" is near "cattle" and far from "kitten".
    """
    return torch.from_numpy(np.stack([_spelling(name, dim) for name in names]))


def _spelling(name: str, dim: int) -> Vector:
    text = f"<{name.lower()}>"
    grams = [text[i : i + n] for n in (2, 3, 4) for i in range(len(text) - n + 1)]
    digests = b"".join(hashlib.shake_256(gram.encode()).digest(-(-dim // 8)) for gram in grams)
    bits = np.unpackbits(np.frombuffer(digests, np.uint8).reshape(len(grams), -1), axis=1)[:, :dim]
    total = (2.0 * bits - 1.0).sum(axis=0)
    unit: Vector = (total / max(float(np.linalg.norm(total)), 1.0)).astype(np.float32)
    return unit


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\s_-]+", name) if word]


def _average(names: Sequence[str], source: str | Path, unknown: Unknown) -> Vector:
    """Mean over the known words of every name, [C, D]."""
    wanted = {form for name in names for word in _words(name) for form in (word, word.lower())}
    known, example = read_words(source, wanted)
    means, missing = {}, []
    for row, name in enumerate(names):
        found = [form for word in _words(name) for form in (word if word in known else word.lower(),) if form in known]
        if found:
            means[row] = np.mean([known[form] for form in found], axis=0)
        else:
            missing.append(row)
    if not means or (missing and unknown == "error"):
        raise DataError(
            f"{source}: found no word of these class names: {', '.join(repr(names[row]) for row in missing)}. Wanted "
            f"at least one known word in each, written as in this file: {example!r}. Use other word vectors, rename "
            "these classes, or set unknown='spelling' to give them vectors of their spelling (as long as other names "
            "are known)."
        )
    if missing:
        norm = np.linalg.norm(list(means.values()), axis=1).mean()
        spelling = spelling_vectors([names[row] for row in missing], len(next(iter(means.values())))).numpy()
        means |= dict(zip(missing, norm * spelling, strict=True))
    return np.stack([means[row] for row in range(len(names))]).astype(np.float32)


def _cache_key(names: Sequence[str], source: str | Path, unknown: Unknown) -> str:
    path = user_path(source)
    if path.exists():
        stat = path.stat()
        origin: list[Any] = [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
    else:
        origin = [str(source)]  # a name in the collection, whose files never change; or an error, which is not kept
    return hashlib.sha256(repr([CACHE_FORMAT, origin, list(names), unknown]).encode()).hexdigest()[:32]


def _read_cache(file: Path, rows: int) -> Vector | None:
    try:
        vectors: Vector = np.load(file, allow_pickle=False)
    except (OSError, EOFError, ValueError):  # absent or damaged: made again
        return None
    return vectors if vectors.ndim == 2 and len(vectors) == rows and vectors.dtype == np.float32 else None


def _write_cache(file: Path, vectors: Vector) -> None:
    try:
        with atomic(file) as part:
            np.save(part, vectors)
    except OSError as error:
        warnings.warn(f"{file}: word vectors could not be kept for later runs ({reason(error)}).", stacklevel=3)
