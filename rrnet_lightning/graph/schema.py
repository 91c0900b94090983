"""The contract everything else speaks: one cross-modal graph as a PyG `HeteroData`.

| store              | field        | shape              | meaning                                                    |
|--------------------|--------------|--------------------|------------------------------------------------------------|
| `source`, `target` | x            | [N, D] float       | raw node attributes; the two widths may differ             |
| `source`, `target` | n_id         | [N] long           | row in the full data set                                   |
| `source`, `target` | missed       | [N, R] long        | optional: ranks of true partners beyond the candidates     |
| `source`, `target` | missed_class | [N, R] long        | optional: ranks of partners by class beyond the candidates |
| both `intra`       | edge_index   | [2, E] long        | neighbour -> node, sorted by node (row 1); may be empty    |
| `inter`            | edge_index   | [2, E] long        | candidate pairs source -> target, sorted by source (row 0) |
| `inter`            | message      | [E] or [E, 2] bool | heard at both its ends; or at its source, at its target    |
| `inter`            | supervised   | [E] bool           | the edge counts in loss or metric                          |
| `inter`            | y            | [E] float          | 1/0 mapping, or a rating; read only where `supervised`     |
| `inter`            | edge_attr    | [E, F] float       | optional: what is known of the pair; 0 where hidden        |
| `inter`            | prior        | [E] float          | optional: initial score (a logit), added to the output     |
| `inter`            | visible      | [E] bool           | optional: the edge's own answer is shown in `edge_attr`    |
| `inter`            | asks         | [E, 2] bool        | optional: its source asks it, its target asks it           |
| `inter`            | relevant     | [E] bool           | optional: both ends share a class; for metrics by class    |

Ranks that are missed count from 1 in the whole ranking; -1 pads.

Pairs may support pairs. Then the inter-edges are nodes too, of the type `pair`, E of them in the same order:

| store              | field        | shape              | meaning                                                    |
|--------------------|--------------|--------------------|------------------------------------------------------------|
| `support`          | edge_index   | [2, S] long        | pair that speaks -> pair that hears, sorted by the second  |
| `support`          | edge_attr    | [S, F] float       | how alike the ends of the two are                          |

All floats are of one type. No pair is there twice. No edge is both `visible` and `supervised`. Further fields are
allowed and carried along.

The masks of an inter-edge. A task writes the first three into the graph of a stage; they end there. Each batch has the
others.

| mask       | shape         | says of the pair                      | written by               | read by             |
|------------|---------------|---------------------------------------|--------------------------|---------------------|
| observed   | [E]           | the stage may show its answer         | a task's `stage_graph()` | `GraphBatches`      |
| asked      | [E]           | the stage asks for its answer         | `stage_graph()`          | `GraphBatches`      |
| hidden     | [E, V]        | optional: set v hides it in training  | `stage_graph()`          | `GraphBatches`      |
| visible    | [E]           | observed, and not hidden in this step | `GraphBatches`           | a task's `reveal()` |
| supervised | [E]           | this step asks it; `y` is read there  | `GraphBatches`           | the module          |
| asks       | [E, 2]        | which end asks it; absent: both do    | `query_graph()`          | `RankingObjective`  |
| message    | [E] or [E, 2] | it is heard by the nodes at its ends  | `reveal()`, the sampler  | `nn`                |

`TablesDataModule` builds batches without a stage's graph: `query_graph()` writes all masks of theirs.
"""

from torch import Tensor
from torch_geometric.data import HeteroData

from rrnet_lightning.errors import GraphError
from rrnet_lightning.graph.checks import check_finite, check_range, check_tensor

EdgeType = tuple[str, str, str]

SOURCE = "source"
TARGET = "target"
SOURCE_INTRA = (SOURCE, "intra", SOURCE)
TARGET_INTRA = (TARGET, "intra", TARGET)
INTER = (SOURCE, "inter", TARGET)
PAIR = "pair"
SUPPORT = (PAIR, "support", PAIR)


