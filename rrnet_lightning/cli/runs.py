"""Where a run lives: ``<default_root_dir>/<run id>/`` holds config.yaml, checkpoints/, metrics/ and wandb/."""

import pickle
import pydoc
import secrets
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from rrnet_lightning.checkpoints import trained_config
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.datamodules.learnt import DIGEST
from rrnet_lightning.errors import RunError, program

WIDTHS = ("source_dim", "target_dim", "edge_dim", "support_dim", "num_classes")  # the model has them from the data
# how batches are made and what is predicted: not what is learnt from
BATCH_OPTIONS = {
    "root",
    "download",
    "url",
    "predict_path",
    "predict_ids",
    "predict_side",
    "mask_ratio",
    "batch_size",
    "fan_out",
    "eval_fan_out",
}
BATCH_OPTIONS |= {"steps_per_epoch", "num_workers"}
# where files lie: what is in them is compared once they are read, see LearntDataModule
PLACES = {"ratings_path", "trust_path", "split_dir", "features", "word_vectors"}


def new_run_id() -> str:
    """Return a name that sorts by time and is new even when several runs start in one second."""
    return datetime.now().strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)


def find_checkpoint(path: str, root: Path) -> Path:
    """Resolve ``last`` or ``best`` to the newest run's checkpoint under ``root``; check that a file is one.

    The newest run is the one that was written to last: a run that goes on is newer than one that was begun since.

    Raises:
        RunError: there is none, the newest run has none of that name, it is cut short or damaged, or it holds code
            (only ``weights_only`` files are loaded).
    """
    file = _newest(path, root) if path in ("last", "best") else user_path(path)
    if not file.is_file():
        raise RunError(
            f"--ckpt_path: no file {file}. Give a .ckpt file, or `last` or `best` of the newest run in {root}"
        )
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise RunError(
            f"--ckpt_path: {file} holds more than tensors and plain values and was refused: {error}"
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        raise RunError(f"--ckpt_path: {file} is cut short or damaged ({error}). Use another checkpoint") from error
    if not isinstance(content, dict) or not {"state_dict", "pytorch-lightning_version"} <= content.keys():
        raise RunError(f"--ckpt_path: {file} is no checkpoint of a run; give one that `fit` wrote")
    return file


def _newest(name: str, root: Path) -> Path:
    """The file of that name of the run under ``root`` that was written to last; never another run's."""
    written: dict[Path, float] = {}
    for file in (*root.glob("*/config.yaml"), *root.glob("*/checkpoints/*.ckpt")):
        run = file.parent if file.name == "config.yaml" else file.parents[1]
        written[run] = max(written.get(run, 0.0), file.stat().st_mtime)
    if not written:
        raise RunError(f"--ckpt_path {name}: no run under {root} was trained. Run `fit` first")
    run = max(written, key=lambda folder: (written[folder], folder.name))
    found = sorted(file.name for file in run.glob("checkpoints/*.ckpt"))
    if f"{name}.ckpt" not in found:
        has = f"it has {', '.join(found)}" if found else "it has no checkpoint"
        raise RunError(
            f"--ckpt_path {name}: the newest run, {run}, has no {name}.ckpt; {has}. Give a file, of this or another run"
        )
    return run / "checkpoints" / f"{name}.ckpt"


def run_folder(root: Path, checkpoint: Path | None) -> Path:
    """Return the folder of the run that ``checkpoint`` belongs to, else a new one under ``root``."""
    if checkpoint is not None and checkpoint.parent.name == "checkpoints":
        return checkpoint.parent.parent
    return root / new_run_id()


def check_same_data(checkpoint: Path, data: dict[str, Any]) -> None:
    """Refuse data other than what a checkpoint was trained on, by the config in it (that of a command line's run).

    On another fold, test answers would be among those it learnt from. Options of how batches are made may differ, and
    those of where files lie, where the checkpoint knows what was in them.

    Raises:
        RunError: naming the first option that differs and both values.
    """
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    config = trained_config(content)
    if not config:
        if data.get("init_args", {}).get("left_out"):
            raise RunError(
                f"--ckpt_path: {checkpoint} does not say what it was trained on, as those of `fit` do: it may "
                f"have seen the folds left out. Train it with `{program()} fit`, or set --data.left_out []"
            )
        return
    trained, saved = config["data"], checkpoint.parent.parent / "config.yaml"
    use = f"`--config {saved}`, or " if saved.is_file() else ""
    theirs, ours = (
        {"class_path": _own_place(of["class_path"])} | options(of.get("init_args", {})) for of in (trained, data)
    )
    says = any(isinstance(part, dict) and DIGEST in part for part in content.values())
    free = BATCH_OPTIONS | PLACES if says and theirs["class_path"].startswith("rrnet_lightning.") else BATCH_OPTIONS
    known = {name.partition(".")[0] for name in theirs}  # options of a newer release are not compared
    for name in dict.fromkeys([*theirs, *(name for name in ours if name.partition(".")[0] in known)]):
        found, wanted = theirs.get(name), ours.get(name)
        if name not in free and not same(found, wanted):
            raise RunError(
                f"--data.{name}: found {shown(wanted)}, but the checkpoint was trained with {shown(found)}, so its "
                f"training data may hold what is asked now. Use {use}--data.{name} {shown(found)}"
            )


def _own_place(path: str) -> str:
    """Return the full name of a class where it is defined: it can be imported from several places."""
    cls = pydoc.locate(path)
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else path


def same(one: Any, two: Any) -> bool:
    """Tell whether two values are equal, or lead to the same file or folder."""
    if one == two or not (isinstance(one, str) and isinstance(two, str) and one and two):
        return bool(one == two)
    first = user_path(one)
    return first.exists() and first.resolve() == user_path(two).resolve()


def options(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return options by dotted name, those of nested ones too, with values as YAML gives them back: tuples as lists."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= options(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat


def shown(value: Any) -> str:
    """Return a value as it is written in a config or on the command line."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip()


def git_commit() -> str | None:
    """Return the commit of the working directory, None outside a repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
