"""Raw samples -> features and candidate scores: plain networks behind one interface, and one module that trains any."""

from .acdnet import ACDNet
from .base import Backbone
from .bundles import SpeechBundle
from .envnet import EnvNet, EnvNetV2
from .image_augment import ImageAugment
from .logmel import LogMelCNN
from .mixing import a_weighted_level, bc_mix
from .module import BackboneModule
from .small_resnet import SmallResNet
from .sound_augment import SoundAugment, ten_crops
from .timm_models import TimmModel
from .torchvision_models import TorchvisionModel

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
