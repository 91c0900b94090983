"""RR-Net: encoder -> GCN units -> decoder, one score per candidate pair. The file to read first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn
from torch_geometric.data import HeteroData

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.schema import INTER, SOURCE, SOURCE_INTRA, SUPPORT, TARGET, TARGET_INTRA, message_ends
from rrnet_lightning.nn.layers import DEFAULT, InterEdgeLayer, IntraEdgeLayer, Kernel, NodeLayer, Options, PairLayer
from rrnet_lightning.nn.ops import MLP, Aggregation, Layer

Unit = Literal["intra", "inter", "pair"]
PAPER_SOUND: tuple[Unit, ...] = ("intra", "inter")
PAPER_IMAGE_SOCIAL: tuple[Unit, ...] = ("intra", "inter", "intra", "inter", "inter")


class RRNet(Layer):
    """The relational reasoning network, equations (1)-(8): graph in, one logit per inter-edge out.

    Args:
        source_dim, target_dim: widths of the node attributes ``x`` of the two modalities.
        edge_dim: width of the inter-edges' ``edge_attr``; 0 where the graphs carry none.
        hidden_dim: H, the width of every state. 16 in the paper.
        units: the GCN units in order. ``[intra, inter]`` is the paper's sound setting, ``[intra, inter, intra, inter,
            inter]`` its image and social one. ``pair`` is ours: see :class:`PairLayer`. An ``inter`` must come
            after the last ``intra``: the decoder reads inter-edges. ``[inter]`` alone passes no message: each pair is
            scored by itself from its ``edge_attr`` and its ends' ``x``, as a pair-MLP does.
        kernel: k_sr of equation (7), see :class:`InterEdgeLayer`.
        aggregation: mean or sum over the message edges in equation (8).
        edge_state: whether an edge's previous state enters equations (5) and (6). ``edge_attr`` reaches the network
            through that state: with ``edge_dim`` keep ``edge_state`` or ``residual`` on.
        residual: add each state to its update instead of replacing it.
        norm: layer normalisation of every hidden layer.
        dropout: share of hidden activations zeroed in training, in [0, 1).
        prior: add the graph's ``prior`` (a score known beforehand, on the logit scale) to the decoder's output, so that
            the network learns what to correct.
        support_dim: width of the numbers by which pairs support pairs; for ``pair`` units.
        linear: add a linear function of ``edge_attr`` to the decoder's output, all weights 1 at first: scores of about
            one scale add up from the start, and the network learns what that misses (Wide & Deep, arXiv 1606.07792).

    Raises:
        ValueError: an option outside its values, naming it.

    Shapes:
        data: a graph that :func:`validate` accepts: N_s + N_t nodes, E_i intra-, E inter-edges.
        returns: [E] logits.

    Time and memory grow with (E_i + E) · H per unit, plus (N_s · source_dim + N_t · target_dim) · H in the encoder.
    """

    def __init__(
        self,
        source_dim: int,
        target_dim: int,
        edge_dim: int = 0,
        hidden_dim: int = 16,
        units: Sequence[Unit] = PAPER_SOUND,
        *,
        kernel: Kernel = "hadamard",
        aggregation: Aggregation = "mean",
        edge_state: bool = True,
        residual: bool = False,
        norm: bool = False,
        dropout: float = 0.0,
        prior: bool = False,
        linear: bool = False,
        support_dim: int = 0,
    ) -> None:
        super().__init__()
        options = Options(kernel, aggregation, edge_state, residual, norm, dropout)
        _check(units, hidden_dim, edge_dim, support_dim, options)
        self.prior = prior
        self.encoder = Encoder(source_dim, target_dim, edge_dim, hidden_dim, options, intra="intra" in units)
        self.units = nn.ModuleList(
            IntraUnit(hidden_dim, options)
            if unit == "intra"
            else PairUnit(hidden_dim, support_dim, options)
            if unit == "pair"
            else InterUnit(hidden_dim, options, last=i == _last(units))
            for i, unit in enumerate(units)
        )
        self.support_dim = support_dim if "pair" in units else 0
        self.decoder = options.mlp([hidden_dim], hidden_dim, 1)
        if linear and not edge_dim:
            raise ValueError("linear: found true without edge_attr, wanted false, or graphs with edge_attr to add up")
        self.linear = nn.Linear(edge_dim, 1, bias=False) if linear else None
        self._start_linear()

    @property
    def hops(self) -> int:
        """How many edges away a node can change a score: one for each unit that updates nodes."""
        return sum(not isinstance(unit, PairUnit) for unit in self.units) - 1

    def forward(self, data: HeteroData) -> Tensor:
        """Score every inter-edge of the graph.

        Raises:
            GraphError: see :meth:`score`.
        """
        inter = data[INTER]
        return self.score(
            data[SOURCE].x,
            data[TARGET].x,
            data[SOURCE_INTRA].edge_index,
            data[TARGET_INTRA].edge_index,
            inter.edge_index,
            inter.message,
            inter.get("edge_attr"),
            inter.get("prior"),
            *((data[SUPPORT].edge_index, data[SUPPORT].edge_attr) if self.support_dim else ()),
        )

    def score(
        self,
        source_x: Tensor,
        target_x: Tensor,
        source_edges: Tensor,
        target_edges: Tensor,
        inter_edges: Tensor,
        message: Tensor,
        edge_attr: Tensor | None = None,
        prior: Tensor | None = None,
        support_index: Tensor | None = None,
        support_attr: Tensor | None = None,
    ) -> Tensor:
        """Score every inter-edge of a graph given by its tensors, as ``torch.export`` wants them.

        Shapes:
            source_x: [N_s, source_dim]. target_x: [N_t, target_dim].
            source_edges, target_edges: [2, E_i] long, the intra-edges. inter_edges: [2, E] long.
            message: [E] bool, or [E, 2], see :mod:`rrnet_lightning.graph.schema`.
            edge_attr: [E, edge_dim]. prior: [E]. Not looked at where the network does not read them.
            support_index: [2, S] long, inter-edge -> inter-edge. support_attr: [S, support_dim]. For pair units.
            returns: [E] logits.

        Raises:
            GraphError: a tensor that the network reads is missing, of another width or of another type than its
                weights. Names the field.
        """
        encoder = self.encoder
        self._check_input("source.x", source_x, encoder.source_dim, "source_dim")
        self._check_input("target.x", target_x, encoder.target_dim, "target_dim")
        if encoder.edge_dim:
            self._check_input("inter.edge_attr", edge_attr, encoder.edge_dim, "edge_dim")
        state = encoder(State(source_x, target_x, source_edges, target_edges, inter_edges, message), edge_attr)
        if self.support_dim:
            state.support_attr = self._check_input("support.edge_attr", support_attr, self.support_dim, "support_dim")
            state.support_index = support_index
        for unit in self.units:
            state = unit(state)
        logits: Tensor = self.decoder(state.inter).squeeze(1)
        if self.linear is not None:
            logits = logits + self.linear(edge_attr).squeeze(1)
        return logits + self._check_input("inter.prior", prior) if self.prior else logits

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        super().reset_parameters()
        self._start_linear()

    def _start_linear(self) -> None:
        if self.linear is not None:
            nn.init.ones_(self.linear.weight)

    def _check_input(self, field: str, value: Tensor | None, width: int | None = None, option: str = "") -> Tensor:
        if value is None:
            raise GraphError.of(field, "nothing", "one entry per inter-edge", "the network was told to read it")
        if width is not None and (value.dim() != 2 or value.shape[1] != width):
            raise GraphError.of(
                field, f"shape {list(value.shape)}", f"[*, {width}]", f"the network's {option} is {width}"
            )
        wanted = self.decoder.second.weight.dtype
        if value.dtype != wanted:
            names = [str(dtype).removeprefix("torch.") for dtype in (value.dtype, wanted)]
            raise GraphError.of(field, names[0], f"{names[1]}, as the network's weights are", "convert one of the two")
        return value


@dataclass
class State:
    """What flows through the units: node states, edge states (None where unread) and the fixed graph."""

    source: Tensor
    target: Tensor
    source_index: Tensor
    target_index: Tensor
    inter_index: Tensor
    message: Tensor
    source_intra: Tensor | None = None
    target_intra: Tensor | None = None
    inter: Tensor | None = None
    support_index: Tensor | None = None
    support_attr: Tensor | None = None


class Encoder(Layer):
    """Equation (1): v_i = φ_v(x_i), e_sr = φ_e([x_s ‖ x_r (‖ edge_attr)]), one φ per modality and kind of edge.

    Edges are encoded only where a layer reads their state: a parameter without a gradient stops DDP. ``intra`` tells
    whether there is an intra unit.
    """

    def __init__(
        self,
        source_dim: int,
        target_dim: int,
        edge_dim: int,
        hidden_dim: int,
        options: Options = DEFAULT,
        *,
        intra: bool = True,
    ) -> None:
        super().__init__()

        def mlp(*widths: int) -> MLP:
            return options.mlp(widths, hidden_dim, hidden_dim)

        intra = intra and options.reads_edges
        self.source_dim, self.target_dim, self.edge_dim = source_dim, target_dim, edge_dim
        self.source, self.target = mlp(source_dim), mlp(target_dim)
        self.source_intra = mlp(source_dim, source_dim) if intra else None
        self.target_intra = mlp(target_dim, target_dim) if intra else None
        self.inter = mlp(source_dim, target_dim, *([edge_dim] if edge_dim else [])) if options.reads_edges else None

    def forward(self, state: State, edge_attr: Tensor | None = None) -> State:
        """Encode nodes, given by their attributes, and edges."""
        x_s, x_t = state.source, state.target
        if self.source_intra is not None and self.target_intra is not None:
            state.source_intra = self.source_intra((x_s, state.source_index[0]), (x_s, state.source_index[1]))
            state.target_intra = self.target_intra((x_t, state.target_index[0]), (x_t, state.target_index[1]))
        if self.inter is not None:
            known = [edge_attr] if self.edge_dim else []
            state.inter = self.inter((x_s, state.inter_index[0]), (x_t, state.inter_index[1]), *known)
        state.source, state.target = self.source(x_s), self.target(x_t)
        return state


class IntraUnit(Layer):
    """Intra GCN unit: an intra-edge layer, then a node layer, in each modality with weights of its own."""

    def __init__(self, hidden_dim: int, options: Options = DEFAULT) -> None:
        super().__init__()
        self.source_edges, self.target_edges = IntraEdgeLayer(hidden_dim, options), IntraEdgeLayer(hidden_dim, options)
        self.source_nodes, self.target_nodes = NodeLayer(hidden_dim, options), NodeLayer(hidden_dim, options)

    def forward(self, state: State) -> State:
        """Update intra-edges, then the nodes that receive them."""
        state.source_intra = self.source_edges(state.source_intra, state.source, state.source_index)
        state.target_intra = self.target_edges(state.target_intra, state.target, state.target_index)
        state.source = self.source_nodes(state.source, state.source_intra, state.source_index[1])
        state.target = self.target_nodes(state.target, state.target_intra, state.target_index[1])
        return state


class InterUnit(Layer):
    """Inter GCN unit: an inter-edge layer, then a node layer at both ends; the ``last`` unit ends with its edges."""

    def __init__(self, hidden_dim: int, options: Options = DEFAULT, *, last: bool = False) -> None:
        super().__init__()
        self.edges = InterEdgeLayer(hidden_dim, options)
        self.source_nodes = None if last else NodeLayer(hidden_dim, options)
        self.target_nodes = None if last else NodeLayer(hidden_dim, options)

    def forward(self, state: State) -> State:
        """Update inter-edges, then at either end the nodes that the edges which are messages there touch."""
        index, (at_source, at_target) = state.inter_index, message_ends(state.message)
        state.inter = self.edges(state.inter, state.source, state.target, index)
        if self.source_nodes is not None and self.target_nodes is not None:
            state.source = self.source_nodes(state.source, state.inter, index[0], at_source)
            state.target = self.target_nodes(state.target, state.inter, index[1], at_target)
        return state


class PairUnit(Layer):
    """Pair unit: inter-edges hear the inter-edges of their ends' neighbours; nodes stay as they are."""

    def __init__(self, hidden_dim: int, support_dim: int, options: Options = DEFAULT) -> None:
        super().__init__()
        self.pairs = PairLayer(hidden_dim, support_dim, options)

    def forward(self, state: State) -> State:
        """Update inter-edges."""
        assert state.inter is not None and state.support_index is not None and state.support_attr is not None
        state.inter = self.pairs(state.inter, state.support_index, state.support_attr)
        return state


