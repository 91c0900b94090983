"""What there is to train on."""

from typing import Any

from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator

from rrnet_lightning.errors import OptionError


def check_accelerator(asked: Any) -> None:
    """Refuse a GPU where PyTorch can use none; what else may be asked for is Lightning's affair.

    Raises:
        OptionError: names the option, and what there is.
    """
    kinds = {"cuda": CUDAAccelerator, "mps": MPSAccelerator}
    here = [name for name, kind in kinds.items() if kind.is_available()]
    if (asked in kinds and asked not in here) or (asked == "gpu" and not here):
        there = " or ".join(["cpu", *here])
        raise OptionError(
            f"--trainer.accelerator: found {asked}, which PyTorch cannot use here, wanted {there}. Leave it at auto, "
            "or install a PyTorch built for your GPU"
        )
