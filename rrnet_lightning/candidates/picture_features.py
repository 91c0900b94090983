"""Features of pictures from a frozen network, with weights from a file that the user names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from rrnet_lightning.candidates.classifiers.images import LibraryBackbone
from rrnet_lightning.candidates.classifiers.timm_models import TimmModel
from rrnet_lightning.candidates.classifiers.torchvision_models import TorchvisionModel
from rrnet_lightning.data.files.columns import read_bytes
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.paired.pictures import Pictures
from rrnet_lightning.data.tables.features import FeatureTable, as_features
from rrnet_lightning.errors import DataError, reason


def frozen_network(
    name: str, weights: str | Path, library: Literal["torchvision", "timm"] = "torchvision"
) -> LibraryBackbone:
    """Build a library's image classifier with the user's weights, in evaluation mode, its weights fixed.

    Args:
        name: of the network, such as `resnet50`.
        weights: file of a state dict, as `torch.save(model.state_dict(), file)` writes it and as the libraries publish
            it; the weights of its last layer are not used.
        library: of the network; timm is an extra.

    Raises:
        DataError: a file that cannot be read, weights of another network, or timm without being installed.
        ValueError: no such network.
    """
    network = TimmModel(1, name) if library == "timm" else TorchvisionModel(1, name, small_images=False)
    path = user_path(weights)
    read_bytes(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        missing = network.model.load_state_dict(state, strict=False).missing_keys
    except Exception as error:  # on a damaged file torch raises almost anything; RuntimeError where shapes differ
        raise DataError(
            f"{path}: cannot be read as weights of {name} ({reason(error)}), wanted a state dict of this network. "
            "Get the file again, or name the network that it is of."
        ) from error
    if missing:
        raise DataError(
            f"{path}: found no {missing[0]!r} and {len(missing) - 1} more, wanted all weights of {name}. Name the "
            "network that the file is of."
        )
    return network.eval().requires_grad_(False)


def picture_features(
    pictures: Pictures, network: LibraryBackbone, ids: Sequence[str] | None = None, *, size: int = 224, batch: int = 32
) -> FeatureTable:
    """Features of all pictures, [N, D]: short side scaled to `size`, the square in the middle, then the network.

    Args:
        pictures: N of any size.
        network: from :func:`frozen_network`; runs where its weights are.
        ids: of the pictures, one each.
        size: pixels.
        batch: pictures at a time.

    Raises:
        DataError: a picture that cannot be read, or one that the network does not take.
    """
    device = next(network.parameters()).device
    starts = range(0, len(pictures), batch)
    found = []
    for start in track(starts, "features of pictures", transient=True, console=Console(stderr=True)):
        rows = range(start, min(start + batch, len(pictures)))
        x = torch.stack([_square(pictures[row], size) for row in rows])
        with torch.inference_mode():
            found.append(network.features(x.to(device)).cpu())
    return as_features(torch.cat(found).clone(), ids, name="features of pictures")


def _square(picture: Tensor, size: int) -> Tensor:
    """The middle of a picture, [3, size, size] float from 0 to 1. picture: [3, H, W] uint8."""
    from torchvision.transforms.v2 import functional

    scaled = functional.resize(picture, [size], antialias=True)
    square: Tensor = functional.center_crop(scaled, [size, size])
    return square.float() / 255
