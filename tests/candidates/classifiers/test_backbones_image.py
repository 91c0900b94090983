"""Image backbones: shapes of each layer group, published sizes, heads by name, what the augmentation keeps."""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from rrnet_lightning.candidates.classifiers.image_augment import ImageAugment
from rrnet_lightning.candidates.classifiers.images import CIFAR
from rrnet_lightning.candidates.classifiers.small_resnet import SmallResNet
from rrnet_lightning.candidates.classifiers.timm_models import TimmModel
from rrnet_lightning.candidates.classifiers.torchvision_models import TorchvisionModel
from rrnet_lightning.errors import DataError

needs_timm = pytest.mark.skipif(find_spec("timm") is None, reason="timm, an optional extra, is not installed")


def shapes(network: nn.Module, layers: list[str], side: int = 32) -> list[list[int]]:
    """Shape that each of the named layers gives for one image, without the batch."""
    found: list[list[int]] = []

    def keep(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        found.append(list(output.shape[1:]))

    for layer in layers:
        network.get_submodule(layer).register_forward_hook(keep)
    with torch.no_grad():
        network.eval()(torch.rand(1, 3, side, side))
    return found


def size(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_small_resnet_layers() -> None:
    network = SmallResNet(10)
    expected = [[32, 32, 32], [64, 16, 16], [128, 8, 8], [256, 4, 4]]
    assert shapes(network, ["prep", "stage1", "stage2", "stage3"]) == expected
    assert size(network) == 1_646_112 and network.feature_dim == 256


def test_small_resnet_scales_its_logits() -> None:
    network = SmallResNet(7, widths=(4, 6, 8, 10), scale=0.5).eval()
    x = torch.rand(3, 3, 16, 16)
    features = network.features(x)
    assert features.shape == (3, 10)
    torch.testing.assert_close(network(x), 0.5 * features @ network.head.weight.T)


def test_normalisation_is_inside() -> None:
    x = torch.tensor(CIFAR[0]).view(1, 3, 1, 1) + torch.tensor(CIFAR[1]).view(1, 3, 1, 1) * torch.ones(2, 3, 8, 8)
    network = SmallResNet(3, widths=(2, 2, 2, 2))
    torch.testing.assert_close(network.normalise(x), torch.ones(2, 3, 8, 8))
    assert not {"mean", "std"} & set(network.state_dict())


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        (
            "resnet18",
            11_173_962,
            {"conv1": [64, 32], "layer1": [64, 32], "layer2": [128, 16], "layer3": [256, 8], "layer4": [512, 4]},
        ),
        (
            "resnet50",
            23_520_842,
            {"conv1": [64, 32], "layer1": [256, 32], "layer2": [512, 16], "layer3": [1024, 8], "layer4": [2048, 4]},
        ),
        (  # 2.30 M where a shortcut of 1 x 1 convolutions is added to the paper's blocks
            "mobilenet_v2",
            2_236_682,
            {"features.0": [32, 32], "features.3": [24, 32], "features.6": [32, 16], "features.18": [1280, 4]},
        ),
    ],
)
def test_stem_for_small_images(name: str, parameters: int, expected: dict[str, list[int]]) -> None:
    network = TorchvisionModel(10, name)
    found = shapes(network, [f"model.{layer}" for layer in expected])
    assert found == [[width, side, side] for width, side in expected.values()]
    assert size(network) == parameters
    assert network.feature_dim == found[-1][0] == network.head.in_features


