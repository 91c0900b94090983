"""What the network sees of a batch, to compare bit by bit."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.graph.schema import INTER
from rrnet_lightning.nn.rrnet import RRNet

READ_WHERE_SUPERVISED = "y"


def seen(batch: HeteroData) -> dict[str, Tensor]:
    """All tensors and numbers of a batch by name; answers that only loss and metrics read stand apart."""
    found: dict[str, Tensor] = {}
    for store in batch.stores:
        for name, value in store.items():
            parts = value if isinstance(value, list | tuple) else [value]
            found |= {
                f"{store._key}.{name}" + f"[{i}]" * (value is not part): torch.as_tensor(part)
                for i, part in enumerate(parts)
            }
    inter = batch[INTER]
    found[f"{INTER}.{READ_WHERE_SUPERVISED}"] = inter.y.masked_fill(inter.supervised, 0)
    return found


def differences(ours: Iterable[HeteroData], theirs: Iterable[HeteroData]) -> set[str]:
    """Names of the tensors, of the network's outputs among them, that are not bit-identical in two runs of batches."""
    found = set()
    for one, other in zip(list(ours), list(theirs), strict=True):
        torch.manual_seed(0)
        network = RRNet(
            one["source"].x.size(1),
            one["target"].x.size(1),
            one[INTER].edge_attr.size(1) if "edge_attr" in one[INTER] else 0,
            units=("intra", "inter", "inter"),
            prior="prior" in one[INTER],
        )
        mine, yours = seen(one), seen(other)
        assert mine.keys() == yours.keys()
        found |= {name for name in mine if not identical(mine[name], yours[name])}
        if not identical(network(one), network(other)):
            found.add("output")
    return found


def identical(one: Tensor, other: Tensor) -> bool:
    """Same shape and bits, NaN equal to NaN."""
    return one.shape == other.shape and bool((one.eq(other) | (one.ne(one) & other.ne(other))).all())


def changed_where(values: Tensor, rows: Tensor) -> Tensor:
    """Other ratings on the scale 0.5 to 4 where ``rows``, which keeps a 1/0 answer from being the same too."""
    return torch.where(rows, 4.5 - values, values)
