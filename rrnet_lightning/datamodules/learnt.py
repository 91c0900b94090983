"""What a checkpoint learnt from: kept in it as a digest, so that it refuses any other data."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import lightning as L
import torch

from rrnet_lightning.errors import DataError

DIGEST = "learnt_from"  # key in the state that a checkpoint keeps


class LearntDataModule(L.LightningDataModule, ABC):
    """A datamodule whose checkpoints know what they learnt from.

    Lightning keeps :meth:`state_dict` in every checkpoint and hands it back to ``validate``, ``test``, ``predict`` and
    a resumed ``fit``. Weights that learnt from other rows, or from another split of them, may have seen the answers
    that are asked now, so they are refused. The order of the rows and the folder they lie in do not matter.

    Raises:
        DataError: the checkpoint learnt from other rows than those that train and validate now.
    """

    _digest: str | None = None

    @abstractmethod
    def learnt_rows(self) -> Iterable[object]:
        """Return all that training and the choice of weights learn from: answers with their ids. Called after setup."""

    def state_dict(self) -> dict[str, Any]:
        """Return the digest of :meth:`learnt_rows`, made once."""
        if self._digest is None:
            # nothing of the run changes for being asked
            with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
                lines = sorted(map(repr, self.learnt_rows()))
            self._digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return {DIGEST: self._digest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare the digest of a checkpoint with that of the data at hand."""
        ours, theirs = self.state_dict()[DIGEST], state_dict.get(DIGEST)
        if theirs is not None and theirs != ours:
            raise DataError(
                f"--ckpt_path: the data is not that of the training: found rows and split {ours[:12]}, the checkpoint "
                f"learnt from {theirs[:12]}. It may have seen what is asked now. Use the files as they were then, or "
                "train anew"
            )