def validate(data: HeteroData) -> None:
    """Check every field of the contract: presence, type, shape, index range, order and finite values.

    Holds for single graphs, for subgraphs and for `torch_geometric.data.Batch` of graphs. Costs O(nodes + edges), and a
    sort of the inter edges where a source's targets do not ascend.

    Raises:
        GraphError: names the first field that breaks the contract, what was found and what was wanted.
    """
    num_sources = _check_nodes(data, SOURCE)
    num_targets = _check_nodes(data, TARGET)
    _check_edges(data, SOURCE_INTRA, num_sources, num_sources)
    _check_edges(data, TARGET_INTRA, num_targets, num_targets)
    _check_answers(data, _check_edges(data, INTER, num_sources, num_targets))
    check_pairs_once(data[INTER].edge_index, num_targets)
    if SUPPORT in data.edge_types:
        _check_support(data)
    _check_one_float_type(data)


def message_ends(message: Tensor) -> tuple[Tensor, Tensor]:
    """Return the two masks of a `message`: which edges are aggregated at their source, and which at their target.

    An edge can tell its source without telling its target. One column stands for both.

    Shapes:
        message: [E] bool, or [E, 2] bool.  returns: [E] bool each.
    """
    return (message[:, 0], message[:, 1]) if message.dim() == 2 else (message, message)


def check_hidden(visible: Tensor, supervised: Tensor) -> None:
    """Refuse inter-edges whose own answer is visible while it is asked for.

    Shapes:
        visible, supervised: [E] bool.

    Raises:
        GraphError: with their number and the first of them.
    """
    shown = visible & supervised
    if shown.any():
        found = f"{int(shown.sum())} edges both visible and supervised, first edge {int(shown.nonzero()[0])}"
        wanted = "none: the network would see the answer it is asked for"
        raise GraphError.of("visible, supervised", found, wanted, "do not show (observed) what is asked in the stage")


def check_pairs_once(edge_index: Tensor, num_targets: int) -> None:
    """Refuse a repeated inter pair: one copy could show the answer that the other asks for.

    O(E) where the pairs are sorted by source, then by target, else O(E log E).

    Raises:
        GraphError: names the first pair that repeats.
    """
    key = edge_index[0] * num_targets + edge_index[1]
    if (key[1:] <= key[:-1]).any():
        key = key.sort().values
        twice = (key[1:] == key[:-1]).nonzero()
        if len(twice):
            pair = divmod(int(key[int(twice[0])]), num_targets)
            found, name = f"{pair} more than once", f"{'-'.join(INTER)}.edge_index"
            raise GraphError.of(name, found, "each pair once", "keep one of each, for instance by .unique(dim=1)")


def _check_nodes(data: HeteroData, node_type: str) -> int:
    if node_type not in data.node_types:
        raise GraphError.of(node_type, "no such node store", "x and n_id", "build graphs with build_graph()")
    store = data[node_type]
    x = check_tensor(f"{node_type}.x", store.get("x"), "float", (None, None))
    check_finite(f"{node_type}.x", x)
    check_tensor(f"{node_type}.n_id", store.get("n_id"), "long", (len(x),))
    for key in ("missed", "missed_class"):
        if key in store:
            check_tensor(f"{node_type}.{key}", store[key], "long", (len(x), None))
    return len(x)


def _check_edges(data: HeteroData, edge_type: EdgeType, num_senders: int, num_receivers: int) -> int:
    name = f"{'-'.join(edge_type)}.edge_index"
    if edge_type not in data.edge_types:
        raise GraphError.of(name, "no such edge store", "long [2, *]", "no_edges() gives an empty one")
    edge_index = check_tensor(name, data[edge_type].get("edge_index"), "long", (2, None))
    check_range(f"{name} row 0", edge_index[0], num_senders)
    check_range(f"{name} row 1", edge_index[1], num_receivers)
    row, order = (0, "source (row 0)") if edge_type == INTER else (1, "receiver (row 1)")
    falls = edge_index[row, 1:] < edge_index[row, :-1]
    if falls.any():
        remedy = "given_pairs() sorts" if edge_type == INTER else "given_edges() sorts"
        raise GraphError.of(name, f"a fall after edge {int(falls.nonzero()[0])}", f"edges sorted by {order}", remedy)
    return edge_index.size(1)


