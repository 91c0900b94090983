"""Backbones for sounds: layer shapes against the published tables, inputs of any kind, one step of learning."""

from types import SimpleNamespace

import pytest
import torch
import torchaudio
from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.acdnet import ACDNet
from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.candidates.classifiers.bundles import SpeechBundle
from rrnet_lightning.candidates.classifiers.envnet import EnvNet, EnvNetV2
from rrnet_lightning.candidates.classifiers.logmel import LogMelCNN
from rrnet_lightning.errors import DataError

ENVNET = {
    "conv1": (40, 1, 24007),
    "conv2": (40, 1, 24000),
    "pool2": (40, 1, 150),
    "swap": (1, 40, 150),
    "conv3": (50, 33, 138),
    "pool3": (50, 11, 46),
    "conv4": (50, 11, 42),
    "pool4": (50, 11, 14),
}
ENVNET_V2 = {
    "conv1": (32, 1, 33294),
    "conv2": (64, 1, 16640),
    "pool2": (64, 1, 260),
    "swap": (1, 64, 260),
    "conv4": (32, 50, 246),
    "pool4": (32, 10, 82),
    "conv6": (64, 10, 76),
    "pool6": (64, 10, 38),
    "conv8": (128, 10, 36),
    "pool8": (128, 10, 18),
    "conv10": (256, 10, 16),
    "pool10": (256, 10, 8),
}
ACDNET = {
    "conv1": (8, 1, 15109),
    "conv2": (64, 1, 7553),
    "pool2": (64, 1, 151),
    "conv3": (32, 64, 151),
    "pool3": (32, 32, 75),
    "conv5": (64, 32, 75),
    "pool5": (64, 16, 37),
    "conv7": (128, 16, 37),
    "pool7": (128, 8, 18),
    "conv9": (256, 8, 18),
    "pool9": (256, 4, 9),
    "conv11": (512, 4, 9),
    "pool11": (512, 2, 4),
}


def layer_shapes(backbone: Backbone, x: Tensor) -> dict[str, tuple[int, ...]]:
    """Shape of one sample after each named layer, by its name within its group."""
    shapes: dict[str, tuple[int, ...]] = {}

    def keep(name: str) -> None:
        def hook(module: nn.Module, args: object, output: Tensor) -> None:
            shapes[name] = tuple(output.shape[1:])

        backbone.get_submodule(name).register_forward_hook(hook)

    for name, _ in backbone.named_modules():
        if name.count(".") == 1:
            keep(name)
    with torch.no_grad():
        backbone.eval()(x)
    return {name.split(".")[1]: shape for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("kind", "rate", "window", "table"),
    [(EnvNet, 16000, 24014, ENVNET), (EnvNetV2, 44100, 66650, ENVNET_V2), (ACDNet, 20000, 30225, ACDNET)],
)
def test_layers_of_the_published_table_and_one_step(
    kind: type[EnvNet | EnvNetV2 | ACDNet], rate: int, window: int, table: dict[str, tuple[int, ...]]
) -> None:
    torch.manual_seed(0)
    backbone = kind(3)
    assert (backbone.rate, backbone.window, backbone.feature_dim) == (rate, window, 4096)
    shapes = layer_shapes(backbone, torch.randn(1, window))
    assert {name: shapes[name] for name in table} == table

    x = torch.stack([torch.randn(window), torch.zeros(window)])
    features = backbone.features(x)
    assert features.shape == (2, 4096)
    torch.testing.assert_close(backbone.logits(features), backbone(x))  # evaluation: no dropout
    loss = nn.functional.cross_entropy(backbone.train()(x), torch.tensor([0, 1]))
    loss.backward()
    grads = [p.grad for p in backbone.parameters()]
    assert loss.isfinite() and all(g is not None and g.isfinite().all() for g in grads)
    first = next(backbone.parameters()).grad
    assert first is not None and first.abs().sum() > 0

    with pytest.raises(ValueError, match=rf"{kind.__name__}: found .*{window + 1}\], wanted \[B, {window}\]"):
        backbone(torch.zeros(1, window + 1))


def test_number_of_weights_as_published() -> None:
    acdnet = sum(p.numel() for p in ACDNet(50).parameters())
    assert round(acdnet / 1e6, 2) == 4.74
    with torch.device("meta"):
        envnet = EnvNet(50)
    # convolutions without bias, two numbers a channel of batch norm
    convolutions = 40 * 8 + 40 * 40 * 8 + 50 * 8 * 13 + 50 * 50 * 5 + 2 * (40 + 40 + 50 + 50)
    assert sum(p.numel() for p in envnet.parameters()) == convolutions + 7701 * 4096 + 4097 * 4096 + 4097 * 50


def test_features_come_before_dropout() -> None:
    backbone = ACDNet(2)
    torch.manual_seed(0)
    x = torch.randn(2, 30225)
    backbone.train()
    torch.testing.assert_close(backbone.features(x), backbone.features(x))
    assert not torch.equal(backbone(x), backbone(x))


@pytest.fixture
def log_mel() -> LogMelCNN:
    torch.manual_seed(0)
    return LogMelCNN(3, widths=(8, 12, 16), mels=32)


