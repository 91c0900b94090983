"""Raw samples -> features and candidate scores: plain networks behind one interface, and one module that trains any."""

from rrnet_lightning.candidates.classifiers.acdnet import ACDNet
from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.candidates.classifiers.bundles import SpeechBundle
from rrnet_lightning.candidates.classifiers.envnet import EnvNet, EnvNetV2
from rrnet_lightning.candidates.classifiers.image_augment import ImageAugment
from rrnet_lightning.candidates.classifiers.logmel import LogMelCNN
from rrnet_lightning.candidates.classifiers.mixing import a_weighted_level, bc_mix
from rrnet_lightning.candidates.classifiers.module import BackboneModule
from rrnet_lightning.candidates.classifiers.small_resnet import SmallResNet
from rrnet_lightning.candidates.classifiers.sound_augment import SoundAugment, ten_crops
from rrnet_lightning.candidates.classifiers.timm_models import TimmModel
from rrnet_lightning.candidates.classifiers.torchvision_models import TorchvisionModel

__all__ = [
    "ACDNet",
    "Backbone",
    "BackboneModule",
    "EnvNet",
    "EnvNetV2",
    "ImageAugment",
    "LogMelCNN",
    "SmallResNet",
    "SoundAugment",
    "SpeechBundle",
    "TimmModel",
    "TorchvisionModel",
    "a_weighted_level",
    "bc_mix",
    "ten_crops",
]
