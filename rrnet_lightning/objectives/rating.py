"""How does a source rate a target?"""

from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MetricCollection

from rrnet_lightning.metrics import rating_metrics
from rrnet_lightning.objectives.base import Asked, Objective


class RatingObjective(Objective):
    """How does a source rate a target? A logit becomes a rating as ``low + (high - low) * sigmoid(logit)``.

    Args:
        low: ends of the rating scale.
        high: see ``low``.
        loss: ``soft`` cross entropy of sigmoid(logit) against the rating mapped onto [0, 1]; ``mse``, or ``huber`` (in
            rating units, linear beyond ``delta``), of the rating itself.
        delta: where ``huber`` turns from squared to absolute, in rating units.

    Raises:
        ValueError: ``low`` is not below ``high``, or ``delta`` is not positive.
    """

    def __init__(
        self, low: float, high: float, loss: Literal["soft", "mse", "huber"] = "soft", delta: float = 0.5
    ) -> None:
        super().__init__()
        if not low < high:
            raise ValueError(f"RatingObjective: found the scale low={low}, high={high}, wanted low < high")
        if not delta > 0:
            raise ValueError(f"RatingObjective: found delta={delta}, wanted more than 0")
        self.low, self.high, self.kind, self.delta = low, high, loss, delta

    def loss(self, logits: Tensor, asked: Asked) -> Tensor:
        """Mean loss over the ratings."""
        y = asked.y
        if not len(y):
            return logits.sum()
        if self.kind == "soft":
            return F.binary_cross_entropy_with_logits(logits, (y - self.low) / (self.high - self.low))
        rating = self.predict(logits, asked)
        return F.mse_loss(rating, y) if self.kind == "mse" else F.huber_loss(rating, y, delta=self.delta)

    def options(self) -> dict[str, Any]:
        """The arguments."""
        return {"low": self.low, "high": self.high, "loss": self.kind, "delta": self.delta}

    def predict(self, logits: Tensor, asked: Asked) -> Tensor:
        """Ratings on the scale."""
        return self.low + (self.high - self.low) * logits.sigmoid()

    def metrics(self, prefix: str) -> MetricCollection:
        """MAE and RMSE in rating units."""
        return rating_metrics(prefix)
