"""Options of the network that cannot be."""

from typing import Any

import pytest

from rrnet_lightning.nn.rrnet import RRNet

ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"units": ["intra", "iter"]}, r"units: found \['iter'\], wanted a list of 'intra', 'inter', 'pair'"),
    (
        {"units": ["inter", "intra"]},
        r"units: found \['inter', 'intra'\], wanted a list with 'inter' after every 'intra'",
    ),
    ({"units": []}, r"units: found \[\], wanted a list with 'inter' after every 'intra'"),
    ({"hidden_dim": 0}, r"hidden_dim: found 0, wanted at least 1"),
    ({"dropout": 1.0}, r"dropout: found 1\.0, wanted a share in \[0, 1\)"),
    ({"dropout": -0.1}, r"dropout: found -0\.1, wanted a share in \[0, 1\)"),
    ({"kernel": "dot"}, r"kernel: found 'dot', wanted one of \['hadamard', 'bilinear', 'concat'\]"),
    ({"aggregation": "max"}, r"aggregation: found 'max', wanted one of \['mean', 'sum'\]"),
    ({"edge_dim": 2, "edge_state": False}, r"edge_dim: found 2 with edge_state and residual off, wanted 0"),
    ({"linear": True}, r"linear: found true without edge_attr"),
]


@pytest.mark.parametrize(("options", "message"), ERRORS)
def test_error_names_the_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RRNet(4, 3, **options)
