"""The two tasks: which right half of a digit belongs to a left one? Which vector of two spaces is the same word's?"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common.jobs import BenchmarkError
from rrnet_lightning.candidates.retrieval import CCA, DualEncoder
from rrnet_lightning.data.files.root import data_root
from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.data.tables.labels import Labels
from rrnet_lightning.data.tables.pairs import as_pairs
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.datamodule import Mode
from rrnet_lightning.evidence.seen import Bridges


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        read: gives both tables, and the class of each row or None.
        known: rows whose pair is known; ``held`` of them validate. The others are new, in both tables.
        data: options of the datamodule.
        class_share: of the target mass, see ``RankingObjective``.
        modes: in which it is asked.
        together: options that differ in transductive mode.
    """

    read: Callable[[], tuple[Tensor, Tensor, Tensor | None]]
    known: int
    held: int
    data: dict[str, Any] = field(default_factory=dict)
    class_share: float = 0.0
    modes: tuple[Mode, ...] = ("inductive", "transductive")
    together: dict[str, Any] = field(default_factory=dict)

    same_queries = False  # splits draw their own

    def make(self, seed: int, mode: Mode) -> TablesDataModule:
        """The datamodule of one split."""
        return split(self, seed, mode=mode)


def halves() -> tuple[Tensor, Tensor, Tensor | None]:
    """Left and right halves, 8 x 4 pixels, of scikit-learn's 1,797 digits, and what digit each is."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.from_numpy(digits.images).float() / 16
    left, right = (images[:, :, part].reshape(len(images), -1) for part in (slice(0, 4), slice(4, 8)))
    return left, right, torch.from_numpy(digits.target).long()


def words() -> tuple[Tensor, Tensor, Tensor | None]:
    """6,172 English words in two spaces that were made apart: GloVe (50 numbers) and WordLlama (256)."""
    folder = data_root() / "word_spaces"
    files = [folder / name for name in ("glove_50.npy", "wordllama_256.npy")]
    for file in files:
        if not file.is_file():
            raise BenchmarkError(f"{file}: found no such file, wanted the word spaces. Set RRNET_DATA to their folder")
    left, right = (torch.from_numpy(np.load(file)).float() for file in files)
    return left, right, None


def few(known: int, regularization: float) -> Task:
    """Words of which few are known: both tables are matched whole.

    The generator trains itself; its regularisation was chosen on hidden known pairs of splits 0 and 1.
    """
    relations, generator = Bridges(supports=0), CCA(regularization=regularization)
    data = {"generator": generator, "relations": relations, "self_training": 8, "unlabelled": True, "repeats": 1}
    return Task(words, known, 2, data, modes=("transductive",))


TASKS = {
    "halves": Task(
        halves,
        known=1077,
        held=108,
        data={"generator": DualEncoder(), "relations": Bridges(classes=True, supports=0), "top_k": 200, "repeats": 1},
        class_share=0.2,
    ),
    "words": Task(
        words,
        known=5000,
        held=250,
        data={"generator": CCA(regularization=0.03), "top_k": 20},
        together={"relations": Bridges(neighbours=50)},
    ),
    "words-300": few(300, 1.0),
    "words-1000": few(1000, 0.3),
    "words-3000": few(3000, 0.1),
}


def split(task: Task, seed: int, **options: Any) -> TablesDataModule:
    """Return the datamodule of one random split; the same for all models."""
    left, right, label = task.read()
    size = len(left)
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    part = np.full(size, "test", dtype=object)
    part[order[: task.known].numpy()] = "train"
    part[order[task.known - task.held : task.known].numpy()] = "val"
    rows = torch.arange(size)
    pairs = as_pairs(torch.stack([rows, rows]), split=tuple(part), num_sources=size, num_targets=size)
    labels = None
    if label is not None:
        classes = Labels(tuple(map(str, range(10))), torch.nn.functional.one_hot(label).bool())
        labels = {"source": classes, "target": classes}
    changed = task.together if options.get("mode") == "transductive" else {}
    data = {"seed": seed, "repeats": 2, "batch_size": 256} | task.data | changed | options
    return TablesDataModule.of(as_features(left), as_features(right), pairs, labels, **data)  # type: ignore[arg-type]
