"""Writing what a backbone predicts into a feature file, with the digest of the settings it was trained with."""

import hashlib
import json
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor

from rrnet_lightning.candidates.classifiers.checksum import weights_checksum
from rrnet_lightning.candidates.classifiers.module import BackboneModule
from rrnet_lightning.candidates.features import Features, keep_features
from rrnet_lightning.data.files.atomic import check_place
from rrnet_lightning.errors import DataError, OutputError, reason

# of the data's and the trainer's options: where files lie and what is left out, and what decides the weights
NOT_RECIPE = {"left_out", "val_fold", "root", "download", "num_workers"}
TRAINER = ("max_epochs", "max_steps", "precision", "gradient_clip_val", "accumulate_grad_batches", "callbacks")


class FeatureWriter:
    """Collects the batches of ``predict`` and writes one feature file of all samples, atomically.

    Args:
        file: name ending in ``.npy``.
        trainer: the one that predicts.

    Raises:
        OutputError: a place that cannot be written to, noticed before anything is predicted.
        DataError: several processes, each of which sees a part only; samples left out by ``limit_predict_batches``.
    """

    def __init__(self, file: Path, trainer: L.Trainer) -> None:
        if trainer.world_size > 1:
            raise DataError(
                f"features: found {trainer.world_size} processes, wanted one, which sees all samples. Predict with "
                "--trainer.devices 1"
            )
        if file.suffix != ".npy":
            raise DataError(f"--predictions.path: found {file}, wanted a name that ends in .npy for features")
        try:
            check_place(file)
            check_place(file.with_suffix(".json"))
        except OSError as error:
            raise OutputError(
                f"--predictions.path: {file} cannot be written ({reason(error)}). Choose another place"
            ) from error
        self.file = file
        self._parts: list[dict[str, Tensor]] = []

    def add(self, outputs: dict[str, Tensor]) -> None:
        """Take one batch: ``row``, ``features`` and ``logits``."""
        self._parts.append({name: value.detach().cpu() for name, value in outputs.items()})

    def write(self, trainer: L.Trainer, module: BackboneModule) -> None:
        """Put all batches in the order of the data and write them."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        parts = {name: torch.cat([part[name] for part in self._parts]) for name in ("row", "features", "logits")}
        row, order = parts["row"].sort()
        if not torch.equal(row, torch.arange(len(data.raw.ids))):
            raise DataError(
                f"features: found {len(row)} of {len(data.raw.ids)} samples, wanted each once. Predict without "
                "--trainer.limit_predict_batches"
            )
        raw = data.raw
        features = Features(
            features=parts["features"][order],
            logits=parts["logits"][order],
            label=raw.label,
            fold=raw.fold,
            names=tuple(raw.names),
            ids=list(raw.ids),
            left_out=tuple(data.left_out),
            backbone=type(module.backbone).__name__,
            checksum=weights_checksum(module.backbone),
            recipe=recipe(module.trained_by) if module.trained_by else "",
            dataset=data.dataset,
        )
        keep_features(self.file, features)
        print(f"features: {self.file}")


def recipe(config: dict[str, Any]) -> str:
    """Return the digest of all that decides a backbone's weights but the folds left out, from a resolved config.

    Of weights that training started from, it holds only that there were some: they differ with the folds left out.
    """
    trainer, data, model = config["trainer"], config["data"], config["model"]
    options = {name: value for name, value in model.get("init_args", {}).items() if name != "weights"}
    wanted = {
        "seed": config.get("seed_everything"),
        "model": {**model, "init_args": options},
        "started": model.get("init_args", {}).get("weights") and True,
        "data": data["class_path"],
        "options": {name: value for name, value in data.get("init_args", {}).items() if name not in NOT_RECIPE},
        "trainer": {name: trainer.get(name) for name in TRAINER},
    }
    return hashlib.sha256(json.dumps(_without_none(wanted), sort_keys=True, default=str).encode()).hexdigest()


def _without_none(value: Any) -> Any:
    """Leave out what is null: some dumps of a config name it, others do not."""
    if isinstance(value, dict):
        return {name: _without_none(part) for name, part in value.items() if part is not None}
    return [_without_none(part) for part in value] if isinstance(value, list | tuple) else value
