"""Which digit is it? RR-Net with the values of ``configs/image_digits.yaml``, beside what it starts from.

Compared on the same test images with the classifier that proposes the candidates and with a vote among the nearest
training images.
"""

import tempfile
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.nn.functional import one_hot

from rrnet_lightning.candidates.samples import TEST, TRAIN, VAL, ScoredSamples
from rrnet_lightning.datamodules.image import ImageDataModule
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


def compare(seed: int) -> list[float]:
    """Return the test accuracy of each of ROWS on the split of one seed, 720 test images."""
    data = ImageDataModule(**DATA, seed=seed)
    data.prepare_data()
    samples = data.views()[-1]  # the final view, of all samples
    return [classifier_accuracy(samples), knn_accuracy(samples), train_rrnet(data, seed)]


def _accuracy(guess: Tensor, samples: ScoredSamples, role: int) -> float:
    return float((guess == samples.label)[samples.role == role].double().mean())
