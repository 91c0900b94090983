"""A trained run, ready to rank: three lines of Python from new rows to their best partners."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentParser
from numpy.typing import NDArray
from torch import Tensor

from rrnet_lightning.data.files.root import user_path
from rrnet_lightning.data.tables.features import as_features
from rrnet_lightning.datamodules import TablesDataModule
from rrnet_lightning.datamodules.tables.blocks import Blocks
from rrnet_lightning.errors import RunError
from rrnet_lightning.module import RRNetModule


@dataclass(frozen=True)
class Ranked:
    """The best targets of each source, best first.

    Attributes:
        ids: their names. rows: [M, k] long, their rows in the target table.
        score: [M, k] probability among the source's candidates.
    """

    ids: list[list[str]]
    rows: Tensor
    score: Tensor


class Mapper:
    """A trained network and the tables it learnt from.

    To make one takes a fit of the generator, and a search of the known rows for all targets. To rank a new row then
    takes a search of the targets and of the known rows.

    Args:
        data: after ``setup``.
        module: trained on it.
    """

    def __init__(self, data: TablesDataModule, module: RRNetModule) -> None:
        self.data, self.module = data, module.eval()
        with torch.no_grad():
            data.everything()

    @torch.no_grad()
    def rank(self, source: Tensor | NDArray[Any], k: int = 10) -> Ranked:
        """Rank all targets for sources that need not be in the table, and return the ``k`` best of each.

        Each source is answered by itself: known rows speak for it, other new rows do not.

        Args:
            source: [M, D] features, a tensor or an array.
            k: at most the ``top_k`` candidates of the data, or all targets.

        Raises:
            DataError: rows of another width, or not finite.
            RunError: ``k`` outside 1 to that.
        """
        targets = len(self.data.tables["target"])
        most = min(self.data.top_k or targets, targets)
        if not 1 <= k <= most:
            raise RunError(f"k: found {k}, wanted 1 to {most}, the candidates of a source")
        view = self.data.ask(as_features(source, name="new sources").x)
        rows, score = [], []
        blocks = Blocks(self.data, "predict", views=[view])
        for number in range(len(blocks)):
            found = self.module.predict_step(blocks[(0, torch.tensor([number]))], number)
            order = torch.argsort(found["measured"], descending=True, stable=True)
            order = order[torch.argsort(found["source"][order], stable=True)].view(-1, most)[:, :k]
            rows.append(found["target"][order])
            score.append(found["score"][order])
        best = torch.cat(rows)
        return Ranked([[self.data.target_ids[row] for row in line] for line in best.tolist()], best, torch.cat(score))


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
    if not str(wanted.get("class_path", "")).endswith("TablesDataModule"):
        raise RunError(f"{config}: found the data {wanted.get('class_path')}, wanted TablesDataModule")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(TablesDataModule, "data")
    data = parser.instantiate_classes(parser.parse_object({"data": wanted})).data
    data.setup()
    state = torch.load(file, map_location="cpu", weights_only=True)
    data.load_state_dict(state.get(type(data).__qualname__, {}))
    return Mapper(data, RRNetModule.load_from_checkpoint(file, map_location="cpu"))
