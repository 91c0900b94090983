"""Class names as vectors: from a file of word vectors, from gensim's collection, or from the spelling of the name."""

import hashlib
import logging
import re
import socket
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.checks import check_finite
from rrnet_lightning.data.files.atomic import atomic
from rrnet_lightning.data.files.root import cache_root, user_path
from rrnet_lightning.errors import DataError

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

Unknown = Literal["error", "spelling"]
Vector = NDArray[np.float32]

SPELLING_DIM = 64
CACHE_FORMAT = 1  # count up when the same arguments give other vectors
NETWORK_TIMEOUT = 30.0  # seconds


def class_vectors(
    names: Sequence[str],
    source: str | Path | None,
    *,
    unknown: Unknown = "error",
    cache_dir: str | Path | None = None,
) -> Tensor:
    """Vectors of class names, [C, D] float32.

    A name is split at white space, "_" and "-" and is the mean of those of its words that the source knows, as written
    or else in lower case.

    Args:
        names: C class names, such as "dog", "sea_waves", "can-opening".
        source: one of
            a file: word2vec binary (`.bin`, `.bin.gz`), word2vec text (first line: count and width) or GloVe text;
            a name in gensim's collection, such as "glove-wiki-gigaword-100", downloaded once by gensim;
            None: `spelling_vectors`, which needs no file but knows nothing of meaning.
        unknown: a name without a known word is an "error", or gets its spelling vector in D dimensions, scaled to the
            mean norm of the names that are known.
        cache_dir: where results are kept, so that later runs need not load gigabytes. Default: folder `vectors` in the
            environment variable RRNET_CACHE, else in `~/.cache/rrnet`.

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
        vectors = _average(names, _load(source), source, unknown)
        check_finite(f"{source}, vectors of the class names", torch.from_numpy(vectors))
        _write_cache(file, vectors)
    return torch.from_numpy(vectors)


def spelling_vectors(names: Sequence[str], dim: int = SPELLING_DIM) -> Tensor:
    """Vectors made of the letters of each name, [C, dim] float32 of norm 1, the same on every machine.

    Sums of one fixed random sign vector per character n-gram (n = 2, 3, 4; in lower case, with the ends marked), so
    names that share letters lie close. They encode spelling, not meaning: "cat" is near "cattle" and far from "kitten".
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


def _average(names: Sequence[str], words: "KeyedVectors", source: str | Path, unknown: Unknown) -> Vector:
    """Mean over the known words of every name, [C, D]."""
    vectors = np.zeros((len(names), words.vector_size), dtype=np.float32)
    missing = []
    for row, name in enumerate(names):
        cased = [word if word in words else word.lower() for word in re.split(r"[\s_-]+", name) if word]
        known = [words[word] for word in cased if word in words]
        if known:
            vectors[row] = np.mean(known, axis=0)
        else:
            missing.append(row)
    if len(missing) == len(names) or (missing and unknown == "error"):
        raise DataError(
            f"{source}: found no word of these class names: {', '.join(repr(names[row]) for row in missing)}. Wanted "
            "at least one known word in each. Use other word vectors, rename these classes, or set unknown='spelling' "
            "to give them vectors of their spelling (as long as other names are known)."
        )
    if missing:
        norm = np.linalg.norm(np.delete(vectors, missing, axis=0), axis=1).mean()
        vectors[missing] = norm * spelling_vectors([names[row] for row in missing], words.vector_size).numpy()
    return vectors


def _load(source: str | Path) -> "KeyedVectors":
    path = user_path(source)
    if path.exists():
        return _load_file(path)
    if _is_collection_name(source):
        return _load_collection(str(source))
    raise DataError(
        f"{source}: no such file of word vectors. Correct the path, or give a name in gensim's collection such as "
        "'glove-wiki-gigaword-100', or null for vectors of the spelling."
    )


def _load_file(path: Path) -> "KeyedVectors":
    from gensim.models import KeyedVectors  # here: seconds that a cached result need not pay

    binary = ".bin" in path.suffixes
    try:
        no_header = not binary and not _has_header(path)
        return KeyedVectors.load_word2vec_format(str(path), binary=binary, no_header=no_header)
    except (OSError, EOFError, ValueError, IndexError, MemoryError) as error:
        kind = "word2vec binary (as its name has .bin)" if binary else "word2vec or GloVe text"
        raise DataError(
            f"{path}: not a readable file of word vectors ({error}). Wanted {kind}, each word with equally many "
            "numbers. Get the file again, or check its format."
        ) from error


def _has_header(path: Path) -> bool:
    """Whether the first line is `<number of words> <width>`, as in word2vec text and not in GloVe text."""
    from gensim import utils

    with utils.open(str(path), "rb") as file:  # also opens .gz
        first = file.readline().split()
    if len(first) < 2:
        raise ValueError("line 1 is not a word and its numbers")
    return len(first) == 2 and all(field.isdigit() for field in first)


def _load_collection(name: str) -> "KeyedVectors":
    import gensim.downloader
    from gensim.models import KeyedVectors

    try:
        with _bounded_and_quiet():
            words = gensim.downloader.load(name)
    except Exception as error:  # the downloader raises bare Exceptions, and runs a module fetched with the vectors
        raise DataError(
            f"{name}: no file of this name, and gensim could not load it from its collection ({error}). Without "
            "network, give the path of a file of word vectors, or null for spelling vectors; else check the name."
        ) from error
    if not isinstance(words, KeyedVectors):
        raise DataError(f"{name}: found a {type(words).__name__} in gensim's collection, wanted word vectors.")
    return words


@contextmanager
def _bounded_and_quiet() -> Iterator[None]:
    """Keep gensim's downloader from waiting for ever, and from logging a traceback when there is no network."""
    logger, timeout = logging.getLogger("gensim.downloader"), socket.getdefaulttimeout()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    try:
        yield
    finally:
        logger.setLevel(level)
        socket.setdefaulttimeout(timeout)


def _is_collection_name(source: str | Path) -> bool:
    return isinstance(source, str) and re.fullmatch(r"[A-Za-z0-9_-]+", source) is not None


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
        warnings.warn(f"{file}: word vectors could not be kept for later runs ({error}).", stacklevel=3)
