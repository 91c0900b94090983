"""What a benchmark of rating models is asked to run: its options, models by name, and the runs that follow."""

import argparse
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.common.jobs import BenchmarkError, Job, check_seeds, digest, job_folder
from benchmarks.ratings.peers import PEERS
from benchmarks.ratings.rows import Row
from benchmarks.ratings.worker import arguments, load_ratings
from rrnet_lightning.cli.resolve import resolve
from rrnet_lightning.data.ratings.sets import RATING_SETS
from rrnet_lightning.data.splits import fold_split
from rrnet_lightning.errors import OptionError


@dataclass(frozen=True)
class Plan:
    """What a command asks for.

    Attributes:
        jobs: all runs, also those already done, in the order to run them.
        split: digest of the ratings and of how they are split.
        files: the config of each model that has one, by the first word of its name.
        about: what stands above the table.
        labels: names in the table, where they are not the models' own.
    """

    jobs: list[Job]
    split: str
    files: dict[str, Path]
    about: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)

    def shown(self, rows: Sequence[Row]) -> list[Row]:
        """Rows for the table: of the models asked for, and of all others that were measured on the same split.

        Of a model asked for, they are of today's settings; of another, of its latest.
        """
        same = [row for row in rows if row.split == self.split]
        settings = {row.model: row.config for row in same} | {job.model: job.config for job in self.jobs}
        return [row for row in same if row.config == settings[row.model]]

    def comparable(self, models: Sequence[str]) -> list[str]:
        """Those of some models that are known not to be an RR-Net: they may be the one to take differences to."""
        bases = {name: name.split()[0] for name in models}
        files = {name: self.files[base] for name, base in bases.items() if base in self.files}
        return [name for name in models if bases[name] in PEERS or (name in files and not _is_rrnet(files[name]))]


