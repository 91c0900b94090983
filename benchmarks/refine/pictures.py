"""Pictures of the refiners' table, the study of K and the confusion matrix, as SVG."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.common.picture import matplotlib, svg
from benchmarks.refine.table import Line

BLUE, GREY, INK = "#2f6db3", "#a3adba", "#1f2733"


def bars(lines: Sequence[Line], titles: Mapping[str, str], reference: str) -> bytes:
    """Draw accuracy as bars, standard deviation over folds as whiskers; every RR-Net in the strong colour."""

    def draw(axis: Any) -> None:
        for y, line in enumerate(reversed(lines)):
            axis.barh(y, line.accuracy, color=BLUE if line.model.startswith(reference) else GREY, height=0.7)
            if line.sd_folds is not None:
                axis.errorbar(line.accuracy, y, xerr=line.sd_folds, color=INK, linewidth=1, capsize=2)
            edge = line.accuracy + (line.sd_folds or 0)
            axis.annotate(f"{line.accuracy:.1f}", (edge, y), (4, 0), textcoords="offset points", va="center")
        axis.set_yticks(range(len(lines)), [titles[line.model] for line in reversed(lines)])
        spread = max(line.sd_folds or 0 for line in lines)
        low, high = (pick(line.accuracy for line in lines) for pick in (min, max))
        margin = max(high - low, 1.0) * 0.2
        axis.set_xlim(max(0.0, low - spread - margin), high + spread + margin)
        axis.set_xlabel("accuracy, % (mean and standard deviation over folds; the axis does not start at 0)")

    return _picture((9, 0.4 * len(lines) + 0.9), draw)


def study(points: Mapping[int, Mapping[str, float]], paper: Mapping[int, float]) -> bytes:
    """Draw accuracy, its ceiling and the paper's values against K, and the seconds of fit beside."""
    ks = sorted(points)

    def draw(accuracy: Any, seconds: Any) -> None:
        accuracy.plot(ks, [points[k]["recall"] for k in ks], "--", color=INK, label="ceiling: recall of the top K")
        accuracy.plot(ks, [points[k]["accuracy"] for k in ks], "o-", color=BLUE, label="RR-Net")
        shared = [k for k in ks if k in paper]
        if shared:
            label = "paper, another backbone"
            accuracy.plot(shared, [paper[k] for k in shared], "s-", color=GREY, label=label)
        accuracy.set_ylabel("accuracy, %")
        accuracy.legend(frameon=False, fontsize=8)
        seconds.plot(ks, [points[k]["seconds"] for k in ks], "o-", color=BLUE)
        seconds.set_ylabel("fit, seconds")
        seconds.set_ylim(bottom=0)
        for axis in (accuracy, seconds):
            axis.set_xlabel("K, candidate classes of a sample")
            axis.set_xticks(ks)

    return _picture((9, 3.4), draw, columns=2)


def confusion_matrix(truth: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """Return [C, C] long, how often the class of the row was taken for that of the column."""
    return torch.bincount(truth * classes + predicted, minlength=classes**2).view(classes, classes)


def confusion(matrix: Tensor, names: Sequence[str]) -> bytes:
    """Draw a [C, C] confusion matrix, rows scaled to their sums, errors counted in their cells."""
    share = matrix.double() / matrix.sum(1, keepdim=True).clamp(min=1)
    size = max(4.5, 0.2 * len(names) + 2.5)
    font = 7 if len(names) > 20 else 9

    def draw(axis: Any) -> None:
        axis.imshow(share.tolist(), cmap="Blues", vmin=0, vmax=1)
        for row, column in matrix.nonzero().tolist():
            color = "white" if share[row, column] > 0.5 else INK
            count = int(matrix[row, column])
            axis.text(column, row, str(count), ha="center", va="center", fontsize=font - 2, color=color)
        labels = [name.replace("_", " ") for name in names]
        axis.set_xticks(range(len(names)), labels, rotation=90, fontsize=font)
        axis.set_yticks(range(len(names)), labels, fontsize=font)
        axis.set_xlabel("predicted")
        axis.set_ylabel("true")

    return _picture((size, size), draw)


def check_drawing() -> None:
    """BenchmarkError where nothing can be drawn: before hours of runs, not after."""
    matplotlib()


def _picture(size: tuple[float, float], draw: Callable[..., None], columns: int = 1) -> bytes:
    mpl, figure_class = matplotlib()
    mpl.rcParams["svg.hashsalt"] = "rrnet"  # the same picture from the same numbers
    figure = figure_class(size, layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    draw(*axes)
    return svg(figure)
