"""Seeds -> subgraph mini-batches."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import BaseStorage

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.checks import check_range, check_tensor
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, TARGET, TARGET_INTRA, EdgeType, message_ends


class NeighborSampler:
    """Samples the neighbourhood of seed sources, hop by hop, out of one large graph.

    The roots are the seeds and the targets of all their inter edges, message or not. At hop h every newly reached
    node draws, uniformly and without replacement, at most fan_out[h] (-1: all) of the edges it aggregates, once for
    each kind: intra edges into it, and inter edges that are *messages* at its end. An inter edge that one end drew is
    a message at that end alone: what the other end hears stays a fair sample of its own edges. With fan_out = [-1] * L
    the outputs on the seeds' edges equal those of the full graph for a network of up to L units that pass messages.

    Edge lists are grouped by node once, here; `message` and all other fields are read anew from the graph given to
    `sample`. A hop costs a vectorised pass over one bit a node, a call a few over one bit an edge; all else grows
    with the subgraph alone.

    Args:
        data: a graph that keeps the contract of `schema`.
        fan_out: one entry a hop.
        targets_whole: a graph with at most so many targets keeps all targets and all target intra edges.

    Raises:
        GraphError: if an entry of `fan_out` is below -1.
    """

    def __init__(self, data: HeteroData, fan_out: Sequence[int], *, targets_whole: int = 1024) -> None:
        if any(size < -1 for size in fan_out):
            raise GraphError.of("fan_out", list(fan_out), "entries >= 0, or -1 for all neighbours")
        self.fan_out = list(fan_out)
        num_sources, num_targets = len(data[SOURCE].x), len(data[TARGET].x)
        self.whole = num_targets <= targets_whole
        self._source_intra = _Incidence.of(data[SOURCE_INTRA].edge_index[1], num_sources)
        self._target_intra = _Incidence.of(data[TARGET_INTRA].edge_index[1], num_targets)
        self._by_source = _Incidence.of(data[INTER].edge_index[0], num_sources)
        self._by_target = _Incidence.of(data[INTER].edge_index[1], num_targets)

    def sample(self, data: HeteroData, seeds: Tensor, generator: torch.Generator | None = None) -> HeteroData:
        """The subgraph around `seeds`, a new graph that keeps the contract; `data` is left as it is.

        Every inter edge of a seed is in it, and only those stay `supervised`. Other edges are the sampled ones, not
        all edges between sampled nodes. `message` has two columns: the edge was drawn at its source, at its target; a
        node reached at the last hop draws none. Nodes and edges keep their order; tensors in a store whose first
        dimension counts its nodes or edges are cut to match, all else is carried as it is. `n_id` leads back to the
        full data.

        Args:
            data: the graph given at construction; other fields than the edge indices may have changed since.
            seeds: [B] long, source rows of `data`.
            generator: of any device; the same state gives the same subgraph.

        Raises:
            GraphError: on seeds that are empty, mistyped or out of range, or a graph with other edge counts.
        """
        self._check(data, seeds)
        nodes, edges, message = self._expand(data, seeds, generator)
        out = _restrict(data, nodes, edges)
        out[INTER].message = message[edges[INTER]]
        is_seed = _no_rows(data[SOURCE].x).index_fill_(0, seeds, True)
        out[INTER].supervised = out[INTER].supervised & is_seed[data[INTER].edge_index[0, edges[INTER]]]
        return out

    def _expand(
        self, data: HeteroData, seeds: Tensor, generator: torch.Generator | None
    ) -> tuple[dict[str, Tensor], dict[EdgeType, Tensor], Tensor]:
        """Masks of the nodes reached, of the edges in the subgraph, and of the inter edges that each end drew."""
        source, target = data[INTER].edge_index
        at_source, at_target = message_ends(data[INTER].message)
        by_source, by_target = self._by_source.keep(at_source), self._by_target.keep(at_target)
        message = torch.zeros(len(source), 2, dtype=torch.bool, device=source.device)
        seen_s, seen_t = _no_rows(data[SOURCE].x), _no_rows(data[TARGET].x)
        drawn = {t: _no_rows(data[t].edge_index[0]) for t in (SOURCE_INTRA, TARGET_INTRA, INTER)}
        new_s = _mark(seen_s, seeds)
        seed_edges = _mark(drawn[INTER], self._by_source.pick(new_s, -1))
        new_t = _mark(seen_t, target[seed_edges])
        for size in self.fan_out:
            intra_s = self._source_intra.pick(new_s, size, generator)
            intra_t = self._target_intra.pick(new_t, -1 if self.whole else size, generator)
            own_s, own_t = by_source.pick(new_s, size, generator), by_target.pick(new_t, size, generator)
            message[own_s, 0], message[own_t, 1] = True, True
            pairs = torch.cat([own_s, own_t])
            for edge_type, picked in ((SOURCE_INTRA, intra_s), (TARGET_INTRA, intra_t), (INTER, pairs)):
                drawn[edge_type][picked] = True
            new_s = _mark(seen_s, data[SOURCE_INTRA].edge_index[0, intra_s], source[pairs])
            new_t = _mark(seen_t, data[TARGET_INTRA].edge_index[0, intra_t], target[pairs])
        if self.whole:
            seen_t.fill_(True)
            drawn[TARGET_INTRA].fill_(True)
        return {SOURCE: seen_s, TARGET: seen_t}, drawn, message

    def _check(self, data: HeteroData, seeds: Tensor) -> None:
        check_range("seeds", check_tensor("seeds", seeds, "long", (None,)), len(data[SOURCE].x))
        if not len(seeds):
            raise GraphError.of("seeds", "none", "at least one source row")
        groups = {SOURCE_INTRA: self._source_intra, TARGET_INTRA: self._target_intra, INTER: self._by_source}
        for edge_type, incidence in groups.items():
            found, wanted = data[edge_type].edge_index.size(1), len(incidence.edges)
            if found != wanted:
                name = "-".join(edge_type)
                raise GraphError.of(name, f"{found} edges", f"the {wanted} of construction", "build a new sampler")


class _Incidence(NamedTuple):
    """Edges grouped by the node at one of their ends: those of node i are edges[ptr[i] : ptr[i + 1]]."""

    ptr: Tensor
    edges: Tensor

    @classmethod
    def of(cls, ends: Tensor, num_nodes: int) -> "_Incidence":
        return cls(pad(ends.bincount(minlength=num_nodes).cumsum(0), (1, 0)), ends.argsort(stable=True))

    def keep(self, mask: Tensor) -> "_Incidence":
        """The same grouping of the edges in `mask` alone."""
        kept = mask[self.edges]
        return _Incidence(pad(kept.cumsum(0), (1, 0))[self.ptr], self.edges[kept])

    def pick(self, nodes: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
        """At most `size` (-1: all) random edges of each of the nodes, in one flat list."""
        start, degree = self.ptr[nodes], self.ptr[nodes + 1] - self.ptr[nodes]
        few = degree <= size if size >= 0 else torch.ones_like(degree).bool()
        first, count = start[few], degree[few]
        shift = (first - count.cumsum(0) + count).repeat_interleave(count)
        whole = shift + torch.arange(len(shift), device=shift.device)
        some = start[~few, None] + _distinct(degree[~few], max(size, 0), generator)
        return self.edges[torch.cat([whole, some.reshape(-1)])]


def _distinct(counts: Tensor, size: int, generator: torch.Generator | None) -> Tensor:
    """`size` different numbers below each count, uniform: [n] -> [n, size]. Floyd's algorithm, a row a count."""
    device = generator.device if generator else counts.device
    noise = torch.rand(len(counts), size, dtype=torch.double, generator=generator, device=device).to(counts.device)
    drawn = counts.new_empty(len(counts), size)
    for i in range(size):
        last = counts - size + i
        number = (noise[:, i] * (last + 1)).long()
        repeated = (drawn[:, :i] == number[:, None]).any(1)
        drawn[:, i] = torch.where(repeated, last, number)
    return drawn


