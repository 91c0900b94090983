"""Every reader given a file that is empty, of another kind, cut short, a folder, or not to be opened."""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rrnet_lightning.candidates.features import read_features
from rrnet_lightning.candidates.views import test_files as files_of
from rrnet_lightning.data.files.download import unzip
from rrnet_lightning.data.image.cifar import read_cifar, read_cifar_tiles
from rrnet_lightning.data.paired.emoji import read_emoji
from rrnet_lightning.data.paired.flickr8k import read_flickr8k
from rrnet_lightning.data.paired.pascal_sentence import read_pascal_sentence
from rrnet_lightning.data.paired.wikipedia import read_wikipedia
from rrnet_lightning.data.ratings.reader import read_ciao, read_filmtrust, read_ratings
from rrnet_lightning.data.sound.esc import read_esc
from rrnet_lightning.data.splits import read_pairs, read_split_dir
from rrnet_lightning.data.word_vectors import class_vectors
from rrnet_lightning.errors import DataError
from tests import fake, fake_paired


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A miniature of every data set."""
    root = tmp_path_factory.mktemp("data")
    fake.write_filmtrust(root)
    fake.write_ciao(root)
    fake.write_split(root / "split")
    fake.write_lines(root / "pairs.txt", [(1, 1), (2, 2)])
    fake.write_esc(root)
    fake.write_cifar(root / "tiles")
    fake.write_cifar_batches(root)
    fake.write_features(root / "features", "esc50", 3, [(1,), (1, 2)], (1, 2, 3))
    fake.write_word_vectors(root / "v.txt", ["dog", "cat"], "text")
    fake.write_word_vectors(root / "v.bin", ["dog", "cat"], "binary")
    fake_paired.write_emoji(root)
    fake_paired.write_pascal_sentence(root)
    fake_paired.write_flickr8k(root)
    fake_paired.write_wikipedia(root)
    with zipfile.ZipFile(root / "x.zip", "w") as archive:
        archive.writestr("x", "x" * 100)
    yield root


def pairs(root: Path) -> object:
    return read_pairs(root / "pairs.txt", read_ratings(root / "split/train.txt"))


def split(root: Path) -> object:
    return read_split_dir(root / "split", read_filmtrust(root / "filmtrust"))


def emoji(root: Path) -> object:
    pictures = read_emoji(root / "emoji", published=False).pictures
    return pictures and pictures[0]


def pascal_sentence(root: Path) -> object:
    pictures = read_pascal_sentence(root / "pascal_sentence", published=False).pictures
    return pictures and pictures[0]


def flickr8k(root: Path) -> object:
    return read_flickr8k(root / "flickr8k", published=False)


def wikipedia(root: Path) -> object:
    return read_wikipedia(root / "wikipedia_xmodal", root / "wikipedia_text", published=False)


READERS: list[tuple[str, Callable[[Path], object]]] = [
    ("filmtrust/ratings.txt", lambda root: read_filmtrust(root / "filmtrust")),
    ("filmtrust/trust.txt", lambda root: read_filmtrust(root / "filmtrust")),
    ("split/val.txt", split),
    ("pairs.txt", pairs),
    ("ciao/rating_with_timestamp.mat", lambda root: read_ciao(root / "ciao")),
    ("ciao/trustnetwork.mat", lambda root: read_ciao(root / "ciao")),
    ("esc50/meta/esc50.csv", lambda root: read_esc(root / "esc50", 8000, root / "kept")),
    ("esc50/audio/1-1002-A-0.wav", lambda root: read_esc(root / "esc50", 8000, root / "kept")),
    ("tiles/cifar10/train_01.webp", lambda root: read_cifar_tiles(root / "tiles/cifar10")),
    ("tiles/cifar10/labels_train.txt", lambda root: read_cifar_tiles(root / "tiles/cifar10")),
    ("tiles/cifar10/classes.txt", lambda root: read_cifar_tiles(root / "tiles/cifar10")),
    ("cifar10/cifar-10-batches-py/data_batch_2", lambda root: read_cifar("cifar10", root)),
    ("features/without_1.npy", lambda root: read_features(root / "features/without_1.npy")),
    ("features/without_1.json", lambda root: read_features(root / "features/without_1.npy")),
    ("features/without_1.npy", lambda root: files_of(root / "features", 1)),
    ("features/without_1.json", lambda root: files_of(root / "features", 1)),
    ("v.txt", lambda root: class_vectors(["dog"], root / "v.txt")),
    ("v.bin", lambda root: class_vectors(["dog"], root / "v.bin")),
    ("x.zip", lambda root: unzip(root / "x.zip", root / "kept")),
    *((f"emoji/{file}", emoji) for file in ("emoji.tsv", "noto_64.webp", "noto_efficientnet_lite0.npy")),
    ("pascal_sentence/pascal_sentences.json", pascal_sentence),
    *((f"pascal_sentence/{file}.npz", pascal_sentence) for file in ("labels", "lite0_1280", "text_bert_nli_768")),
    ("pascal_sentence/images_224.zip", pascal_sentence),
    *((f"flickr8k/{file}", flickr8k) for file in ("Flickr8k.token.txt.xz", "index.npz", "lite0_1280.npz")),
    *((f"wikipedia_xmodal/{part}set_txt_img_cat.list", wikipedia) for part in ("train", "test")),
    ("wikipedia_xmodal/raw_features.mat", wikipedia),
    ("wikipedia_text/texts.jsonl.xz", wikipedia),
]


def empty(path: Path, content: bytes) -> None:
    path.write_bytes(b"")


def of_another_kind(path: Path, content: bytes) -> None:
    path.write_bytes(bytes(range(256)) * 8)


def cut_short(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 2].rpartition(b" ")[0])  # of text, in the middle of a line


def a_folder(path: Path, content: bytes) -> None:
    path.mkdir()


def not_to_be_opened(path: Path, content: bytes) -> None:
    path.symlink_to(path)  # permissions would not stop the superuser


def gone(path: Path, content: bytes) -> None:
    pass


@pytest.mark.parametrize("damage", [empty, of_another_kind, cut_short, a_folder, not_to_be_opened, gone])
@pytest.mark.parametrize(("file", "read"), READERS)
def test_a_damaged_file_is_named_in_one_line(
    root: Path, file: str, read: Callable[[Path], object], damage: Callable[[Path, bytes], None]
) -> None:
    path, kept = root / file, root / "as it was"
    path.rename(kept)
    damage(path, kept.read_bytes())
    try:
        with pytest.raises(DataError) as error:
            read(root)
    finally:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        kept.rename(path)
        shutil.rmtree(root / "kept", ignore_errors=True)
    message = str(error.value)
    assert str(path.parent) in message or str(root / "cifar10") in message or str(root / "esc50") in message
    assert message.count("\n") == 0 and message.endswith(".")
