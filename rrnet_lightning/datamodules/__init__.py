"""One LightningDataModule per task, each producing paired intra and inter graph batches."""

from rrnet_lightning.datamodules.base import GraphDataModule
from rrnet_lightning.datamodules.image import ImageDataModule
from rrnet_lightning.datamodules.mapping import MappingDataModule
from rrnet_lightning.datamodules.social import SocialDataModule

__all__ = ["GraphDataModule", "ImageDataModule", "MappingDataModule", "SocialDataModule"]