def config_files(data: str, configs: Path) -> dict[str, Path]:
    """Config of each trained model for a data set, by its name in the table."""
    stem = f"social_{data}"
    others = [f"social_{name}" for name in RATING_SETS if name.startswith(f"{data}_")]
    return {
        file.stem.removeprefix(stem).removeprefix("_") or "rrnet": file
        for file in sorted([*configs.glob(f"{stem}.yaml"), *configs.glob(f"{stem}_*.yaml")])
        if not any(file.stem == other or file.stem.startswith(f"{other}_") for other in others)
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all rating benchmarks share."""
    parser.add_argument("--data", default="filmtrust", choices=sorted(RATING_SETS), help="data set")
    parser.add_argument("--folds", type=int, default=5, help="number of folds, 2 or more")
    parser.add_argument("--only-folds", type=int, nargs="+", help="those to run; default: all")
    parser.add_argument("--fold-seed", type=int, default=0, help="seed of the split")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="seeds of the models")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; they share the cores")
    parser.add_argument("--out", type=Path, help="default: in docs/results; .jsonl, .md, .parquet are added")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmarks"), help="logs and checkpoints")


# groups that would replace what the benchmark sets, and the kind of model
WHOLE = {f"--{name}" for name in ("config", "model", "data", "trainer", "checkpoint", "data.root")}
WHOLE |= {"--model.class_path", "--data.class_path"}


class Model(NamedTuple):
    """A model of the command line, ``config [xN] [options of train.py]``: peer or config, members, overrides."""

    name: str
    base: str
    members: int
    overrides: tuple[str, ...]

    @classmethod
    def of(cls, name: str, known: Sequence[str], data: str) -> "Model":
        """Read a model's name.

        Raises:
            BenchmarkError: no such peer or config, or options that it does not take.
        """
        try:
            base, *words = shlex.split(name) or [""]
        except ValueError as error:
            raise BenchmarkError(f"--models: cannot read {name!r} ({error}). Close the quotation") from error
        if base not in known:
            raise BenchmarkError(
                f"--models: found {name!r}, wanted one of {', '.join(known)}; or write configs/social_{data}"
                f"{'' if base == 'rrnet' else '_' + base}.yaml"
            )
        if base in PEERS and words:
            raise BenchmarkError(f"--models: found {name!r}, wanted {base!r} alone: a peer takes no options")
        times = re.fullmatch(r"x([1-9]\d*)", words[0]) if words else None
        overrides = tuple(words[1:] if times else words)
        owned = {argument.split("=")[0] for argument in arguments(Job("", "", 2, 0, 0, 0, ""), Path())} | WHOLE
        owned -= {"--trainer.logger", "--trainer.enable_progress_bar", "--trainer.enable_model_summary"}
        for word in overrides:
            option = word.split("=")[0].replace(".init_args", "")
            if not word.startswith("--") or "=" not in word or option in owned:
                raise BenchmarkError(
                    f"--models: found {word!r} in {name!r}, wanted --option=value of train.py behind a config's name, "
                    f"none of those that the benchmark sets itself: {', '.join(sorted(owned))}"
                )
        return cls(name, base, int(times[1]) if times else 1, overrides)


def check(options: argparse.Namespace) -> None:
    """BenchmarkError for an option that nothing can be run with."""
    for name, found, low in [("--folds", options.folds, 2), ("--jobs", options.jobs, 1)]:
        if found < low:
            raise BenchmarkError(f"{name}: found {found}, wanted {low} or more")
    for fold in options.only_folds or []:
        if not 0 <= fold < options.folds:
            raise BenchmarkError(f"--only-folds: found {fold}, wanted 0 to {options.folds - 1}")
    check_seeds(options.seeds)
    if options.against is not None and options.against not in options.models:
        raise BenchmarkError(f"--against: found {options.against!r}, wanted one of --models")


def plan(options: argparse.Namespace, configs: Path) -> Plan:
    """Check the options and the data, and list the runs: all models on the first fold, then on the next, seed by seed.

    Raises:
        BenchmarkError, DataError: say what is wrong with options, configs or data.
    """
    files = config_files(options.data, configs)
    models = [Model.of(name, [*PEERS, *files], options.data) for name in dict.fromkeys(options.models)]
    check(options)
    ratings, folder = load_ratings(options.data)
    fold_split(len(ratings.rating), options.folds, 0, options.fold_seed)
    split = [options.data, options.folds, options.fold_seed, options.part]
    read = [(folder / name).read_bytes() for name in RATING_SETS[options.data].files]

    def job(model: Model, fold: int, seed: int) -> Job:
        file = files.get(model.base)
        code = Path(__file__).with_name("peers.py") if file is None else file
        config = digest([*split, model.overrides, model.members], code.read_bytes(), *read)
        path = None if file is None else os.path.relpath(file)
        where = options.data, options.folds, fold, options.fold_seed
        return Job(model.name, *where, seed, config, path, model.overrides, options.part, model.members)

    jobs = [
        job(model, fold, seed if _seeded(model.base) else 0)
        for turn, seed in enumerate(dict.fromkeys(options.seeds))
        for fold in options.only_folds or range(options.folds)
        for model in models
        if turn == 0 or _seeded(model.base)
    ]
    about = {
        "split": f"{options.folds} shuffled folds over {len(ratings.rating):,} distinct pairs, seed {options.fold_seed}"
        + ("; measured on a tenth of each fold's training ratings, learnt from the others" * (options.part == "val")),
        "seeds": f"{', '.join(map(str, options.seeds))} (models without random choices run once)",
        "machine": f"{os.cpu_count()} cores, {options.jobs} run{'s' * (options.jobs > 1)} at a time",
    }
    return Plan(jobs, digest(split, *read), files, about)


def check_overrides(jobs: Sequence[Job], runs: Path) -> None:
    """Let the command line's parser read what each config and its overrides come to, once, before anything starts.

    Raises:
        BenchmarkError: it does not take them; names the model.
    """
    for job in {(job.file, job.overrides): job for job in jobs if job.file is not None}.values():
        try:
            resolve(arguments(job, job_folder(job, runs)))
        except OptionError as error:
            raise BenchmarkError(f"--models: in {job.model!r}: {error}") from error


def _seeded(name: str) -> bool:
    return name not in PEERS or PEERS[name].seeded


def _is_rrnet(file: Path) -> bool:
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        return str(config["model"]["class_path"]).endswith("RRNetModule")
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise BenchmarkError(f"{file}: found no model.class_path ({error}), wanted a config of train.py") from error