def _check_answers(data: HeteroData, num_edges: int) -> None:
    store, prefix = data[INTER], "-".join(INTER)
    message = store.get("message")
    ends = (num_edges, 2) if isinstance(message, Tensor) and message.dim() == 2 else (num_edges,)
    check_tensor(f"{prefix}.message", message, "bool", ends)
    supervised = check_tensor(f"{prefix}.supervised", store.get("supervised"), "bool", (num_edges,))
    y = check_tensor(f"{prefix}.y", store.get("y"), "float", (num_edges,))
    check_finite(f"{prefix}.y where supervised", y.where(supervised, 0))
    optional: dict[str, tuple[int | None, ...]] = {"edge_attr": (num_edges, None), "prior": (num_edges,)}
    for key, shape in optional.items():
        if key in store:
            check_finite(f"{prefix}.{key}", check_tensor(f"{prefix}.{key}", store[key], "float", shape))
    if "relevant" in store:
        check_tensor(f"{prefix}.relevant", store["relevant"], "bool", (num_edges,))
    if "asks" in store:
        _check_asks(check_tensor(f"{prefix}.asks", store["asks"], "bool", (num_edges, 2)), supervised)
    if "visible" in store:
        check_hidden(check_tensor(f"{prefix}.visible", store["visible"], "bool", (num_edges,)), supervised)


def _check_support(data: HeteroData) -> None:
    num_pairs, name = data[INTER].edge_index.size(1), "-".join(SUPPORT)
    if data[PAIR].num_nodes != num_pairs:
        raise GraphError.of(f"{PAIR}.num_nodes", data[PAIR].num_nodes, f"{num_pairs}, one for each inter-edge")
    edge_index = check_tensor(f"{name}.edge_index", data[SUPPORT].get("edge_index"), "long", (2, None))
    check_range(f"{name}.edge_index", edge_index, num_pairs)
    falls = edge_index[1, 1:] < edge_index[1, :-1]
    if falls.any():
        found = f"a fall after edge {int(falls.nonzero()[0])}"
        raise GraphError.of(f"{name}.edge_index", found, "edges sorted by the pair that hears (row 1)")
    attr = check_tensor(f"{name}.edge_attr", data[SUPPORT].get("edge_attr"), "float", (edge_index.size(1), None))
    check_finite(f"{name}.edge_attr", attr)


def _check_asks(asks: Tensor, supervised: Tensor) -> None:
    unasked = supervised & ~asks.any(1)
    if unasked.any():
        found = f"{int(unasked.sum())} supervised edges that no end asks, first edge {int(unasked.nonzero()[0])}"
        raise GraphError.of(f"{'-'.join(INTER)}.asks", found, "one end or both to ask each", "leave out asks: both do")


def _check_one_float_type(data: HeteroData) -> None:
    wanted = data[SOURCE].x.dtype
    fields = [(TARGET, "x"), *((INTER, key) for key in ("y", "edge_attr", "prior")), (SUPPORT, "edge_attr")]
    for store, key in fields:
        if store in (*data.node_types, *data.edge_types) and key in data[store] and data[store][key].dtype != wanted:
            name = store if isinstance(store, str) else "-".join(store)
            found, same = (str(dtype).removeprefix("torch.") for dtype in (data[store][key].dtype, wanted))
            raise GraphError.of(
                f"{name}.{key}", found, f"{same}, as source.x", "build_graph() makes all numbers of one type"
            )
