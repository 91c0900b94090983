"""What a report of a problem needs, and what a newcomer wants to know."""

import argparse
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rrnet_lightning import __version__
from rrnet_lightning.data.files.root import cache_root, data_root
from rrnet_lightning.data.paired.sets import PAIRED_SETS
from rrnet_lightning.data.ratings.sets import RATING_SETS
from rrnet_lightning.errors import program

LIBRARIES = ("torch", "lightning", "torch-geometric", "torchvision", "torchaudio", "numpy", "jsonargparse", "wandb")
EXTRAS = {"timm": "timm", "scikit-surprise": "bench", "cornac": "bench", "faiss-cpu": "", "matplotlib": "dev"}
Alternatives = Sequence[tuple[str, Sequence[str]]]  # (folder under the data root, what it must hold), any one will do
CIFAR_TILES = ("train_*.webp", "labels_train.txt", "classes.txt")
DATA_SETS: Mapping[str, Alternatives] = {
    **{name: [(known.folder, known.files)] for name, known in RATING_SETS.items()},
    **{name: [(known.folder, known.files)] for name, known in PAIRED_SETS.items()},
    "esc50": [("esc50", ("audio", "**/*.csv"))],
    "esc10": [("esc10", ("audio", "**/*.csv")), ("esc50", ("audio", "**/*.csv"))],
    "cifar10": [("cifar10", CIFAR_TILES), ("cifar10", ("cifar-10-batches-py",))],
    "cifar100": [("cifar100", CIFAR_TILES), ("cifar100", ("cifar-100-python",))],
}


def parse(args: Sequence[str] | None) -> str | None:
    """Read the command line; return the folder of the data sets."""
    parser = argparse.ArgumentParser(prog=f"{program()} doctor", description=__doc__)
    parser.add_argument("--root", help="folder of the data sets, as --data.root")
    root: str | None = parser.parse_args(args).root
    return root


def main(args: Sequence[str] | None = None) -> None:
    """Print the report."""
    root = parse(args)
    for heading, lines in (
        ("versions", versions()),
        ("devices", devices()),
        ("threads", threads()),
        (f"data, looked for in {data_root(root).resolve()}", data(root)),
        ("disk", disk(root)),
    ):
        print(f"{heading}:")
        for line in lines:
            print(f"  {line}")


def versions() -> Iterator[str]:
    """Yield this package, Python, and the libraries that matter, those of extras last."""
    yield f"rrnet-lightning {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield ", ".join(f"{name} {_version(name) or 'missing'}" for name in LIBRARIES)
    for name, extra in EXTRAS.items():
        if found := _version(name):
            yield f"{name} {found}"
        else:
            yield f"{name} not installed (optional: pip install {f'rrnet-lightning[{extra}]' if extra else name})"


def devices() -> Iterator[str]:
    """Yield every accelerator that PyTorch sees."""
    import torch

    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        yield f"GPU {number}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        yield "GPU: Apple (mps)"
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        yield "no GPU that PyTorch can use: trains on the processor"


def threads() -> Iterator[str]:
    """Yield the cores that this process may use, and what says so."""
    from rrnet_lightning.cli.threads import container_quota, said_by_user, usable_cores

    quota = container_quota()
    yield f"{usable_cores()} of {os.cpu_count()} cores may be used" + (
        f" (the container's quota: {quota:g})" if quota is not None else ""
    )
    who = said_by_user()
    yield f"{who} says how many threads" if who else "chosen by the size of the graph; --threads N says otherwise"


def data(root: str | Path | None = None) -> Iterator[str]:
    """Yield every known data set: found where, or what is missing of it."""
    yield "digits: found (they come with scikit-learn)"
    for name, alternatives in DATA_SETS.items():
        lacks = [(data_root(root) / folder, missing(data_root(root) / folder, files)) for folder, files in alternatives]
        found = next((folder for folder, lost in lacks if not lost), None)
        if found is not None:
            yield f"{name}: found in {found}"
        else:
            yield f"{name}: missing: " + ", or ".join(f"{folder}/ with {', '.join(lost)}" for folder, lost in lacks)


def missing(folder: Path, files: Sequence[str]) -> list[str]:
    """Return which of the files, folders or patterns are not in a folder."""
    return [file for file in files if next(folder.glob(file), None) is None]


def disk(root: str | Path | None = None) -> Iterator[str]:
    """Yield the free space of where runs, data and decoded files are written."""
    for what, folder in (("runs", Path("runs")), ("data", data_root(root)), ("cache", cache_root())):
        there = next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())
        yield f"{what}: {shutil.disk_usage(there).free / 2**30:.1f} GiB free at {folder.resolve()}"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
