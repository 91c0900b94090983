"""See RR-Net at work in a minute, without a download: ``rrnet demo [--seeds 1]``.

Trains on scikit-learn's handwritten digits with the values of ``configs/image_digits.yaml`` and compares, on the same
test images, with the classifier that proposes the candidates and with a vote among the nearest training images.
"""

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.nn.functional import one_hot

from rrnet_lightning.candidates.samples import TEST, TRAIN, VAL, ScoredSamples
from rrnet_lightning.datamodules.image import ImageDataModule
from rrnet_lightning.errors import program
from rrnet_lightning.graph.knn import knn_edges
from rrnet_lightning.module import RRNetModule

EPOCHS = 20
DATA: dict[str, Any] = dict(dataset="digits", source_k=3, target_k=3, top_k=5, steps_per_epoch=5)
MODEL: dict[str, Any] = dict(hidden_dim=16, units=["inter", "intra", "inter"], residual=True, dropout=0.2, prior=True)
OPTIMIZER: dict[str, Any] = dict(lr=6e-3, weight_decay=0.1)
NEIGHBOURS = (1, 3, 5, 7, 9)
ROWS = ("logistic regression (proposes the candidates)", "kNN vote on the same features", "RR-Net")


def classifier_accuracy(samples: ScoredSamples) -> float:
    """Test accuracy of the initial scores alone."""
    return _accuracy(samples.log_probs.argmax(1), samples, TEST)


def knn_accuracy(samples: ScoredSamples) -> float:
    """Test accuracy of a vote among the k nearest training samples, ties to the nearest; k is chosen on validation."""
    edges = knn_edges(samples.features, max(NEIGHBOURS), pool=samples.role == TRAIN)
    votes = one_hot(samples.label[edges[0]].view(len(samples.label), -1), len(samples.names)).float()
    guesses = [(votes[:, :k].sum(1) + votes[:, 0] / 2).argmax(1) for k in NEIGHBOURS]
    return _accuracy(max(guesses, key=lambda guess: _accuracy(guess, samples, VAL)), samples, TEST)


def train_rrnet(data: ImageDataModule, seed: int) -> float:
    """Train, keep the epoch of the best validation accuracy, and return its test accuracy."""
    L.seed_everything(seed, verbose=False)
    model = RRNetModule(
        data.source_dim,
        data.target_dim,
        data.edge_dim,
        **MODEL,
        optimizer=lambda params: torch.optim.AdamW(params, **OPTIMIZER),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS),
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=folder,
            callbacks=[ModelCheckpoint(folder, monitor="val/accuracy", mode="max")],
        )
        trainer.fit(model, data)
        [metrics] = trainer.test(model, data, ckpt_path="best", weights_only=True, verbose=False)
    return float(metrics["test/accuracy"])


def compare(seed: int) -> tuple[list[float], int]:
    """Return the test accuracy of each of ROWS on the split of one seed, and the number of test images."""
    data = ImageDataModule(**DATA, seed=seed)
    data.prepare_data()
    samples = data.views()[-1]  # the final view, of all samples
    accuracies = [classifier_accuracy(samples), knn_accuracy(samples), train_rrnet(data, seed)]
    return accuracies, int((samples.role == TEST).sum())


def parse(args: Sequence[str] | None) -> int:
    """Read the command line; return the number of splits."""
    parser = argparse.ArgumentParser(prog=f"{program()} demo", description=__doc__.partition(":")[0])
    parser.add_argument("--seeds", type=int, default=5, help="number of random splits (default 5): seeds 0, 1, ...")
    seeds: int = parser.parse_args(args).seeds
    if seeds < 1:
        parser.error(f"--seeds: found {seeds}, wanted at least 1")
    return seeds


def main(args: Sequence[str] | None = None) -> None:
    """Run the comparison and print it."""
    seeds = parse(args)
    warnings.filterwarnings("ignore", module="lightning")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)  # graphs this small lose far more by sharing the work than they gain
    start, console = time.perf_counter(), Console()
    results = [compare(seed) for seed in track(range(seeds), "training", console=console, transient=True)]
    console.print(_table(torch.tensor([accuracies for accuracies, _ in results], dtype=torch.double)))
    console.print(f"{results[0][1]} test images a split, {seeds} split(s), {time.perf_counter() - start:.0f} seconds.")
    console.print("Writers are not named in this data set: the same ones wrote training and test images.")


def _accuracy(guess: Tensor, samples: ScoredSamples, role: int) -> float:
    return float((guess == samples.label)[samples.role == role].double().mean())


def _table(accuracies: Tensor) -> Table:
    """Show [seeds, rows] accuracies; mean ± standard deviation over several seeds."""
    table = Table(
        "method", "test accuracy", *(["each split"] if len(accuracies) > 1 else []), title="Handwritten digits"
    )
    for row, column in zip(ROWS, accuracies.T, strict=True):
        mean = f"{100 * float(column.mean()):.2f} %"
        if len(column) > 1:
            each = " ".join(f"{100 * value:.2f}" for value in column.tolist())
            table.add_row(row, f"{mean} ± {100 * float(column.std()):.2f}", each)
        else:
            table.add_row(row, mean)
    return table


if __name__ == "__main__":
    main()
