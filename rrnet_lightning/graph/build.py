"""From tensors to one validated graph: intra edges, candidate pairs, and their assembly."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.checks import check_range, check_tensor
from rrnet_lightning.graph.knn import stable_top_k
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA, validate


def given_edges(pairs: Tensor, num_nodes: int, *, symmetric: bool = False) -> Tensor:
    """Intra edges from a given list, for instance trust links.

    Self loops and repetitions are dropped.

    Shapes:
        pairs: [2, L] long, neighbour -> node, any order. `symmetric` adds every link's reverse.
        returns: [2, E] long, sorted by node (row 1), then by neighbour.

    Raises:
        GraphError: on a wrong type or shape, or a node outside 0 <= node < num_nodes.
    """
    check_range("pairs", check_tensor("pairs", pairs, "long", (2, None)), num_nodes)
    if symmetric:
        pairs = torch.cat([pairs, pairs.flip(0)], dim=1)
    sender, receiver = pairs[:, pairs[0] != pairs[1]]
    key = torch.unique(receiver * num_nodes + sender)  # sorts and drops repetitions
    return torch.stack([key % num_nodes, key // num_nodes]) if num_nodes else no_edges()


def no_edges() -> Tensor:
    """An empty edge list, [2, 0] long."""
    return torch.empty(2, 0, dtype=torch.long)


def top_k_pairs(scores: Tensor, k: int, *, truth: Tensor | None = None, add_truth: Tensor | None = None) -> Tensor:
    """The k best targets of every source as candidate pairs, sorted by source, best first, ties by lower target.

    A true target outside the top k is added, as one more pair at the end of its source's run, only where
    `add_truth` says so (training sources). For all others the miss stays: the answer cannot be found, as in use.

    Shapes:
        scores: [N_s, N_t] float. truth: [N_s] long, -1 where unknown. add_truth: [N_s] bool.
        returns: [2, E] long, E = N_s * k + added.

    Raises:
        GraphError: unless 1 <= k <= N_t, on NaN scores, on `add_truth` without `truth`, on wrong types or shapes.
    """
    check_tensor("scores", scores, "float", (None, None))
    num_sources, num_targets = scores.shape
    if not 1 <= k <= num_targets:
        raise GraphError.of("k", k, f"1 <= k <= {num_targets}, the number of targets", "choose a smaller k")
    if scores.isnan().any():
        raise GraphError.of("scores", f"NaN, first in row {int(scores.isnan().nonzero()[0, 0])}", "numbers")
    targets = stable_top_k(scores, k)
    if truth is not None:
        check_range("truth", check_tensor("truth", truth, "long", (num_sources,)), num_targets, start=-1)
    if add_truth is not None:
        if truth is None:
            raise GraphError.of("truth", "nothing", "long [N_s], since add_truth is given")
        check_tensor("add_truth", add_truth, "bool", (num_sources,))
        missed = add_truth & ~(targets == truth[:, None]).any(1)
        targets = torch.cat([targets, truth.where(missed, -1)[:, None]], dim=1)
    return _rows_to_pairs(targets)


def listed_pairs(targets: Tensor) -> Tensor:
    """Candidate pairs from given lists, one a source, in the order of the list.

    Shapes:
        targets: [N_s, K] long, padded with -1.  returns: [2, E] long, sorted by source.

    Raises:
        GraphError: on a wrong type or shape, an entry below -1, or a target listed twice for one source.
    """
    check_tensor("targets", targets, "long", (None, None))
    if (targets < -1).any():
        raise GraphError.of("targets", int(targets.min()), "target rows, or -1 as padding")
    ordered = targets.sort(dim=1).values
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(1)
    if twice.any():
        raise GraphError.of("targets", f"a target twice in row {int(twice.nonzero()[0])}", "each target once a row")
    return _rows_to_pairs(targets)


def all_pairs(num_sources: int, num_targets: int) -> Tensor:
    """Every pair of source and target, [2, N_s * N_t] long, sorted by source."""
    return _rows_to_pairs(torch.arange(num_targets).expand(num_sources, -1))


def given_pairs(pairs: Tensor, num_sources: int, num_targets: int) -> tuple[Tensor, Tensor]:
    """Sort given candidate pairs, for instance rated items, by source; the order within a source is kept.

    Shapes:
        pairs: [2, E] long, source -> target.
        returns: (edge_index [2, E] long, order [E] long) with edge_index = pairs[:, order]; apply `order` to
            whatever else describes the pairs.

    Raises:
        GraphError: on a wrong type or shape, a row out of range, or a repeated pair (one copy's answer could
            be visible while the other is supervised).
    """
    check_tensor("pairs", pairs, "long", (2, None))
    check_range("pairs row 0", pairs[0], num_sources)
    check_range("pairs row 1", pairs[1], num_targets)
    keys, counts = torch.unique(pairs[0] * num_targets + pairs[1], return_counts=True)
    if len(keys) < pairs.size(1):
        pair = divmod(int(keys[counts > 1][0]), num_targets)
        raise GraphError.of("pairs", f"{pair} {int(counts.max())} times", "each pair once", "keep one of each")
    order = pairs[0].argsort(stable=True)
    return pairs[:, order], order


def recall(edge_index: Tensor, truth: Tensor) -> float:
    """Share of the sources with known truth whose true target is a candidate: the ceiling of accuracy.

    Shapes:
        edge_index: [2, E] long, candidate pairs. truth: [N_s] long, -1 where unknown.

    Raises:
        GraphError: if no truth is known, or a candidate's source has no row in `truth`.
    """
    check_range("edge_index row 0", edge_index[0], len(truth))
    known = truth >= 0
    if not known.any():
        raise GraphError.of("truth", "no known entry", "at least one entry >= 0")
    found = torch.zeros_like(known)
    found[edge_index[0, truth[edge_index[0]] == edge_index[1]]] = True
    return float(found[known].double().mean())


def build_graph(
    source_x: Tensor,
    target_x: Tensor,
    inter: Tensor,
    *,
    source_intra: Tensor | None = None,
    target_intra: Tensor | None = None,
    edge_attr: Tensor | None = None,
    prior: Tensor | None = None,
    visible: Tensor | None = None,
    message: Tensor | None = None,
    supervised: Tensor | None = None,
    y: Tensor | None = None,
) -> HeteroData:
    """Assemble one graph and validate it once; see `schema` for fields and shapes.

    Defaults: no intra edges, every candidate pair passes messages, none is supervised, `y` is zero, `n_id` counts
    rows. Intra edges may come in any order. `inter` must come sorted by source, since the other fields follow it.
    Floats of any width become `torch.get_default_dtype()`, that of a network's weights; NumPy's are wider.

    Raises:
        GraphError: whatever `validate` finds.
    """
    data = HeteroData()
    for node_type, x in ((SOURCE, source_x), (TARGET, target_x)):
        data[node_type].x = _plain(check_tensor(f"{node_type}_x", x, "float", (None, None)))
        data[node_type].n_id = torch.arange(len(x), device=x.device)
    for edge_type, edges in ((SOURCE_INTRA, source_intra), (TARGET_INTRA, target_intra)):
        data[edge_type].edge_index = _by_receiver(no_edges().to(source_x.device) if edges is None else edges)
    num_edges, device = check_tensor("inter", inter, "long", (2, None)).size(1), inter.device
    data[INTER].edge_index = inter
    data[INTER].message = torch.ones(num_edges, dtype=torch.bool, device=device) if message is None else message
    data[INTER].supervised = (
        torch.zeros(num_edges, dtype=torch.bool, device=device) if supervised is None else supervised
    )
    data[INTER].y = torch.zeros(num_edges, device=device) if y is None else _plain(y)
    for key, value in (("edge_attr", edge_attr), ("prior", prior), ("visible", visible)):
        if value is not None:
            data[INTER][key] = _plain(value)
    validate(data)
    return data


def _plain(value: Tensor) -> Tensor:
    """Floats as the default type; all else as it is, for `validate` to judge."""
    floats = isinstance(value, Tensor) and value.is_floating_point()
    return value.to(torch.get_default_dtype()) if floats else value


def _by_receiver(edges: Tensor) -> Tensor:
    return edges[:, check_tensor("intra edges", edges, "long", (2, None))[1].argsort(stable=True)]


def _rows_to_pairs(targets: Tensor) -> Tensor:
    """[N_s, K] long, -1 where there is no target -> [2, E] long, row after row."""
    sources = torch.arange(len(targets), device=targets.device)[:, None].expand_as(targets)
    listed = targets >= 0
    return torch.stack([sources[listed], targets[listed]])
