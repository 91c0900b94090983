"""Miniature data sets in their true file formats. Each function takes a data root and returns the folder it made."""

import csv
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.io import savemat

from rrnet_lightning.candidates.features import Features, keep_features

USERS, ITEMS = 30, 20
ESC_CLASSES = {0: "dog", 1: "rooster", 10: "rain"}  # numbers and names of ESC-50; the first two stand for ESC-10


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


def esc_clip(target: int, take: int, rate: int, seconds: float = 5) -> NDArray[np.int16]:
    """A clip: the tone of its class in noise of its own, [seconds · rate]."""
    time, noise = np.arange(round(seconds * rate)) / rate, np.random.default_rng([target, take])
    tone = 8000 * np.sin(2 * np.pi * (300 + 100 * target) * time)
    return (tone + noise.normal(0, 500, time.shape)).astype(np.int16)


def write_esc(root: Path, name: str = "esc50", suffix: str = ".wav", rate: int = 8000, folds: int = 2) -> Path:
    """`esc50/` or `esc10/`: as the real one, two clips a class and fold; the csv names `.wav` always."""
    import soundfile

    folder = root / name
    (folder / "audio").mkdir(parents=True)
    rows = []
    for fold in range(1, folds + 1):
        for target, category in ESC_CLASSES.items():
            for take in (2 * fold, 2 * fold + 1):
                clip = f"{fold}-{1000 + take}-A-{target}"
                samples = esc_clip(target, take, rate)
                soundfile.write(folder / "audio" / f"{clip}{suffix}", samples, rate)
                rows.append([f"{clip}.wav", fold, target, category, target < 10, 1000 + take, "A"])
    table = folder / ("meta/esc50.csv" if name == "esc50" else f"{name}.csv")
    table.parent.mkdir(exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["filename", "fold", "target", "category", "esc10", "src_file", "take"])
        writer.writerows(rows)
    return folder


def cifar_images(count: int, classes: int) -> tuple[NDArray[np.uint8], list[int]]:
    """Images [count, 32, 32, 3] and labels: number in red and green, 20 · label in blue; one bright pixel at (1, 2)."""
    label = [row % classes for row in range(count)]
    images = np.zeros((count, 32, 32, 3), np.uint8)
    rows = np.arange(count)
    images[:] = np.stack([rows % 256, rows // 256, 20 * np.array(label)], axis=1)[:, None, None]
    images[:, 1, 2] = 255
    return images, label


def write_cifar(root: Path, tiles: int = 5, classes: Sequence[str] = ("airplane", "cat", "dog")) -> Path:
    """`cifar10/` as tiles of 1,000 images, 25 rows of 40."""
    from PIL import Image

    folder = root / "cifar10"
    folder.mkdir(parents=True)
    images, label = cifar_images(1000 * tiles, len(classes))
    for number, part in enumerate(images.reshape(tiles, 25, 40, 32, 32, 3)):
        tile = Image.fromarray(part.transpose(0, 2, 1, 3, 4).reshape(800, 1280, 3))
        tile.save(folder / f"train_{number:02d}.webp", lossless=True, method=0, quality=0)
    write_lines(folder / "labels_train.txt", [(row,) for row in label])
    write_lines(folder / "classes.txt", [(name,) for name in classes])
    return folder


def write_cifar_batches(root: Path, classes: Sequence[str] = ("airplane", "cat", "dog")) -> Path:
    """`cifar10/` as the originals, pickled batches: 5 of 6 images to train, 1 to test."""
    folder = root / "cifar10/cifar-10-batches-py"
    folder.mkdir(parents=True)
    images, label = cifar_images(36, len(classes))
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        part = slice(6 * number, 6 * number + 6)
        batch = {"data": images[part].transpose(0, 3, 1, 2).reshape(6, -1), "labels": label[part]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(classes)}))
    return folder.parent


def write_features(
    folder: Path, dataset: str, classes: int, sets: Sequence[Sequence[int]], folds: Sequence[int]
) -> Path:
    """A feature file for each set of folds left out: four samples a class and fold, scores better than none."""
    rng = torch.Generator().manual_seed(0)
    fold, label = torch.cartesian_prod(torch.tensor(folds), torch.arange(4 * classes) % classes).T
    for left_out in sets:
        logits = torch.randn(len(label), classes, generator=rng)
        logits[torch.arange(len(label)), label] += 2
        keep_features(
            folder / f"without_{'_'.join(map(str, left_out))}.npy",
            Features(
                features=torch.eye(classes)[label] + torch.randn(len(label), classes, generator=rng),
                logits=logits,
                label=label,
                fold=fold,
                names=tuple(f"class {number}" for number in range(classes)),
                ids=[f"sample-{row}" for row in range(len(label))],
                left_out=tuple(left_out),
                backbone="LogMelCNN" if dataset.startswith("esc") else "SmallResNet",
                checksum=" ".join(map(str, left_out)),
                recipe="",
                dataset=dataset,
            ),
        )
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


def write_tables(folder: Path, rows: int = 120, seed: int = 0) -> Path:
    """Two tables of one hidden space, ``source.npy`` and ``target.npy``, row i of which belong together, and labels."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 6))
    for name, width in (("source", 8), ("target", 10)):
        noise = rng.normal(size=(rows, width))
        np.save(folder / f"{name}.npy", (hidden @ rng.normal(size=(6, width)) + 0.3 * noise).astype(np.float32))
    (folder / "pairs.csv").write_text("source,target\n" + "".join(f"{row},{row}\n" for row in range(rows)))
    labels = "id,label\n" + "".join(f"{row},{label}\n" for row, label in enumerate(hidden[:, :3].argmax(1)))
    for name in ("source", "target"):
        (folder / f"{name}_labels.csv").write_text(labels)
    return folder