def _no_rows(x: Tensor) -> Tensor:
    return torch.zeros(len(x), dtype=torch.bool, device=x.device)


def _mark(seen: Tensor, *reached: Tensor) -> Tensor:
    """Mark the rows reached as seen; return those that are new, ascending."""
    new = torch.zeros_like(seen)
    new[torch.cat(reached)] = True
    new &= ~seen
    seen |= new
    return new.nonzero().squeeze(1)


def _restrict(data: HeteroData, nodes: dict[str, Tensor], edges: dict[EdgeType, Tensor]) -> HeteroData:
    """The graph of the masked nodes and edges; every per-node and per-edge tensor is cut to match."""
    out = copy.copy(data)
    row = {node_type: seen.cumsum(0) - 1 for node_type, seen in nodes.items()}  # old row -> new row
    for node_type, seen in nodes.items():
        _cut(out[node_type], seen)
    for edge_type, drawn in edges.items():
        sender, receiver = data[edge_type].edge_index[:, drawn]
        _cut(out[edge_type], drawn)
        out[edge_type].edge_index = torch.stack([row[edge_type[0]][sender], row[edge_type[2]][receiver]])
    return out


def _cut(store: BaseStorage, mask: Tensor) -> None:
    rows = mask.nonzero().squeeze(1)
    for key, value in list(store.items()):
        if key != "edge_index" and isinstance(value, Tensor) and value.dim() and len(value) == len(mask):
            store[key] = value[rows]
