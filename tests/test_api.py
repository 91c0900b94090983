"""What ``import rrnet_lightning`` offers, and what it costs."""

import subprocess
import sys

import pytest

import rrnet_lightning


def test_names_are_those_of_the_parts() -> None:
    from rrnet_lightning.datamodules import SocialDataModule
    from rrnet_lightning.graph.build import build_graph
    from rrnet_lightning.nn.rrnet import RRNet

    assert rrnet_lightning.RRNet is RRNet and rrnet_lightning.build_graph is build_graph
    assert rrnet_lightning.SocialDataModule is SocialDataModule
    assert all(getattr(rrnet_lightning, name).__name__ == name for name in rrnet_lightning.__all__)
    assert set(rrnet_lightning.__all__) <= set(dir(rrnet_lightning))
    with pytest.raises(AttributeError, match="no attribute 'RRNot'"):
        rrnet_lightning.RRNot  # noqa: B018


def test_import_alone_loads_no_library() -> None:
    code = "import sys, rrnet_lightning; print(sorted({'torch', 'lightning', 'torch_geometric'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
