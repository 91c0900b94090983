"""The known sets of pictures and texts, by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rrnet_lightning.data.files.root import data_root, dataset_folder, user_path
from rrnet_lightning.data.paired import emoji, flickr8k, pascal_sentence, wikipedia
from rrnet_lightning.data.paired.folder import read_folder
from rrnet_lightning.data.paired.paired_set import PairedSet
from rrnet_lightning.data.paired.records import Sentences
from rrnet_lightning.data.tables.places import suggest
from rrnet_lightning.errors import DataError


class KnownSet(NamedTuple):
    """A known set.

    Attributes:
        folder: its folder under the data root.
        files: that must be there.
        read: reads the folder.
        sentences: whether there are several a picture, to be read in one of the ways of ``Sentences``.
    """

    folder: str
    files: tuple[str, ...]
    read: Callable[..., PairedSet]
    sentences: bool = False


PAIRED_SETS = {
    "emoji": KnownSet("emoji", emoji.FILES[:3], emoji.read_emoji),
    "emoji_twemoji": KnownSet("emoji", (emoji.FILES[0], *emoji.FILES[3:]), partial(emoji.read_emoji, style="twemoji")),
    "flickr8k": KnownSet("flickr8k", flickr8k.FILES, flickr8k.read_flickr8k, True),
    "pascal_sentence": KnownSet("pascal_sentence", pascal_sentence.FILES, pascal_sentence.read_pascal_sentence, True),
    "wikipedia": KnownSet("wikipedia_xmodal", wikipedia.FILES, wikipedia.read_wikipedia),
}


def read_paired(name: str, root: str | Path | None = None, sentences: Sentences | None = None) -> PairedSet:
    """Read a known set by name, or a folder of one's own.

    Args:
        name: one of `PAIRED_SETS`, or the path of a folder; a name wins over a folder of that name.
        root: folder of the data sets, see :func:`rrnet_lightning.data.files.root.data_root`.
        sentences: how those of a picture are read; None: as the set's reader has it.

    Raises:
        DataError: neither a name nor a folder, a missing file, sentences of a set that has not several a picture, or
            what the reader refuses.
    """
    several = [each for each, known in PAIRED_SETS.items() if known.sentences]
    if sentences is not None and name not in several:
        raise DataError(f"sentences: found {sentences!r} for {name!r}, wanted it for {' or '.join(several)} alone")
    if name in PAIRED_SETS:
        known = PAIRED_SETS[name]
        chosen = {} if sentences is None else {"sentences": sentences}
        return known.read(dataset_folder(known.folder, known.files, root), **chosen)
    if not user_path(name).exists():
        raise DataError(
            f"dataset: found no folder {name!r} and no data set of that name in {data_root(root)}, wanted the path of "
            f"a folder or one of {', '.join(PAIRED_SETS)}. {suggest(name, PAIRED_SETS)}"
        )
    return read_folder(name)
