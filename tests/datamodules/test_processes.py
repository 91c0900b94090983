import pickle

import pytest
import torch
import torch.distributed as dist

from rrnet_lightning.datamodules.batches import Stage
from rrnet_lightning.graph.schema import INTER, SOURCE, TARGET
from tests.datamodules.seen import differences
from tests.datamodules.toy import Toy, trainer_of


@pytest.mark.parametrize("stage", ["train", "val", "predict"])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_processes_ask_for_pairs_of_their_own(
    monkeypatch: pytest.MonkeyPatch, stage: Stage, batch_size: int | None
) -> None:
    """Without evidence the answers asked in training are the same at each step: no process takes another's."""
    task = Toy(evidence=False, batch_size=batch_size)
    ranks = []
    for rank in (0, 1):
        with monkeypatch.context() as patch:
            patch.setattr(dist, "is_initialized", lambda: True)
            patch.setattr(dist, "get_world_size", lambda: 2)
            patch.setattr(dist, "get_rank", lambda rank=rank: rank)
            batches = list(getattr(task, f"{stage}_dataloader")())
        pairs = [batch[INTER].edge_index[:, batch[INTER].supervised] for batch in batches]
        ends = [
            torch.stack([b[SOURCE].n_id[s], b[TARGET].n_id[t]], 1) for b, (s, t) in zip(batches, pairs, strict=True)
        ]
        ranks.append([tuple(pair) for pair in torch.cat(ends).tolist()])
    inter = task.stage_graph(stage)[INTER]
    asked = [tuple(pair) for pair in inter.edge_index[:, inter.asked].T.tolist()]
    assert sorted(ranks[0] + ranks[1]) == sorted(asked) and all(ranks)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_processes_that_prepare_batches_get_the_graph_and_no_network(batch_size: int | None) -> None:
    """What goes to a spawned process is pickled: a network of 4 MB, and a trainer that cannot be, stay behind."""
    task = Toy(batch_size=batch_size)
    task.trainer = trainer_of(torch.nn.Linear(1000, 1000), unpicklable=lambda: None)
    dataset = task.train_dataloader().dataset
    sent = pickle.dumps(dataset)
    assert len(sent) < 50_000
    draw = (1, torch.tensor([0, 3]))
    assert differences([pickle.loads(sent)[draw]], [dataset[draw]]) == set()
    assert task.trainer is not None
