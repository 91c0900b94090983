"""One LightningDataModule per task, each producing paired intra and inter graph batches."""

from rrnet_lightning.datamodules.base import GraphDataModule
from rrnet_lightning.datamodules.social import SocialDataModule

__all__ = ["GraphDataModule", "SocialDataModule"]
