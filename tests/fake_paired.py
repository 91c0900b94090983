"""Miniature sets of pictures and texts in their true file formats. Each function returns the folder it made."""

import json
import lzma
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

WORDS = ("dog", "cat", "car", "tree", "boat", "red", "blue", "small", "old", "happy")
WIDTH = 6  # of features; 1280 in the real files


def features(rows: int, width: int = WIDTH) -> NDArray[np.float16]:
    """Features [rows, width], at least 0, in steps of 1/4, which every format keeps exactly."""
    return (np.random.default_rng(rows + width).integers(0, 16, size=(rows, width)) / 4).astype(np.float16)


def sentence(row: int, number: int = 0) -> str:
    return f"A {WORDS[5 + (row + number) % 5]} {WORDS[row % 5]} number {number} ."


def write_picture(path: Path, colour: tuple[int, ...], size: tuple[int, int] = (8, 6)) -> None:
    """A picture of one colour, width and height as given; the ending says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if len(colour) == 3 else "RGBA", size, colour).save(path)


def write_emoji(root: Path, rows: int = 40) -> Path:
    """`emoji/`: 2 groups, 4 subgroups; every pixel of picture i is i in red, and 100 in green where it is Twemoji."""
    folder = root / "emoji"
    folder.mkdir(parents=True)
    lines = ["id\tgroup\tsubgroup\tname\ttags"]
    for row in range(rows):
        sub = row % 4
        lines.append(f"1F{row:03X}\tgroup-{sub // 2}\tsub-{sub}\t{WORDS[row % 5]} face\t{WORDS[5 + row % 5]}, face, +1")
    (folder / "emoji.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for style, green in (("noto", 0), ("twemoji", 100)):
        tiles = np.full((-(-rows // 36), 36, 64, 64, 3), 255, np.uint8)
        flat = tiles.reshape(-1, 64, 64, 3)
        flat[:rows] = np.stack([np.arange(rows), np.full(rows, green), np.zeros(rows)], 1)[:, None, None]
        sheet = tiles.transpose(0, 2, 1, 3, 4).reshape(-1, 36 * 64, 3)
        Image.fromarray(sheet).save(folder / f"{style}_64.webp", lossless=True, method=0, quality=0)
        np.save(folder / f"{style}_efficientnet_lite0.npy", features(rows))
    return folder


def write_pascal_sentence(root: Path, rows: int = 12) -> Path:
    """`pascal_sentence/`: 2 classes, two splits, five sentences an image, of image 1 four."""
    folder = root / "pascal_sentence"
    folder.mkdir(parents=True)
    names = [f"2008_{row:06d}.jpg" for row in range(rows)]
    classes = ("aeroplane", "bicycle")
    content = {
        name: {"category": classes[row % 2], "captions": [sentence(row, at) for at in range(4 if row == 1 else 5)]}
        for row, name in enumerate(names)
    }
    (folder / "pascal_sentences.json").write_text(json.dumps(content))
    category = np.arange(rows, dtype=np.int16) % 2
    voc = np.where(category[:, None] == np.arange(2), 1, -1).astype(np.int8)
    voc[0] = [1, 1]  # both classes
    voc[2] = [1, 0]  # the second is difficult
    part = np.where(np.arange(rows) < rows - 4, 0, np.where(np.arange(rows) < rows - 2, 1, 2)).astype(np.int8)
    splits = np.stack([part, part[::-1]])
    np.savez(folder / "labels.npz", image=names, category=category, class_names=classes, voc2008=voc, splits=splits)
    np.savez(folder / "lite0_1280.npz", features=features(rows))
    np.savez(folder / "text_bert_nli_768.npz", features=features(rows, 4))
    with zipfile.ZipFile(folder / "images_224.zip", "w") as archive:
        for row, name in enumerate(names):
            write_picture(root / "one.webp", (20 * row, 0, 0))
            archive.write(root / "one.webp", name.replace(".jpg", ".webp"))
    (root / "one.webp").unlink()
    return folder


def write_flickr8k(root: Path, rows: int = 10) -> Path:
    """`flickr8k/`: five sentences an image and of one image without a picture; the last image is in no part."""
    folder = root / "flickr8k"
    folder.mkdir(parents=True)
    names = [f"{1000 + row}_ab.jpg" for row in range(rows)]
    lines = [
        f"{name}#{at}\t{sentence(row, at)}" for row, name in enumerate([*names, "9_lost.jpg.1"]) for at in range(5)
    ]
    (folder / "Flickr8k.token.txt.xz").write_bytes(lzma.compress(("\n".join(lines) + "\n").encode()))
    split = np.array([0] * (rows - 5) + [1, 1, 2, 2, -1], np.int8)
    labels = (np.arange(rows)[:, None] % 2 == np.arange(2)).astype(np.uint8)
    np.savez(folder / "index.npz", image=names, split=split, derived_labels=labels, derived_classes=["dog", "boy"])
    np.savez(folder / "lite0_1280.npz", features=features(rows))
    return folder


def write_wikipedia(root: Path, train: int = 9, test: int = 3) -> Path:
    """`wikipedia_xmodal/` and `wikipedia_text/` beside it: 3 categories."""
    folder = root / "wikipedia_xmodal"
    folder.mkdir(parents=True)
    (folder / "categories.list").write_text("art\nbiology\nsport\n")
    objects, number = [], 0
    for part, rows in (("train", train), ("test", test)):
        lines = []
        for _ in range(rows):
            text, image, category = f"{number:04x}-{number % 3}", f"{number:04x}", number % 3 + 1
            lines.append(f"{text}\t{image}\t{category}\n")
            objects.append({"text_id": text, "image_id": image, "category": category, "text": sentence(number)})
            number += 1
        (folder / f"{part}set_txt_img_cat.list").write_text("".join(lines))
    arrays: dict[str, NDArray[np.float64]] = {}
    for kind, width in (("I", 5), ("T", 3)):
        both = features(train + test, width).astype(np.float64)
        arrays |= {f"{kind}_tr": both[:train], f"{kind}_te": both[train:]}
    savemat(folder / "raw_features.mat", arrays)
    (root / "wikipedia_text").mkdir()
    packed = lzma.compress("".join(json.dumps(one) + "\n" for one in objects).encode())
    (root / "wikipedia_text/texts.jsonl.xz").write_bytes(packed)
    return folder


def write_own(
    folder: Path, captions: Sequence[tuple[str, str]] = (("a", "a red dog"), ("a", "a dog"), ("b", "two cats"))
) -> Path:
    """A user's own folder: pictures `a.png`, `b.jpg` and `captions.tsv`."""
    write_picture(folder / "images/a.png", (255, 0, 0))
    write_picture(folder / "images/b.jpg", (0, 255, 0))
    lines = ["id\tcaption", *(f"{name}\t{text}" for name, text in captions)]
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
