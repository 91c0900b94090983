"""What the files of two tables hold: features, known pairs and, where given, labels, scores and edges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rrnet_lightning.candidates.retrieval.space import SIDES, Side
from rrnet_lightning.data.tables.features import FeatureTable, read_features
from rrnet_lightning.data.tables.labels import Labels, read_labels
from rrnet_lightning.data.tables.links import Edges, Scores, read_edges, read_scores
from rrnet_lightning.data.tables.pairs import Pairs, read_pairs


@dataclass(frozen=True, eq=False)
class TableContent:
    """Two tables and what is known of their rows.

    Attributes:
        tables: features of each side.
        pairs: known pairs.
        labels: classes of the rows of a side, where there are such.
        scores: the user's own candidates.
        edges: the user's own neighbours within a side, where there are such.
    """

    tables: Mapping[Side, FeatureTable]
    pairs: Pairs
    labels: Mapping[Side, Labels] = field(default_factory=dict)
    scores: Scores | None = None
    edges: Mapping[Side, Edges] = field(default_factory=dict)

    def names(self, side: Side) -> list[str]:
        """Name of each row of a side."""
        table = self.tables[side]
        return [str(name) for name in table.ids or range(len(table.x))]

    def notes(self) -> str:
        """Say what of scores and edges was read and left out, where there are such."""
        given = [self.scores, *self.edges.values()]
        return " ".join(part.note for part in given if part is not None)


@dataclass(frozen=True)
class TableFiles:
    """Where the files are; the two ends of each tuple are source and target. See ``TablesDataModule`` for what is what.

    Attributes:
        features: of each side. pairs: between them.
        ids, columns, labels, edges: of each side, None where not given.
        scores: of pairs, None where not given.
    """

    features: tuple[str, str]
    pairs: str
    ids: tuple[str | None, str | None] = (None, None)
    columns: tuple[Sequence[str] | None, Sequence[str] | None] = (None, None)
    labels: tuple[str | None, str | None] = (None, None)
    scores: str | None = None
    edges: tuple[str | None, str | None] = (None, None)

    def read(self) -> TableContent:
        """Read all of them.

        Raises:
            DataError: names the file, and its line or column.
        """
        tables: dict[Side, FeatureTable] = {}
        for side, path, ids, columns in zip(SIDES, self.features, self.ids, self.columns, strict=True):
            tables[side] = read_features(path, ids=ids, columns=columns)
        one, two = tables.values()
        size, other = len(one.x), len(two.x)
        pairs = read_pairs(self.pairs, one.ids, two.ids, num_sources=size, num_targets=other)
        scores = None
        if self.scores is not None:
            scores = read_scores(self.scores, one.ids, two.ids, num_sources=size, num_targets=other)
        labels: dict[Side, Labels] = {}
        edges: dict[Side, Edges] = {}
        for (side, table), label, edge in zip(tables.items(), self.labels, self.edges, strict=True):
            if label is not None:
                labels[side] = read_labels(label, table.ids, num_rows=len(table.x))
            if edge is not None:
                edges[side] = read_edges(edge, table.ids, num_rows=len(table.x), name=f"{side}_edges")
        return TableContent(tables, pairs, labels, scores, edges)
