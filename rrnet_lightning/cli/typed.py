"""What was typed on the command line, and what a checkpoint makes of it: nothing is set aside in silence."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info

from rrnet_lightning.checkpoints import trained_config
from rrnet_lightning.cli.runs import WIDTHS, options, same, shown
from rrnet_lightning.errors import OptionError, RunError


def nulls(words: Sequence[str]) -> list[str]:
    """Write null as YAML has it: sweeps of W&B write ``None``."""
    return [re.sub(r"^(--[^=]+=)?None$", r"\1null", word) for word in words]


def typed(words: Sequence[str]) -> list[str]:
    """Return the names of the options among the words of a command line, without ``init_args``."""
    return [_plain(word[2:].partition("=")[0].rstrip("+")) for word in words if word.startswith("--")]


def check_own_options(checkpoint: Path, config: Mapping[str, Any], typed: Collection[str]) -> None:
    """Refuse options given by hand that differ from the checkpoint's, which brings its own; name those of a config.

    Args:
        checkpoint: the file.
        config: what the user asks for: ``model``, and ``seed_everything`` where training goes on.
        typed: names of the options on the command line.

    Raises:
        RunError: naming the first such option and both values; the first option at all of a checkpoint made in Python,
            which brings none.
    """
    content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    ours = _flat(config)
    if trained := trained_config(content):
        theirs = {name: value for name, value in _flat(trained).items() if name.partition(".")[0] in config}
    else:
        theirs = _flat({"model": content.get("hyper_parameters") or {}})
        ours, theirs = ({name: of[name] for name in theirs if name in ours} for of in (ours, theirs))
    others = _others(theirs, ours)
    for name in others:
        by_hand = any(name == option or name.startswith(f"{option}.") for option in typed if option != "model")
        if by_hand or not trained or (name == "model.class_path" and "model" in typed):
            raise RunError(
                f"--{name.removesuffix('.class_path')}: found {shown(ours.get(name))}, but the checkpoint was trained "
                f"with {shown(theirs.get(name))}. Leave the option out or set it so, or train anew without --ckpt_path"
            )
    if others:
        said = ", ".join(f"{name} {shown(theirs.get(name))} for {shown(ours.get(name))}" for name in others[:3])
        more = f", and {len(others) - 3} more" if len(others) > 3 else ""
        rank_zero_info(f"the checkpoint's own options replace those of the config: {said}{more}")


def check_run_folder(folder: Path, root: Path, typed: Collection[str]) -> None:
    """Refuse another ``--trainer.default_root_dir`` given by hand than that of the run that a checkpoint belongs to.

    Raises:
        RunError: the run lies elsewhere.
    """
    if "trainer.default_root_dir" in typed and folder.resolve().parent != root.resolve():
        raise RunError(
            f"--trainer.default_root_dir: found {root}, but the checkpoint's run goes on in its own folder, {folder}. "
            "Leave the option out"
        )


def check_used(config: Mapping[str, Any], typed: Collection[str]) -> None:
    """Refuse options given by hand that would do nothing or be set aside.

    Raises:
        OptionError: names the option and what decides instead.
    """
    dirpath = config["checkpoint"]["dirpath"]
    if dirpath is not None:
        raise OptionError(
            f"--checkpoint.dirpath: found {dirpath}, wanted null: checkpoints lie in the run's folder. Set "
            "--trainer.default_root_dir"
        )
    data = config["data"].get("init_args") or {}
    for name in ("fan_out", "eval_fan_out"):
        if f"data.{name}" in typed and data.get("batch_size", 0) is None:
            raise OptionError(
                f"--data.{name}: found {shown(data[name])} without a batch_size, wanted both: a full graph draws no "
                "neighbours. Set --data.batch_size"
            )


def _others(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Names of the options that differ; of a class that is not there on one side, the class alone."""
    differ = [name for name in dict.fromkeys([*theirs, *ours]) if not same(theirs.get(name), ours.get(name))]
    classes = [name.removesuffix("class_path") for name in differ if name.endswith(".class_path")]
    return [name for name in differ if name.endswith(".class_path") or not name.startswith(tuple(classes))]


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """Options by the names they are typed by, without those that the data decides."""
    flat = {_plain(name): value for name, value in options(dict(config)).items()}
    return {name: value for name, value in flat.items() if name.split(".")[-1] not in WIDTHS}


def _plain(name: str) -> str:
    return name.replace("init_args.", "").removesuffix(".init_args")
