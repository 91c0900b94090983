"""What a run of two tables leaves: metrics, and those of every query."""

import base64
import zlib
from dataclasses import dataclass, field

import numpy as np
import torch
from torchmetrics import MetricCollection

from rrnet_lightning.metrics.retrieval import by_query

KEPT = ("recall@1", "recall@10", "map")


@dataclass(frozen=True)
class Row:
    """One model on one split; metrics as shares. ``seconds`` of training and testing.

    ``queries``: some metrics of every query, sources before targets by row: float16, packed, as base64.
    """

    task: str
    model: str
    mode: str
    split: int
    metrics: dict[str, float]
    seconds: float
    commit: str
    command: str
    queries: dict[str, str] = field(default_factory=dict)


def pack(found: MetricCollection) -> dict[str, str]:
    """``Row.queries`` of what was measured; without mAP where that is the reciprocal rank."""
    sides = by_query(found).values()
    values = {name: torch.cat([side[name] for side in sides]) for name in (*KEPT, "mrr")}
    kept = KEPT[:-1] if torch.equal(values["map"], values["mrr"]) else KEPT
    numbers = {name: values[name].numpy().astype("<f2").tobytes() for name in kept}
    return {name: base64.b64encode(zlib.compress(number, 9)).decode() for name, number in numbers.items()}


def unpack(text: str) -> list[float]:
    """One metric of every query."""
    numbers: list[float] = np.frombuffer(zlib.decompress(base64.b64decode(text)), "<f2").astype(float).tolist()
    return numbers