# one of each way to end: fc, a linear classifier, the last of a Sequential, head, heads, auxiliary outputs
@pytest.mark.parametrize(
    ("name", "side", "feature_dim"),
    [
        ("shufflenet_v2_x0_5", 32, 1024),
        ("densenet121", 32, 1024),
        ("mobilenet_v3_small", 32, 1024),
        ("swin_t", 32, 768),
        ("vit_b_32", 224, 768),
        ("googlenet", 32, 1024),
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization")
def test_any_torchvision_classifier_by_name(name: str, side: int, feature_dim: int) -> None:
    with torch.device("meta"):  # no weights drawn: only shapes are asked
        network = TorchvisionModel(5, name, small_images=False).train()
        x = torch.rand(2, 3, side, side)
        assert network.feature_dim == feature_dim
        features = network.features(x)
        assert features.shape == (2, feature_dim) and network.logits(features).shape == (2, 5)


def test_standard_stem_without_small_images() -> None:
    network = TorchvisionModel(4, "resnet18", small_images=False)
    assert shapes(network, ["model.conv1", "model.layer4"], side=64) == [[64, 32, 32], [512, 2, 2]]


@needs_timm
def test_timm_model_by_name() -> None:
    network = TimmModel(6, "mobilenetv3_small_050").eval()  # its pooled features are widened before the head
    features = network.features(torch.rand(2, 3, 32, 32))
    assert features.shape == (2, network.feature_dim) == (2, 1024)
    assert network.logits(features).shape == (2, 6)


@needs_timm
def test_timm_refuses_an_unknown_name() -> None:
    with pytest.raises(ValueError, match=r"name: found 'resnet_none'.*timm\.list_models"):
        TimmModel(6, "resnet_none")


def test_timm_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(DataError, match=r"pip install rrnet-lightning\[timm\]"):
        TimmModel(6, "resnet18")


def test_weights_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, weights: str | None) -> nn.Module:
        raise OSError("no route to host")

    monkeypatch.setattr(models, "get_model", offline)
    with pytest.raises(DataError, match=r"weights of resnet18 .*no route to host.*pretrained to false"):
        TorchvisionModel(10, "resnet18", pretrained=True)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TorchvisionModel(10, "resnet19"), r"name: found 'resnet19', wanted .*resnet1"),
        (lambda: TorchvisionModel(10, "densenet121"), "small_images: found true for densenet121.*to false"),
        (lambda: TorchvisionModel(10, "squeezenet1_1", small_images=False), "squeezenet1_1 does not end in a linear"),
        (lambda: SmallResNet(10, widths=(8, 8, 0, 8)), r"widths: found \(8, 8, 0, 8\)"),
        (lambda: SmallResNet(0), "classes: found 0"),
        (lambda: ImageAugment(pad=-1), "pad: found -1"),
        (lambda: ImageAugment(mixup=-0.1), r"mixup: found -0\.1"),
    ],
)
def test_bad_options_are_named(build: Callable[[], nn.Module], message: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.rand(2, 1, 32, 32), r"found \[2, 1, 32, 32\]"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), r"torch\.uint8.*divide bytes by 255"),
        (torch.rand(2, 3, 4, 32), "found 4 x 32 pixels, SmallResNet wants at least 8 x 8"),
    ],
)
def test_bad_images_are_named(x: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        SmallResNet(3, widths=(2, 2, 2, 2))(x)


def test_network_of_a_fixed_size_refuses_another() -> None:
    with torch.device("meta"), pytest.raises(DataError, match=r"found 32 x 32 pixels, VisionTransformer says: .*224"):
        TorchvisionModel(5, "vit_b_32", small_images=False)(torch.rand(2, 3, 32, 32))


def ramp(batch: int, side: int) -> tuple[Tensor, Tensor]:
    """Images whose pixels all differ, and one-hot targets of ten classes."""
    x = torch.arange(side * side, dtype=torch.float32).view(1, 1, side, side) / side**2
    return x.repeat(batch, 3, 1, 1), torch.eye(10)[torch.arange(batch) % 10]


def test_crop_is_a_shifted_copy_and_all_shifts_occur() -> None:
    torch.manual_seed(0)
    x, target = ramp(400, 8)
    out, same = ImageAugment(pad=2, flip=False)(x, target)
    assert same is target
    padded = nn.functional.pad(x[:1], (2, 2, 2, 2), mode="reflect")[0]
    windows = torch.stack([padded[:, i : i + 8, j : j + 8] for i in range(5) for j in range(5)])
    matches = (out[:, None] == windows[None]).flatten(2).all(2)
    assert bool((matches.sum(1) == 1).all())  # each is one of the 25 windows
    assert bool((matches.sum(0) > 0).all())  # each window is drawn


def test_half_of_the_images_are_mirrored() -> None:
    torch.manual_seed(0)
    x, target = ramp(1000, 6)
    out, _ = ImageAugment(pad=0)(x, target)
    kept, mirrored = ((out == image).flatten(1).all(1) for image in (x, x.flip(3)))
    assert bool((kept ^ mirrored).all())
    assert 0.45 < float(mirrored.float().mean()) < 0.55


def test_cutout_fills_a_square_with_the_mean_colour() -> None:
    torch.manual_seed(0)
    x, target = ramp(200, 16)
    x[:, 1] += 1.0
    out, _ = ImageAugment(pad=0, flip=False, cutout=5)(x, target)
    hole = (out != x).any(1)
    # inside the border 25 pixels, in a corner at least the 3 x 3 that reach it
    assert int(hole.sum((1, 2)).max()) == 25 and int(hole.sum((1, 2)).min()) >= 9
    torch.testing.assert_close(out.movedim(1, 3)[hole], x.mean((0, 2, 3)).repeat(int(hole.sum()), 1))


def test_mixup_mixes_images_as_targets() -> None:
    torch.manual_seed(0)
    target = torch.eye(10)
    x = target[:, :3].reshape(10, 3, 1, 1).expand(10, 3, 4, 4)  # an image tells its target
    out, mixed = ImageAugment(pad=0, flip=False, mixup=1.0)(x, target)
    torch.testing.assert_close(mixed.sum(1), torch.ones(10))
    torch.testing.assert_close(out[:, :, 0, 0], mixed[:, :3])
    assert bool(((mixed > 0) & (mixed < 1)).any()) and len(set(mixed.max(1).values.tolist())) > 5


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_layout_and_kind_are_kept(layout: torch.memory_format) -> None:
    x = torch.rand(4, 3, 8, 8).contiguous(memory_format=layout)
    out, _ = ImageAugment(cutout=3, mixup=0.2)(x, torch.eye(4))
    assert out.is_contiguous(memory_format=layout) and out.dtype == x.dtype and out.shape == x.shape


@pytest.mark.parametrize(
    ("x", "target", "message"),
    [
        (torch.rand(2, 3, 4, 4), torch.eye(2), "above pad = 4"),
        (torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), "target: found .*one_hot"),
        (torch.rand(2, 3, 8, 8), torch.eye(3), r"wanted \[2, C\]"),
    ],
)
def test_augmentation_refuses_other_shapes(x: Tensor, target: Tensor, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageAugment()(x, target)
