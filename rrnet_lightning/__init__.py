"""RR-Net: reasoning over the graphs inside and between two modalities, as a score on every candidate pair.

What is listed here is imported when it is first used: ``import rrnet_lightning`` alone loads no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rrnet_lightning.datamodules import (
        GraphDataModule,
        ImageDataModule,
        MappingDataModule,
        RawImageDataModule,
        RawSoundDataModule,
        SocialDataModule,
        SoundDataModule,
        TablePairsDataModule,
        TablesDataModule,
    )
    from rrnet_lightning.graph import build_graph, validate
    from rrnet_lightning.mapper import Mapper, load
    from rrnet_lightning.module import RRNetModule
    from rrnet_lightning.nn import RRNet

__version__ = "0.1.0"
__all__ = [
    "GraphDataModule",
    "ImageDataModule",
    "Mapper",
    "MappingDataModule",
    "RRNet",
    "RRNetModule",
    "RawImageDataModule",
    "RawSoundDataModule",
    "SocialDataModule",
    "SoundDataModule",
    "TablePairsDataModule",
    "TablesDataModule",
    "build_graph",
    "load",
    "validate",
]
# else in datamodules
_PLACES = {
    "RRNet": "nn",
    "RRNetModule": "module",
    "build_graph": "graph",
    "validate": "graph",
    "Mapper": "mapper",
    "load": "mapper",
}  # else datamodules


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES.get(name, 'datamodules')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
