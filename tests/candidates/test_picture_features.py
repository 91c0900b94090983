"""Features of pictures from a frozen network."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from rrnet_lightning.candidates.picture_features import frozen_network, picture_features
from rrnet_lightning.data.paired.folder import read_folder
from rrnet_lightning.errors import DataError
from tests import fake_paired as fake

NAME = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.save(models.get_model(NAME).state_dict(), file)
    return file


def test_features_are_what_enters_the_last_layer(weights: Path, tmp_path: Path) -> None:
    folder = fake.write_own(tmp_path)
    fake.write_picture(folder / "images/c.png", (10, 200, 60), (90, 40))
    read = read_folder(folder)
    assert read.pictures
    found = picture_features(read.pictures, frozen_network(NAME, weights), read.image.ids, size=64, batch=2)
    model = models.get_model(NAME)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.fc = nn.Identity()
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    plain = ((torch.tensor([10, 200, 60]) / 255 - mean) / deviation)[None, :, None, None].expand(1, 3, 64, 64)
    with torch.no_grad():
        wanted = model.eval()(plain)
    assert found.ids == ("a", "b", "c") and found.x.shape == (3, 1024)
    torch.testing.assert_close(found.x[2:], wanted, rtol=1e-4, atol=1e-5)


def test_network_is_frozen(weights: Path) -> None:
    network = frozen_network(NAME, weights)
    assert not network.training and not any(weight.requires_grad for weight in network.parameters())


def test_weights_that_do_not_fit_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"weights.pt: cannot be read as weights of shufflenet_v2_x1_0 \(Error"):
        frozen_network("shufflenet_v2_x1_0", weights)
    with pytest.raises(DataError, match=r"weights.pt: found no '.*' and \d+ more, wanted all weights of resnet18"):
        frozen_network("resnet18", weights)
    (tmp_path / "x.pt").write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"x.pt: cannot be read as weights"):
        frozen_network(NAME, tmp_path / "x.pt")
    with pytest.raises(DataError, match=r"none.pt: cannot be read \(No such file"):
        frozen_network(NAME, tmp_path / "none.pt")


def test_an_unreadable_picture_ends_it(weights: Path, tmp_path: Path) -> None:
    folder = fake.write_own(tmp_path)
    (folder / "images/b.jpg").write_bytes(b"")
    pictures = read_folder(folder).pictures
    assert pictures
    with pytest.raises(DataError, match=r"b.jpg: cannot be decoded"):
        picture_features(pictures, frozen_network(NAME, weights), size=64)
