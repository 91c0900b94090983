"""Learning-rate schedules over shares of the training."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.optim import SGD

from rrnet_lightning.schedulers import TrainingShareLR, WarmupCosineLR, WarmupMultiStepLR


def optimizer(rate: float = 0.4) -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def rates(make: Callable[[SGD], TrainingShareLR], steps: int, start: int = 0, state: dict[str, object] | None = None):  # type: ignore[no-untyped-def]
    """The rate of each step from ``start`` on, and the state after them."""
    of = optimizer()
    scheduler = make(of)
    scheduler.start(steps)
    if state is not None:
        scheduler.load_state_dict(state)
        of.param_groups[0]["lr"] = scheduler.get_last_lr()[0]
    found = []
    for _ in range(start, steps):
        found.append(of.param_groups[0]["lr"])
        of.step()
        scheduler.step()
    return found, scheduler.state_dict()


def factor(progress: float, warmup: float, milestones: list[float] | None) -> float:
    """The share of the full rate at a share of the training, by the definition."""
    if milestones is None:
        full = 0.5 * (1 + math.cos(math.pi * max(0.0, progress - warmup) / (1 - warmup))) if warmup < 1 else 1.0
    else:
        full = 0.1 ** sum(progress > milestone for milestone in milestones)
    return full * min(1.0, progress / warmup) if warmup else full


@pytest.mark.parametrize("warmup", [0.0, 0.005, 0.2, 1.0])
@pytest.mark.parametrize("milestones", [None, [], [0.3, 0.6, 0.9]])
def test_rates_are_those_of_the_definition(warmup: float, milestones: list[float] | None) -> None:
    def make(of: SGD) -> TrainingShareLR:
        return WarmupCosineLR(of, warmup) if milestones is None else WarmupMultiStepLR(of, milestones, warmup)

    found, _ = rates(make, 50)
    assert found == [0.4 * factor((step + 0.5) / 50, warmup, milestones) for step in range(50)]


def test_a_resumed_schedule_goes_on_and_may_be_given_more_steps() -> None:
    whole, _ = rates(lambda of: WarmupCosineLR(of, 0.2), 20)
    _, state = rates(lambda of: WarmupCosineLR(of, 0.2), 10)
    rest, _ = rates(lambda of: WarmupCosineLR(of, 0.2), 20, 10, state)
    assert rest[1:] == whole[11:]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("warmup", lambda of: WarmupCosineLR(of, 1.5)),
        ("warmup", lambda of: WarmupMultiStepLR(of, [], -0.1)),
        ("milestones", lambda of: WarmupMultiStepLR(of, [0.5, 30])),
    ],
)
def test_what_is_no_share_is_named(name: str, make: Callable[[SGD], TrainingShareLR]) -> None:
    with pytest.raises(ValueError, match=f"{name}: found .*, wanted a share"):
        make(optimizer())
