"""Names of options and classes, and which of them was probably meant."""

import difflib
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import Logger

from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.objectives import Objective

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
OURS = {"model": L.LightningModule, "data": L.LightningDataModule, "model.backbone": Backbone}
OTHERS = (Objective, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler, L.Callback, Logger)


def nearest(unknown: str, known: Iterable[str]) -> list[str]:
    """Return the known names that resemble ``unknown`` most, the whole dotted name first, else its last part."""
    known = list(known)
    by_tail = {name.rsplit(".", 1)[-1]: name for name in known}
    tails = difflib.get_close_matches(unknown.rsplit(".", 1)[-1], by_tail, 1)
    return difflib.get_close_matches(unknown, known, 1, 0.8) or [by_tail[tail] for tail in tails]


def class_options() -> list[str]:
    """Return the names of all that the constructors of our modules, datamodules and backbones take."""
    names = []
    for key, base in OURS.items():
        for cls in ours(base):  # abstract ones too: classes hand options on to them
            options = inspect.signature(cls).parameters.values()
            names += [f"{key}.{option.name}" for option in options if option.kind not in VARIABLE]
    return names


def class_names() -> list[str]:
    """Return the names of the classes that options take: ours, and those of torch and Lightning."""
    found = [cls for base in OURS.values() for cls in ours(base)]
    found += [cls for base in OTHERS for cls in _below(base) if not cls.__name__.startswith("_")]
    return list(dict.fromkeys(cls.__name__ for cls in found if not inspect.isabstract(cls)))


def ours(base: type[Any]) -> list[type[Any]]:
    """Return the classes of this package below another."""
    return [cls for cls in _below(base) if cls.__module__.startswith("rrnet_lightning.")]


def _below(base: type[Any]) -> Iterator[type[Any]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _below(cls)
