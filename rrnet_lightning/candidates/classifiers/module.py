"""BackboneModule: trains any backbone on raw samples, and predicts features and candidate scores."""

import math
import pickle
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.candidates.classifiers.sound_augment import ten_crops
from rrnet_lightning.checkpoints import trained_config
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import DataError, reason
from rrnet_lightning.schedulers import WarmupCosineLR
from rrnet_lightning.trainable import TrainableModule

Batch = tuple[Tensor, Tensor, Tensor]  # raw samples, label [B] long, row in the data set [B] long


def sgd(params: Any) -> torch.optim.Optimizer:
    """Return SGD with Nesterov momentum .9, learning rate .01, weight decay 5e-4."""
    return torch.optim.SGD(params, lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)


class BackboneModule(TrainableModule):
    """Train, validate, test and predict with any :class:`Backbone` on batches ``(samples, label, row)``.

    The loss is cross entropy with soft targets, in float32 at any precision. In between-class learning it is the
    published Kullback–Leibler divergence plus a constant.

    A backbone that takes any length is evaluated on whole samples. One with a window is evaluated on evenly spaced
    crops (see :func:`ten_crops`); their features and their probabilities are averaged. Evaluation uses no mixed
    precision: it is in the type of the weights.

    Args:
        backbone: the network.
        augment: ``(samples, target [B, C]) -> (samples, target)``, in training only, on the batch's device.
        crops: how many crops a sample is evaluated on, for a backbone with a window.
        label_smoothing: share of each target that is spread evenly over all classes.
        optimizer: parameters -> optimiser. Parameters of one dimension (biases, normalisation) get no weight decay.
        scheduler: optimiser -> learning-rate scheduler, see :class:`TrainableModule`; None keeps the rate.
        channels_last: keep images and convolution weights in the channels-last layout, which is faster on most devices.
        compile: train through ``torch.compile``.
        weights: checkpoint of another run. Training starts from its backbone's weights. Layers whose shape differs,
            such as the output for other classes, start anew.

    Logs ``train/loss`` and ``val|test/{loss,accuracy}``. Resumed runs are exact: see :class:`Resumable`.

    Raises:
        DataError: an option outside its range; in ``setup``, a backbone for other classes or another rate than the
            data's.
    """

    def __init__(
        self,
        backbone: Backbone,
        augment: nn.Module | None = None,
        crops: int = 1,
        label_smoothing: float = 0.0,
        optimizer: OptimizerCallable = sgd,
        scheduler: LRSchedulerCallable | None = WarmupCosineLR,
        channels_last: bool = False,
        compile: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if crops < 1:
            raise DataError(f"crops: found {crops}, wanted at least 1")
        if not 0 <= label_smoothing <= 1:
            raise DataError(f"label_smoothing: found {label_smoothing}, wanted a share, 0 to 1")
        # the data's widths, which the command line adds for every model, are not this one's
        self.save_hyperparameters(ignore=["source_dim", "target_dim", "edge_dim", "support_dim"], logger=False)
        self.keep_plain()
        self.backbone, self.augment = backbone, augment
        self.optimizer, self.scheduler = optimizer, scheduler
        self.crops, self.label_smoothing, self.channels_last = crops, label_smoothing, channels_last
        self.weights = weights
        stages = ("val", "test")
        self.losses = nn.ModuleDict({stage: MeanMetric() for stage in stages})
        self.accuracy = nn.ModuleDict(
            {stage: MulticlassAccuracy(backbone.classes, average="micro") for stage in stages}
        )
        if channels_last:
            backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compile:
            backbone.compile()

    def setup(self, stage: str) -> None:
        """Refuse a backbone that is not made for the data; read the weights that training starts from."""
        if stage == "fit" and self.weights is not None:
            start_from(self.backbone, self.weights, getattr(getattr(self.trainer, "datamodule", None), "left_out", ()))
        data: Any = getattr(self.trainer, "datamodule", None)
        if data is None:
            return
        wanted, found = len(data.names), self.backbone.classes
        if found != wanted:
            raise DataError(
                f"backbone: found one for {found} classes, wanted the {wanted} of the data. Set "
                f"--model.backbone.classes {wanted}"
            )
        if self.backbone.rate != data.rate:
            kinds = [f"sounds of {rate} Hz" if rate else "images" for rate in (self.backbone.rate, data.rate)]
            fix = (
                f"--data.rate {self.backbone.rate}" if self.backbone.rate and data.rate else "another backbone or data"
            )
            raise DataError(f"backbone: found one for {kinds[0]}, but the data are {kinds[1]}. Choose {fix}")

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, C] logits of raw samples."""
        logits: Tensor = self.backbone(self._laid_out(x))
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss on augmented samples."""
        x, label, _ = batch
        target = F.one_hot(label, self.backbone.classes).float()
        if self.augment is not None:
            with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
                x, target = self.augment(x, target)
        loss = F.cross_entropy(self(x).float(), target, label_smoothing=self.label_smoothing)
        self.log("train/loss", loss, batch_size=len(x), on_step=False, on_epoch=True, prog_bar=True)
        return self.mean_over_processes(loss, len(x))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log loss and accuracy."""
        self._evaluate(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log loss and accuracy."""
        self._evaluate(batch, "test")

    def _evaluate(self, batch: Batch, stage: str) -> None:
        x, label, _ = batch
        _, log_probs = self.score(x)
        loss, accuracy = self.losses[stage], self.accuracy[stage]
        assert isinstance(loss, MeanMetric) and isinstance(accuracy, MulticlassAccuracy)
        loss.update(F.nll_loss(log_probs, label), len(label))
        accuracy.update(log_probs, label)
        logged = {f"{stage}/loss": loss, f"{stage}/accuracy": accuracy}
        self.log_dict(logged, batch_size=len(label), on_step=False, on_epoch=True, prog_bar=True)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return ``row`` [B] in the data set, ``features`` [B, D] and ``logits`` [B, C], see :meth:`score`."""
        x, _, row = batch
        features, log_probs = self.score(x)
        return {"row": row, "features": features, "logits": log_probs}

    def score(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [B, D] and log-probabilities [B, C], float32: of the whole samples, or means over crops."""
        window = self.backbone.window
        parts = [x] if window is None else list(ten_crops(x, window, self.crops, pad=True).unbind(1))
        features, log_probs = [], []
        with torch.autocast(x.device.type, enabled=False):
            for part in parts:  # one by one: as much memory as in training
                features.append(self.backbone.features(self._laid_out(part)))
                log_probs.append(F.log_softmax(self.backbone.logits(features[-1]).float(), 1))
        mean = torch.stack(log_probs).logsumexp(0) - math.log(len(parts))
        return torch.stack(features).mean(0).float(), mean

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last and x.dim() == 4 else x

    def trained_parameters(self) -> list[dict[str, Any]]:
        """Return the parameters in two groups; those of one dimension get no weight decay."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        groups: list[dict[str, Any]] = [{"params": [parameter for parameter in trained if parameter.dim() > 1]}]
        groups += [{"params": [parameter for parameter in trained if parameter.dim() < 2], "weight_decay": 0.0}]
        return [group for group in groups if group["params"]]


def start_from(backbone: Backbone, checkpoint: str, left_out: Sequence[int] = ()) -> None:
    """Copy into a backbone what fits of the one in a checkpoint of :class:`BackboneModule`.

    Raises:
        DataError: not such a checkpoint, nothing in it fits, or it does not say that it too was trained without the
            folds ``left_out``.
    """
    try:
        saved = torch.load(user_path(checkpoint), map_location="cpu", weights_only=True)
        theirs = trained_config(saved).get("data", {}).get("init_args", {}).get("left_out")
        weights = {name.removeprefix("backbone."): value for name, value in saved["state_dict"].items()}
    except (OSError, RuntimeError, LookupError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        raise DataError(
            f"weights: {checkpoint}: cannot be read as a checkpoint ({type(error).__name__}: {reason(error)}). Set "
            "--model.weights to a last.ckpt of a backbone's run, or to null"
        ) from error
    if left_out and not set(left_out) <= set(theirs or ()):
        raise DataError(
            f"weights: {checkpoint}: found a backbone trained without the folds {theirs}, wanted one without "
            f"{list(left_out)}, which this one must not see. Set --model.weights to another, or to null"
        )
    wanted = backbone.state_dict()
    fits = {name: value for name, value in weights.items() if name in wanted and value.shape == wanted[name].shape}
    if not any(name in fits for name, _ in backbone.named_parameters()):
        raise DataError(
            f"weights: {checkpoint}: found no layer that fits {type(backbone).__name__}. Set --model.weights to a "
            "checkpoint of the same kind of backbone, or to null"
        )
    backbone.load_state_dict(fits, strict=False)
