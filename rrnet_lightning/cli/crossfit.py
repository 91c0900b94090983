"""Cross-fitting: one backbone for every fold and every pair of folds left out, and the features each gives.

    rrnet crossfit --config backbone_logmel_esc50 --out features/esc50_logmel

For test fold t, ``without_<t>.npy`` is used at test. ``without_<t>_<f>.npy`` shows stage two how samples of fold f look
to a backbone that saw neither f nor t: what it learns from is as new to the backbone as what it is tested on. A pair
serves both its folds: five folds take 5 + 10 trainings.

Each training is ``fit`` and ``predict`` in a process of its own, with the options of ``train.py fit``; its output goes
to ``<out>/logs/``. A file that is there is kept and an interrupted training continues, so the same command goes on
where it was stopped.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import yaml

from rrnet_lightning.candidates.feature_writer import recipe
from rrnet_lightning.candidates.features import read_features
from rrnet_lightning.cli.configs import describe
from rrnet_lightning.cli.jobs import Command, Outcome, ended_by_signals, progress, run_commands, threads
from rrnet_lightning.cli.resolve import resolve
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.errors import CrossFitError, DataError, OptionError, program

CHILD = "import json, sys; from rrnet_lightning.cli.command import main; "
CHILD += "[main(args) for args in json.loads(sys.argv.pop())]"
Folds = tuple[int, ...]


class Training:
    """One backbone: its folds, its file and log, and the command that trains it."""

    def __init__(
        self, out: Path, left_out: Folds, options: list[str], digest: str, start_from: str | None = None
    ) -> None:
        self.name = "without_" + "_".join(map(str, left_out))
        self.left_out, self.options, self.digest, self.start_from = left_out, options, digest, start_from
        self.file, self.log = out / f"{self.name}.npy", out / f"logs/{self.name}.log"
        self.runs, self.group = out / "runs" / self.name, out.name

    def done(self) -> bool:
        """Whether the file is there, of these settings and folds.

        Raises:
            CrossFitError: it is of others. DataError: it is damaged.
        """
        if not self.file.is_file():
            return False
        found = read_features(self.file)
        if found.recipe != self.digest or set(found.left_out) != set(self.left_out):
            raise CrossFitError(
                f"{self.file}: made by other settings, or with other folds left out, than asked for now. Choose "
                "another --out, or move the files there away"
            )
        return True

    def command(self, env: dict[str, str]) -> Command:
        """``fit`` and ``predict``; a training of the same settings that was interrupted is continued."""
        common = [*self.options, "--data.left_out", json.dumps(self.left_out)]
        common += ["--trainer.default_root_dir", str(self.runs), "--trainer.enable_progress_bar", "false"]
        fit = ["fit", *common, "--wandb.group", self.group, "--wandb.name", self.name]
        fit += ["--ckpt_path", "last"] if self._interrupted() else self.weights()
        predict = ["predict", *common, "--trainer.logger", "false", "--ckpt_path", "last"]
        predict += ["--predictions.path", str(self.file)]
        return Command([sys.executable, "-c", CHILD, json.dumps([fit, predict])], self.log, env)

    def finish(self, outcome: Outcome) -> None:
        """Note the time in the log, and check that the file is there.

        Raises:
            CrossFitError: the training failed; says why.
        """
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"seconds: {outcome.seconds:.1f}\n")
        if outcome.error or not self.done():
            raise CrossFitError(f"{self.name} failed: {outcome.error or f'no {self.file} was written, see {self.log}'}")

    def weights(self) -> list[str]:
        """Return the option for weights to start from: of the run that left out the same folds and fewest others.

        Raises:
            CrossFitError: there is none.
        """
        if self.start_from is None:
            return []
        start = user_path(self.start_from)
        found = {
            frozenset(map(int, run.name.split("_")[1:])): file
            for run in sorted(start.glob("runs/without_*"))
            if (start / f"{run.name}.npy").is_file()  # trained to its end
            for file in sorted(run.glob("*/checkpoints/last.ckpt"), key=lambda file: file.stat().st_mtime)
        }
        fits = sorted(
            (folds for folds in found if folds >= set(self.left_out)), key=lambda folds: (len(folds), sorted(folds))
        )
        if not fits:
            raise CrossFitError(
                f"--start-from {self.start_from}: found no checkpoint of a backbone trained to its end without folds "
                f"{list(self.left_out)}, wanted runs/{self.name} or one with more folds left out"
            )
        return ["--model.weights", str(found[fits[0]])]

    def _interrupted(self) -> bool:
        found = sorted(self.runs.glob("*/checkpoints/last.ckpt"), key=lambda file: file.stat().st_mtime)
        config = found[-1].parents[1] / "config.yaml" if found else None
        return config is not None and config.is_file() and recipe(yaml.safe_load(config.read_text())) == self.digest


def cross_fit_all(
    out: Path,
    sets: Sequence[Folds],
    options: list[str],
    *,
    jobs: int = 1,
    env: dict[str, str] | None = None,
    start_from: str | None = None,
) -> None:
    """Train a backbone without each set of folds and write its features, ``jobs`` at a time.

    Args:
        out: folder of the feature files.
        sets: folds to leave out.
        options: of ``train.py fit``: ``--config`` and what overrides it.
        jobs: trainings at a time.
        env: further environment variables of each.
        start_from: folder of another cross-fitting. Each training starts from the weights of one there that left out
            the same folds, or the same and more: it has seen nothing that this one may not see.

    Raises:
        CrossFitError: a training failed, which stops all; or a file there is of other settings.
        DataError: a file there is damaged.
        OptionError: ``train.py`` does not take the options, or they are not those of a backbone.
    """
    out = user_path(out)
    config = resolve([*options, "--model.weights", start_from] if start_from else options)
    _check_backbone(config, options)
    digest = recipe(config)
    trainings = [Training(out, left_out, options, digest, start_from) for left_out in sets]
    waiting = [training for training in trainings if not training.done()]
    commands = ((training, training.command(env or {})) for training in waiting)
    with progress() as bar, closing(run_commands(commands, jobs)) as outcomes:
        task = bar.add_task(f"backbones without {len(sets)} sets of folds", total=len(waiting))
        for training, outcome in outcomes:
            training.finish(outcome)
            bar.advance(task)
    print(f"features: {len(sets)} files in {out}")


def fold_sets(folds: int, pairs: bool) -> Iterator[Folds]:
    """Yield every fold, numbered from 1, and with ``pairs`` every two of them."""
    for size in (1, 2) if pairs else (1,):
        yield from combinations(range(1, folds + 1), size)


def _check_backbone(config: dict[str, Any], options: Sequence[str]) -> None:
    """Refuse options of anything but a backbone, which alone can leave folds out."""
    if "left_out" in (config["data"].get("init_args") or {}):
        return
    words = [word for option in options for word in option.split("=", 1)]
    given = [word for flag, word in pairwise(words) if flag in ("-c", "--config")]
    what = f"--config: {Path(given[-1]).stem}" if given else f"--data: {config['data']['class_path']}"
    known = ", ".join(name for name, _ in describe() if name.startswith("backbone_"))
    raise OptionError(f"{what} trains no backbone, wanted one of {known}")


def parse(args: Sequence[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; return our options and those of ``train.py``."""
    parser = argparse.ArgumentParser(
        f"{program()} crossfit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the feature files")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument(
        "--threads", type=int, help="threads of each; default: with several jobs, its share of the cores"
    )
    parser.add_argument("--folds", type=int, default=5, help="number of folds of the data set")
    parser.add_argument("--pairs", choices=("all", "none"), default="all", help="leave out every two folds as well")
    parser.add_argument("--sets", nargs="+", metavar="1,2,3", help="these sets of folds instead, such as 1 2 1,2")
    parser.add_argument(
        "--start-from", metavar="FOLDER", help="start from the weights of this cross-fitting's backbones"
    )
    known, options = parser.parse_known_args(args)
    for name in ("jobs", "folds", "threads"):
        found = getattr(known, name)
        if found is not None and found < 1:
            parser.error(f"--{name}: found {found}, wanted at least 1")
    try:
        given = [tuple(sorted({int(fold) for fold in text.split(",")})) for text in known.sets or []]
    except ValueError:
        parser.error(f"--sets: found {' '.join(known.sets)}, wanted sets of fold numbers, such as 1 2 1,2")
    known.sets = list(dict.fromkeys(given)) or list(fold_sets(known.folds, known.pairs == "all"))
    return known, options


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line."""
    known, options = parse(args)
    env = threads(known.jobs, known.threads)
    try:
        with ended_by_signals():
            cross_fit_all(known.out, known.sets, options, jobs=known.jobs, env=env, start_from=known.start_from)
    except (CrossFitError, DataError, OptionError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
