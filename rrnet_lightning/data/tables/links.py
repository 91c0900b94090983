"""A user's own candidates with scores, and a user's own neighbours, from CSV or Parquet files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from rrnet_lightning.data.tables.frame import read_frame
from rrnet_lightning.data.tables.pairs import assemble, located

Ids = Sequence[str] | None


@dataclass(frozen=True, eq=False)
class Scores:
    """Distinct pairs and their scores, in the order of the file.

    Attributes:
        index: [2, L] long, rows of the sources and of the targets.
        score: [L] float32, finite; more is better.
        note: how many there are and what was left out.
    """

    index: Tensor
    score: Tensor
    note: str = ""


@dataclass(frozen=True, eq=False)
class Edges:
    """Distinct edges between the rows of one table, in the order of the file.

    Attributes:
        index: [2, E] long, neighbour -> row.
        note: how many there are and what was left out.
    """

    index: Tensor
    note: str = ""


def read_scores(path: str | Path, source_ids: Ids, target_ids: Ids, *, num_sources: int, num_targets: int) -> Scores:
    """Read ``source,target,score`` by the rules of :func:`.pairs.read_pairs`; scores may be negative.

    Args:
        path: ends in ``.csv`` or ``.parquet``.
        source_ids: id of each source; None: the file holds row numbers, counted from 0.
        target_ids: see ``source_ids``.
        num_sources: rows of the source table.
        num_targets: rows of the target table.

    Raises:
        DataError: unreadable file, missing column, a score that is not a finite number, a pair that comes again with
            another score, or no row with two known ids.
    """
    frame = read_frame(path, ("source", "target", "score"))
    sizes = num_sources, num_targets
    ends, messages = located(frame, (source_ids, target_ids), sizes, what="scores_path", value="score")
    found = assemble(ends, frame.finite("score"), None, num_targets, messages)
    return Scores(found.index, found.weight, found.note("scores"))


def read_edges(path: str | Path, ids: Ids, *, num_rows: int, name: str) -> Edges:
    """Read ``source,target``, both rows of one table: a neighbour, and the row that hears it.

    Args:
        path: ends in ``.csv`` or ``.parquet``.
        ids: id of each row; None: the file holds row numbers, counted from 0.
        num_rows: rows of the table.
        name: what messages call the edges.

    Raises:
        DataError: unreadable file, missing column, or no row with two known ids.
    """
    frame = read_frame(path, ("source", "target"))
    ends, messages = located(frame, (ids, ids), (num_rows, num_rows), what=name)
    found = assemble(ends, None, None, num_rows, messages)
    return Edges(found.index, found.note(name))
