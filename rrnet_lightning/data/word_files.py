"""Vectors of some words, from a file as it is published or from gensim's collection."""

import gzip
import logging
import re
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import DataError, reason

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

Vector = NDArray[np.float32]
NETWORK_TIMEOUT = 30.0  # seconds
BOM = b"\xef\xbb\xbf"
NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+|nan|inf)(e[-+]?\d+)?", re.IGNORECASE)


class WordVectors(NamedTuple):
    """Vectors of those of the wanted words that a source knows.

    Attributes:
        known: word -> [D] float32.
        example: the first word of the source, for messages.
    """

    known: dict[str, Vector]
    example: str


def read_words(source: str | Path, wanted: Collection[str]) -> WordVectors:
    """Look up words in a file or in gensim's collection; see :func:`rrnet_lightning.data.word_vectors.class_vectors`.

    Text is read line by line, and only the vectors of the wanted words are kept, so a file may be larger than memory.

    Raises:
        DataError: no such file or name, a damaged file, or no network.
    """
    path = user_path(source)
    if path.exists():
        return _read_file(path, wanted)
    if isinstance(source, str) and re.fullmatch(r"[A-Za-z0-9_-]+", source):
        return _chosen(_load_collection(source), wanted)
    raise DataError(
        f"{source}: no such file of word vectors. Correct the path, or give a name in gensim's collection such as "
        "'glove-wiki-gigaword-100', or null for vectors of the spelling."
    )


def _read_file(path: Path, wanted: Collection[str]) -> WordVectors:
    endings = [ending.lower() for ending in path.suffixes]
    binary = ".bin" in endings
    try:
        if not binary:
            with gzip.open(path) if endings[-1:] == [".gz"] else path.open("rb") as lines:
                return _read_text(lines, wanted)
        from gensim.models import KeyedVectors  # here: seconds that readers of text need not pay

        return _chosen(KeyedVectors.load_word2vec_format(str(path), binary=True), wanted)
    except (OSError, EOFError, ValueError, IndexError, MemoryError) as error:
        kind = "word2vec binary, as its name has .bin" if binary else "word2vec, fastText or GloVe text"
        advice = "Of fastText, take the .vec; its .bin is of another format. " if binary else ""
        raise DataError(
            f"{path}: not a readable file of word vectors ({reason(error)}). Wanted {kind}: each word with "
            f"equally many numbers. {advice}Get the file again, or check its format."
        ) from error


def _read_text(lines: Iterator[bytes], wanted: Collection[str]) -> WordVectors:
    """Read `word number number ...` lines; the first may be `<number of words> <D>` instead.

    D is known from the first line on, so the word is all but the last D fields: published files have words with spaces.
    Words are compared as bytes: a few in published files are not valid UTF-8. ValueError names the line.
    """
    first = next(lines, b"").removeprefix(BOM)
    fields = first.split()
    header = len(fields) == 2 and all(field.isdigit() for field in fields)
    width = int(fields[1]) if header else _numbers_at_end(fields)
    if b"\0" in first or not width:
        raise ValueError("line 1: no word and its numbers. Unpack an archive first; word2vec binary must be named .bin")
    asked = {word.encode(): word for word in wanted}
    known: dict[str, Vector] = {}
    example, count = "", 0
    for number, line in enumerate(lines if header else chain([first], lines), start=1 + header):
        fields = line.rsplit(None, width)
        if not fields:  # a blank line
            continue
        if len(fields) <= width:
            raise ValueError(f"line {number}: {len(fields)} fields, wanted a word and {width} numbers")
        count += 1
        example = example or fields[0].decode(errors="replace")
        word = asked.get(fields[0].strip())
        if word is not None and word not in known:
            known[word] = _vector(fields[1:], number)
    if header and count != int(first.split()[0]):
        raise ValueError(f"{count} words, but the first line promises {int(first.split()[0])}")
    return WordVectors(known, example)


def _numbers_at_end(fields: list[bytes]) -> int:
    """How many of the last fields are numbers; at least one field is left for the word."""
    words = [place for place, field in enumerate(fields) if place == 0 or not NUMBER.fullmatch(field)]
    return len(fields) - 1 - words[-1] if words else 0


def _vector(fields: list[bytes], line: int) -> Vector:
    try:
        return np.array([float(field) for field in fields], dtype=np.float32)
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from error


def _chosen(words: "KeyedVectors", wanted: Collection[str]) -> WordVectors:
    return WordVectors({word: words[word] for word in wanted if word in words}, next(iter(words.index_to_key), ""))


def _load_collection(name: str) -> "KeyedVectors":
    import gensim.downloader
    from gensim.models import KeyedVectors

    try:
        with _bounded_and_quiet():
            words = gensim.downloader.load(name)
    except Exception as error:  # the downloader raises bare Exceptions, and runs a module fetched with the vectors
        raise DataError(
            f"{name}: no file of this name, and gensim could not load it from its collection ({reason(error)}). "
            "Without network, give the path of a file of word vectors, or null for vectors of the spelling."
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
