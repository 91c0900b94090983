"""SpeechBundle: a pretrained network of torchaudio, frozen, as a source of audio features."""

import torch
from torch import Tensor, nn

from rrnet_lightning.candidates.classifiers.base import Backbone
from rrnet_lightning.errors import DataError


class SpeechBundle(Backbone):
    """A pretrained speech network (wav2vec 2.0, HuBERT, WavLM...), frozen, and a linear layer that is trained on it.

    | layer   | output                                                    |
    |---------|-----------------------------------------------------------|
    | input   | T samples at the bundle's rate, any T of 400 or more       |
    | network | N x D, one frame a 20 ms; frozen                          |
    | mean    | D (768 for BASE, 1024 for LARGE): the last layer over time |
    | output  | C, the only part that learns                              |

    The first use downloads the weights into torch's cache. They were trained on other people's recordings: report
    results apart from those of networks trained here.

    Args:
        classes: number of classes, C.
        bundle: name of a bundle in `torchaudio.pipelines`.

    Raises:
        DataError: no such bundle, or its weights can be neither read nor downloaded.
    """

    rate: int

    def __init__(self, classes: int, bundle: str = "WAV2VEC2_BASE") -> None:
        network, rate = _load(bundle)
        # half a second of silence tells the width
        super().__init__(classes, _last_layer(network.eval(), torch.zeros(1, rate // 2)).shape[-1])
        self.bundle, self.rate = bundle, rate
        self.network = network.requires_grad_(False)
        self.output = nn.Linear(self.feature_dim, classes)

    def train(self, mode: bool = True) -> "SpeechBundle":
        """Switch our layer to training; the network stays as it was trained."""
        super().train(mode)
        self.network.eval()
        return self

    def features(self, x: Tensor) -> Tensor:
        """Return [B, D] features of [B, T] waveforms."""
        return _last_layer(self.network, x).mean(1)

    def logits(self, features: Tensor) -> Tensor:
        """Return [B, C] from [B, D]."""
        logits: Tensor = self.output(features)
        return logits


@torch.no_grad()
def _last_layer(network: nn.Module, x: Tensor) -> Tensor:
    """[B, N, D] of [B, T]."""
    layers, _ = network.extract_features(x)  # type: ignore[operator]
    last: Tensor = layers[-1]
    return last


def _load(name: str) -> tuple[nn.Module, int]:
    """Network of the bundle and the rate in Hz that it wants."""
    # Here, as it takes long to import and most never ask for it.
    from torchaudio import pipelines

    known = [key for key in dir(pipelines) if isinstance(getattr(pipelines, key), pipelines.Wav2Vec2Bundle)]
    if name not in known:
        raise DataError(f"bundle: found {name!r}, wanted one of torchaudio.pipelines: {', '.join(known)}")
    bundle = getattr(pipelines, name)
    try:
        return bundle.get_model(), int(bundle.sample_rate)
    # RuntimeError: a file whose checksum is wrong
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"bundle {name}: its weights can be neither read from torch's cache nor downloaded ({error}); run once "
            f"with a network, or copy the file into the cache's folder ($TORCH_HOME). Other bundles: {', '.join(known)}"
        ) from error
