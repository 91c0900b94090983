"""MAE and RMSE of ratings."""

from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, MetricCollection


def rating_metrics(prefix: str) -> MetricCollection:
    """Return fresh ``<prefix>mae`` and ``<prefix>rmse``, in rating units."""
    metrics: dict[str, Metric | MetricCollection] = {
        "mae": MeanAbsoluteError(),
        "rmse": MeanSquaredError(squared=False),
    }
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)
