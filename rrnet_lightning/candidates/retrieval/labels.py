"""Classes of known rows, for the generators that learn from them."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from rrnet_lightning.errors import DataError

Classes = Mapping[Literal["source", "target"], Tensor]
"""Classes of the rows of both tables, [N, C] bool each, in the same columns."""
NAMES = "source_labels", "target_labels"


def known_classes(labels: Classes | None, sizes: tuple[int, int], pairs: Tensor, reader: str) -> Tensor:
    """Return the classes of both ends of each known pair, [2, P, C] bool. Those of other rows are not read.

    Args:
        labels: ``source`` and ``target``: [N, C] bool, rows of each table and their classes, in the same columns.
        sizes: rows of the two tables.
        pairs: [2, P] long, the known pairs.
        reader: who wants to know, for the message.

    Raises:
        DataError: no labels, or of other shapes; a known row without a class; known rows of one class alone.
    """
    if labels is None or len(labels) < 2:
        raise DataError(
            f"{', '.join(NAMES)}: found none, wanted those of both tables: {reader} learns from classes. Give them, or "
            "take a generator that reads none, CCA for instance"
        )
    both = labels["source"], labels["target"]
    if any(each.dim() != 2 or each.dtype != torch.bool for each in both) or tuple(map(len, both)) != sizes:
        found = " and ".join(f"{list(each.shape)} {each.dtype}" for each in both)
        raise DataError(f"labels: found {found}, wanted [{sizes[0]}, C] and [{sizes[1]}, C] torch.bool")
    if both[0].size(1) != both[1].size(1):
        found = f"{both[0].size(1)} and {both[1].size(1)}"
        raise DataError(f"labels: found {found} classes of sources and of targets, wanted the same columns")
    classes = torch.stack([each[row] for each, row in zip(both, pairs, strict=True)])
    for name, member, row in zip(NAMES, classes, pairs, strict=True):
        none = row[~member.any(1)].unique()
        if len(none):
            raise DataError(
                f"{name}: found {len(none)} known rows without a class that both tables have, the first is row "
                f"{int(none[0])}, wanted a class of every row that {reader} learns from. Label them, leave their pairs "
                "out, or take a generator that reads no labels"
            )
        if int(member.any(0).sum()) < 2:
            raise DataError(f"{name}: found known rows of one class alone, wanted at least 2 classes for {reader}")
    return classes
