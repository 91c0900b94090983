"""Metrics that objectives and rating models share."""

from rrnet_lightning.metrics.average_precision import average_precision
from rrnet_lightning.metrics.protocol import Protocol
from rrnet_lightning.metrics.rating import rating_metrics
from rrnet_lightning.metrics.retrieval import retrieval_metrics

__all__ = ["Protocol", "average_precision", "rating_metrics", "retrieval_metrics"]