class TestLogMelCNN:
    @pytest.mark.parametrize("length", [512, 513, 7777, 80000])
    def test_any_length(self, log_mel: LogMelCNN, length: int) -> None:
        features = log_mel.features(torch.randn(2, length))
        assert features.shape == (2, 32) == (2, log_mel.feature_dim)
        assert log_mel.logits(features).shape == (2, 3) and features.isfinite().all()

    def test_too_short_is_named(self, log_mel: LogMelCNN) -> None:
        with pytest.raises(ValueError, match=r"found waveforms of shape \[1, 511\], wanted \[B, T\] with T of 512"):
            log_mel(torch.zeros(1, 511))

    def test_options_are_checked(self) -> None:
        with pytest.raises(ValueError, match=r"widths \[\]"):
            LogMelCNN(3, widths=())
        with pytest.raises(ValueError, match="blocks 0"):
            LogMelCNN(3, blocks=0)
        with pytest.raises(ValueError, match="levels 4"):
            LogMelCNN(3, widths=(8, 12, 16), levels=4)

    def test_levels_add_features_of_earlier_stages_and_leave_the_logits(self, log_mel: LogMelCNN) -> None:
        more = LogMelCNN(3, widths=(8, 12, 16), mels=32, levels=3).eval()
        more.load_state_dict(log_mel.eval().state_dict())
        x = torch.randn(2, 8000)
        features = more.features(x)
        assert more.feature_dim == features.shape[1] == 2 * (16 + 12 + 8)
        assert features[:, :32].equal(log_mel.features(x)) and more(x).equal(log_mel(x))
        stem = more.stem(more.norm(more._log_mel(x))[:, None]).mean(2)
        expected = torch.cat([stem.mean(2), stem.amax(2)], 1)
        expected *= (features[:, :32].norm(dim=1) / expected.norm(dim=1))[:, None]
        assert torch.allclose(features[:, -16:], expected)

    def test_layers(self) -> None:
        backbone = LogMelCNN(3, blocks=2)
        shapes: list[tuple[int, ...]] = []
        for layer in (backbone.norm, backbone.stem, *backbone.stages):
            layer.register_forward_hook(lambda module, args, output: shapes.append(tuple(output.shape[1:])))
        backbone.eval()(torch.randn(1, 80000))
        assert shapes == [(64, 251), (32, 32, 63), (64, 16, 32), (128, 8, 16), (256, 4, 8)]
        # a second block a stage: two convolutions and two batch norms of two numbers each
        assert len(list(backbone.parameters())) == len(list(LogMelCNN(3).parameters())) + 3 * 6

    def test_gain_does_not_matter_and_silence_is_finite(self, log_mel: LogMelCNN) -> None:
        log_mel.eval()
        x = torch.randn(2, 8000)
        torch.testing.assert_close(log_mel(x), log_mel(0.1 * x), rtol=0.01, atol=0.01)
        assert log_mel(torch.zeros(1, 8000)).isfinite().all()

    def test_bands_are_masked_in_training_only(self, log_mel: LogMelCNN) -> None:
        seen: list[Tensor] = []
        log_mel.stem.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
        x = torch.randn(16, 16000)
        log_mel.eval()(x)
        log_mel.train()(x)
        log_mel.spec_augment = False
        log_mel(x)
        evaluated, masked, plain = ((mel == 0).float().mean().item() for mel in seen)
        assert evaluated == plain == 0 and 0.05 < masked < 0.6
        # whole rows and columns, and not the same ones in each clip
        hidden = seen[1][:, 0] == 0
        whole = hidden.all(2)[:, :, None] | hidden.all(1)[:, None]
        assert torch.equal(hidden, whole) and not torch.equal(hidden[0], hidden[1])

    def test_one_step_in_half_precision_and_channels_last(self, log_mel: LogMelCNN) -> None:
        log_mel.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.autocast("cpu", torch.bfloat16):
            loss = nn.functional.cross_entropy(log_mel(torch.randn(4, 16000)).float(), torch.tensor([0, 1, 2, 0]))
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in log_mel.parameters())


class _Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(400, 6)
        self.dropout = nn.Dropout(0.9)

    def extract_features(self, x: Tensor) -> tuple[list[Tensor], None]:
        frames = x.unfold(1, 400, 320)
        return [frames, self.dropout(self.layer(frames))], None


@pytest.fixture
def tiny_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchaudio.pipelines, "Wav2Vec2Bundle", SimpleNamespace)
    bundle = SimpleNamespace(get_model=_Tiny, sample_rate=8000)
    monkeypatch.setattr(torchaudio.pipelines, "WAV2VEC2_BASE", bundle)


def test_bundle_gives_the_mean_of_its_last_layer_and_stays_frozen(tiny_bundle: None) -> None:
    backbone = SpeechBundle(3).train()
    assert (backbone.rate, backbone.window, backbone.feature_dim) == (8000, None, 6)
    x = torch.randn(2, 4000)
    network = backbone.network
    assert isinstance(network, _Tiny)
    torch.testing.assert_close(backbone.features(x), network.layer(x.unfold(1, 400, 320)).mean(1))
    backbone(x).sum().backward()
    assert {name for name, p in backbone.named_parameters() if p.grad is not None} == {"output.weight", "output.bias"}


def test_bundle_of_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(DataError, match=r"bundle: found 'WAV', wanted one of .*HUBERT_BASE.*WAV2VEC2_BASE"):
        SpeechBundle(3, "WAV")


def test_bundle_without_a_network_says_what_to_do(tiny_bundle: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline() -> nn.Module:
        raise OSError("no route")

    monkeypatch.setattr(torchaudio.pipelines.WAV2VEC2_BASE, "get_model", offline)
    with pytest.raises(DataError, match=r"WAV2VEC2_BASE: .*no route.*TORCH_HOME"):
        SpeechBundle(3)