def _last(units: Sequence[str]) -> int:
    """Place of the last inter unit: after it no node is read."""
    return max(i for i, unit in enumerate(units) if unit == "inter")


def _check(units: Sequence[str], hidden_dim: int, edge_dim: int, support_dim: int, options: Options) -> None:
    unknown = sorted(set(units) - set(get_args(Unit)))
    if unknown:
        raise ValueError(f"units: found {unknown}, wanted a list of {', '.join(map(repr, get_args(Unit)))}")
    if "inter" not in units or "intra" in units[_last(units) :]:
        raise ValueError(
            f"units: found {list(units)}, wanted a list with 'inter' after every 'intra': the decoder reads "
            "inter-edges, which hear of nodes in inter units alone. Drop the intra units at the end or add 'inter'"
        )
    if "pair" in units and not support_dim:
        raise ValueError("units: found 'pair' for graphs without support (support_dim 0), wanted 'intra' and 'inter'")
    if "pair" in units[: units.index("inter")] and not options.reads_edges:
        raise ValueError("units: found 'pair' first with edge_state and residual off, wanted 'inter' before it")
    if hidden_dim < 1:
        raise ValueError(f"hidden_dim: found {hidden_dim}, wanted at least 1")
    if not 0 <= options.dropout < 1:
        raise ValueError(f"dropout: found {options.dropout}, wanted a share in [0, 1)")
    for name, kind in (("kernel", Kernel), ("aggregation", Aggregation)):
        if getattr(options, name) not in get_args(kind):
            raise ValueError(f"{name}: found {getattr(options, name)!r}, wanted one of {list(get_args(kind))}")
    if edge_dim and not options.reads_edges:
        raise ValueError(
            f"edge_dim: found {edge_dim} with edge_state and residual off, wanted 0: edge_attr reaches the network "
            "through the edge states alone. Turn one of the two on, or build graphs without edge_attr"
        )
