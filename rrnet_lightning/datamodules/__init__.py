"""One LightningDataModule per task, each producing paired intra and inter graph batches."""

from rrnet_lightning.datamodules.base import GraphDataModule
from rrnet_lightning.datamodules.image import ImageDataModule
from rrnet_lightning.datamodules.mapping import MappingDataModule
from rrnet_lightning.datamodules.raw import RawDataModule
from rrnet_lightning.datamodules.raw_image import RawImageDataModule
from rrnet_lightning.datamodules.raw_sound import RawSoundDataModule
from rrnet_lightning.datamodules.retrieval import RetrievalDataModule
from rrnet_lightning.datamodules.social import SocialDataModule
from rrnet_lightning.datamodules.sound import SoundDataModule
from rrnet_lightning.datamodules.tables import LabelledPairsDataModule, TablePairsDataModule, TablesDataModule

__all__ = [
    "GraphDataModule",
    "ImageDataModule",
    "LabelledPairsDataModule",
    "MappingDataModule",
    "RawDataModule",
    "RawImageDataModule",
    "RawSoundDataModule",
    "RetrievalDataModule",
    "SocialDataModule",
    "SoundDataModule",
    "TablePairsDataModule",
    "TablesDataModule",
]
