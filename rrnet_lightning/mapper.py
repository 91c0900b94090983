"""A trained run, ready to rank: three lines of Python from new rows to their best partners."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentParser
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.candidates.retrieval.space import SIDES, Side, other
from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.datamodules import RetrievalDataModule, TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.errors import RunError
from rrnet_lightning.module import RRNetModule


@dataclass(frozen=True)
class Ranked:
    """The best rows of the other table for each that asks, best first.

    Attributes:
        ids: their names. rows: [M, k] long, their rows in that table.
        score: [M, k] probability among the candidates of what asks.
    """

    ids: list[list[str]]
    rows: Tensor
    score: Tensor


class Mapper:
    """A trained network and the tables it learnt from.

    To make one takes a fit of the generator, and a search of the known rows for all targets; the first question of a
    target takes one for all sources. To rank a new row then takes a search of the other table and of the known rows.

    Args:
        data: after ``setup``.
        module: trained on it.
    """

    def __init__(self, data: TablesDataModule, module: RRNetModule) -> None:
        self.data, self.module = data, module.eval()
        with torch.no_grad():
            data.everything().see_base("target")

    @torch.no_grad()
    def rank(self, new: Tensor | NDArray[Any], k: int = 10, side: Side = "source") -> Ranked:
        """Rank all targets for sources that need not be in the table, and return the ``k`` best of each.

        Each source is answered by itself: known rows speak for it, other new rows do not.

        Args:
            new: [M, D] features, a tensor or an array.
            k: at most the ``top_k`` candidates of the data, or all targets.
            side: ``target``: the new rows are targets, and all sources are ranked.

        Raises:
            DataError: rows of another width, or not finite.
            RunError: ``k`` outside 1 to that, or another side.
        """
        if side not in SIDES:
            raise RunError(f"side: found {side!r}, wanted 'source' or 'target'")
        there = other(side)
        rows_there = len(self.data.tables[there])
        most = min(self.data.top_k or rows_there, rows_there)
        if not 1 <= k <= most:
            raise RunError(f"k: found {k}, wanted 1 to {most}, the candidates of a {side}")
        view = self.data.ask(as_features(new, name=f"new {side}s").x, side)
        rows, score = [], []
        blocks = Blocks(self.data, "predict", views=[view])
        for number in range(len(blocks)):
            found = self.module.predict_step(blocks[(0, torch.tensor([number]))], number)
            order = torch.argsort(found["measured"], descending=True, stable=True)
            order = order[torch.argsort(found[side][order], stable=True)].view(-1, most)[:, :k]
            rows.append(found[there][order])
            score.append(found["score"][order])
        best, ids = torch.cat(rows), self.data.target_ids if side == "source" else self.data.source_ids
        return Ranked([[ids[row] for row in line] for line in best.tolist()], best, torch.cat(score))


def load(run: str | Path, checkpoint: str = "best") -> Mapper:
    """Load a run of tables: the folder that holds its ``config.yaml``.

    Args:
        run: the run's folder.
        checkpoint: ``best`` or ``last``.

    Raises:
        RunError: no run of tables lies there.
        DataError: its files are gone or hold other data than it learnt from.
    """
    folder = user_path(run)
    config, file = folder / "config.yaml", folder / "checkpoints" / f"{checkpoint}.ckpt"
    for path in (config, file):
        if not path.is_file():
            raise RunError(f"{path}: found no such file, wanted a run's folder: it holds config.yaml and checkpoints/")
    wanted = yaml.safe_load(config.read_text(encoding="utf-8"))["data"]
    kind = str(wanted.get("class_path", ""))
    if kind.rpartition(".")[2] not in (TablesDataModule.__name__, RetrievalDataModule.__name__):
        raise RunError(f"{config}: found the data {kind}, wanted TablesDataModule or RetrievalDataModule")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(TablesDataModule, "data")
    data = parser.instantiate_classes(parser.parse_object({"data": wanted})).data
    data.setup()
    state = torch.load(file, map_location="cpu", weights_only=True)
    data.load_state_dict(state.get(type(data).__qualname__, {}))
    return Mapper(data, RRNetModule.load_from_checkpoint(file, map_location="cpu"))
