"""What is said of rows and pairs: the options, and the rows of one side as the known pairs see them."""

from dataclasses import dataclass, fields

from torch import Tensor

from rrnet_lightning.errors import DataError


@dataclass(frozen=True)
class Bridges:
    """Which relations an edge carries. See :mod:`rrnet_lightning.evidence.bridge` for the formulas.

    Args:
        neighbours: k, the known rows of its own side that speak for a row.
        temperature: τ of their weights.
        raw: bridges in the tables' own features, less their mean.
        space: bridges in the generator's space.
        hubness: how many known rows of the other side a row's hubness is the mean over; 0 leaves hubness out.
        supports: neighbours of each end through whose known pairs a pair is heard, in ``pair`` units; 0 for none.
        partners: known pairs at most by which a neighbour speaks there.
        classes: labels of known rows are evidence too: neighbours vote on the classes of both ends of a pair.
    """

    neighbours: int = 10
    temperature: float = 0.1
    raw: bool = True
    space: bool = True
    hubness: int = 10
    supports: int = 5
    partners: int = 2
    classes: bool = False

    def __post_init__(self) -> None:
        least = {"neighbours": 1, "hubness": 0, "supports": 0, "partners": 1}
        for option in fields(self):
            found = getattr(self, option.name)
            if option.name in least and found < least[option.name]:
                raise DataError(f"relations.{option.name}: found {found}, wanted at least {least[option.name]}")
        if not self.bridged:
            raise DataError("relations.raw, relations.space: found both false, wanted bridges in one space at least")
        if not self.temperature > 0:
            raise DataError(f"relations.temperature: found {self.temperature}, wanted more than 0")
        if self.supports > self.neighbours:
            raise DataError(
                f"relations.supports: found {self.supports}, wanted at most {self.neighbours}, the neighbours"
            )

    @property
    def bridged(self) -> int:
        """Number of spaces that bridges are made in."""
        return self.raw + self.space

    @property
    def node_width(self) -> int:
        """Numbers of a row: nearest and mean similarity for each bridge, hubness of each score of one vector."""
        return 2 * self.bridged + (self.hubness > 0) * (1 + 2 * self.bridged)

    @property
    def edge_width(self) -> int:
        """Numbers of an edge: the score, three or four of each bridge, and those of both ends."""
        return 1 + (3 + self.classes) * self.bridged + 2 * self.node_width

    @property
    def support_width(self) -> int:
        """Numbers of a support: similarity of both ends in each space, two scores across, and whose neighbour it is."""
        return 0 if not self.supports else 2 * (1 + self.raw) + 3


@dataclass(frozen=True)
class Seen:
    """Rows of one side, N of them, as the known pairs see them.

    Attributes:
        vectors: [N, H] unit rows in each space, that of the generator last.
        carried: [N, H'] in each bridged space, on the other side.
        near: weights [N, k] and positions [N, k] of the neighbours in each bridged space.
        votes: [N, C] share of the neighbours' weight on each class, in each bridged space; none without classes.
        numbers: [N, node_width].
    """

    vectors: list[Tensor]
    carried: list[Tensor]
    near: list[tuple[Tensor, Tensor]]
    votes: list[Tensor]
    numbers: Tensor

    def __getitem__(self, rows: Tensor) -> "Seen":
        """Some of the rows."""
        return Seen(
            [x[rows] for x in self.vectors],
            [x[rows] for x in self.carried],
            [(weight[rows], position[rows]) for weight, position in self.near],
            [x[rows] for x in self.votes],
            self.numbers[rows],
        )
