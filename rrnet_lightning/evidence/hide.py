"""The random hiding of observed answers: what is hidden in a step is asked in it."""

import torch
from torch import Tensor

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.checks import check_tensor


def hide(
    candidates: Tensor, share: float, generator: torch.Generator | None = None, *, group: Tensor | None = None
) -> Tensor:
    """Choose at random which candidate edges to hide, and to supervise, in this step.

    Without `group`, a share of the candidates (ratings); with it, a share of the groups that have candidates, all
    candidates of a chosen group together (labels: group = source of each edge). Shares are rounded, but at least
    one is chosen wherever there is a candidate.

    Shapes:
        candidates: [E] bool. group: [E] long.  returns: [E] bool, a subset of `candidates`.

    Raises:
        GraphError: unless 0 < share <= 1, or on wrong types or shapes.
    """
    if not 0 < share <= 1:
        raise GraphError.of("share", share, "0 < share <= 1")
    edges = check_tensor("candidates", candidates, "bool", (None,)).nonzero().squeeze(1)
    unit = torch.arange(len(edges), device=edges.device)
    if group is not None:
        unit = check_tensor("group", group, "long", (len(candidates),))[edges]
        _, unit = torch.unique(unit, return_inverse=True)
    count = int(unit.max()) + 1 if len(unit) else 0
    device = generator.device if generator else edges.device
    drawn = torch.randperm(count, generator=generator, device=device).to(edges.device)
    chosen = drawn < max(1, round(share * count))
    return torch.zeros_like(candidates).index_put_((edges,), chosen[unit])
