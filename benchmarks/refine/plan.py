"""What ``benchmarks.refine`` is asked to run: tasks, models and the jobs that follow."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.jobs import BenchmarkError, Job, check_seeds, digest
from benchmarks.refine.peers import PEERS

REFERENCE = "rrnet"
STUDIES = {"top_k": (5, 15, 20, 40, 50)}


@dataclass(frozen=True)
class Task:
    """A data set with its protocol and what the paper says of it.

    Attributes:
        title: as in headings. config: stem of its configs. features: default folder.
        folds: test folds. val_fold: kept from training by peers and RR-Net alike.
        gain: of the paper's RR-Net over its backbone, in points. top_k: its accuracy in %, by K.
    """

    title: str
    config: str
    features: str
    folds: tuple[int, ...]
    val_fold: int | None
    gain: str
    top_k: dict[int, float]


TASKS = {
    "esc10": Task("ESC-10", "sound_esc10", "features/esc10_logmel", (1, 2, 3, 4, 5), None, "+9.3", {}),
    "esc50": Task(
        "ESC-50",
        "sound_esc50",
        "features/esc50_logmel",
        (1, 2, 3, 4, 5),
        None,
        "+10.0",
        {5: 79.4, 15: 79.7, 20: 80.8, 40: 79.6, 50: 76.8},
    ),
    "cifar10": Task("CIFAR-10", "image_cifar10", "features/cifar10_small", (3,), 2, "+1.7 to +2.6", {}),
}


@dataclass(frozen=True)
class Model:
    """RR-Net as a config and options: ending of the config's name, and overrides; ``once``: with one seed."""

    title: str
    ending: str = ""
    overrides: tuple[str, ...] = ()
    once: bool = False


RRNETS = {
    "rrnet-paper": Model("RR-Net, paper's settings (transductive)", "_paper", once=True),
    "rrnet": Model("RR-Net, tuned"),
    "rrnet-no-discriminant": Model(
        "RR-Net, no linear discriminants", "", ("--data.relations.discriminant=0",), once=True
    ),
    "rrnet-no-prototypes": Model("RR-Net, no prototypes", "", ("--data.relations.prototypes=false",), once=True),
    "rrnet-transductive": Model("RR-Net, tuned, transductive", "", ("--data.transductive=true",), once=True),
}


def top_k_name(k: int) -> str:
    """Name of a model of the study."""
    return f"rrnet-top-{k}"


def models(options: argparse.Namespace) -> dict[str, Model | None]:
    """Return the models asked for by name, in order; None stands for a peer."""
    known = known_models(options)
    return known if options.study else {name: known[name] for name in options.models}


def known_models(options: argparse.Namespace) -> dict[str, Model | None]:
    """Return all models that may stand in the table, those of the study where one is asked for."""
    if options.study:
        return {top_k_name(k): Model(f"RR-Net, K = {k}", "", (f"--data.top_k={k}",)) for k in STUDIES[options.study]}
    return {**dict.fromkeys(PEERS), **RRNETS}


def titles(options: argparse.Namespace) -> dict[str, str]:
    """Return the names in the table, also that of the reference where it does not run."""
    known = {REFERENCE: RRNETS[REFERENCE], **known_models(options)}
    return {name: PEERS[name].title if model is None else model.title for name, model in known.items()}


def plan(options: argparse.Namespace, configs: Path) -> list[Job]:
    """List all runs, also those done: seed by seed, fold by fold; peers have no random choices and run once.

    Raises:
        BenchmarkError: an option that nothing can be run with, or a config that is not there.
    """
    task, settings = TASKS[options.task], digests(options, configs)
    if set(options.folds) - set(task.folds):
        raise BenchmarkError(f"--folds: found {options.folds}, wanted some of {list(task.folds)} for {options.task}")
    check_seeds(options.seeds)

    def job(name: str, model: Model | None, fold: int, seed: int) -> Job:
        where = options.task, len(task.folds), fold, 0
        if model is None:
            return Job(name, *where, 0, settings[name])
        file = config_file(options, model, configs)
        if not file.is_file():
            raise BenchmarkError(f"{name}: found no {file}, wanted a config of train.py. Leave {name} out of --models")
        return Job(name, *where, seed, settings[name], os.path.relpath(file), model.overrides)

    return [
        job(name, model, fold, seed)
        for turn, seed in enumerate(dict.fromkeys(options.seeds))
        for fold in dict.fromkeys(options.folds)
        for name, model in models(options).items()
        if turn == 0 or (model is not None and not model.once)
    ]


def config_file(options: argparse.Namespace, model: Model, configs: Path) -> Path:
    """Where a model's config should be."""
    return configs / f"{TASKS[options.task].config}{model.ending}.yaml"


def digests(options: argparse.Namespace, configs: Path) -> dict[str, str]:
    """What the rows of each model depend on, in short: a row with another digest is run again.

    It covers the features and, of an RR-Net, its config file and overrides; of a peer, ``peers.py``, which holds its
    grid, and ``smooth.py``. It does not cover code of rrnet_lightning (views, neighbours, discriminants, relations,
    network): each row says the commit it was made by instead. Remove the rows to have them made by today's code.
    """
    notes = [file.read_bytes() for file in sorted(options.features.glob("*.json"))]
    peers = [Path(__file__).with_name(name).read_bytes() for name in ("peers.py", "smooth.py")]
    found = {}
    for name, model in known_models(options).items():
        if model is None:
            found[name] = digest([name], *peers, *notes)
        elif (file := config_file(options, model, configs)).is_file():
            found[name] = digest(model.overrides, file.read_bytes(), *notes)
    return found
