"""Learning rate as a function of the fractional epoch (epoch + step / steps per epoch)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from avlib.errors import ConfigError


@dataclass(frozen=True)
class Schedule:
    """Which rate at which epoch.

    Args:
        base_rate: the rate that the factors multiply, or from which the cosine falls.
        epochs: length of the training, in epochs.
        policy: `steps` (factors from given epochs on) or `cosine` (half a period to `end_rate`).
        steps: first epochs of the factors, ascending, the first of them 0; for `steps`.
        factors: multiples of `base_rate`, one for each of `steps`.
        end_rate: rate at the last epoch; for `cosine`.
        warmup_epochs: epochs at the start with a linearly growing rate; 0 or less for none.
        warmup_start_rate: rate at epoch 0 of the warm-up.

    Raises:
        ConfigError: if the steps do not begin at 0, do not ascend or do not match the factors.
    """

    base_rate: float
    epochs: int
    policy: Literal["steps", "cosine"] = "steps"
    steps: tuple[float, ...] = (0,)
    factors: tuple[float, ...] = (1,)
    end_rate: float = 0.0
    warmup_epochs: float = 0.0
    warmup_start_rate: float = 0.0

    def __post_init__(self) -> None:
        if self.policy == "cosine":
            return
        if len(self.steps) != len(self.factors):
            raise ConfigError(
                f"learning rate: {len(self.steps)} steps {self.steps} need as many factors, "
                f"found {self.factors}"
            )
        if self.steps[:1] != (0,) or list(self.steps) != sorted(self.steps):
            raise ConfigError(
                f"learning rate: steps {self.steps} must begin with epoch 0 and ascend"
            )


def learning_rate(epoch: float, schedule: Schedule) -> float:
    """Return the rate at a fractional epoch.

    The factor of `steps` is that of the last step at or before `epoch`. A warm-up runs in a
    straight line from its start rate to the rate that the policy has at its end.
    """
    warmup = schedule.warmup_epochs
    if epoch < warmup:
        start, stop = schedule.warmup_start_rate, _policy_rate(warmup, schedule)
        return start + (stop - start) * epoch / warmup
    return _policy_rate(epoch, schedule)


def _policy_rate(epoch: float, schedule: Schedule) -> float:
    if schedule.policy == "cosine":
        fall = 0.5 * (1 + math.cos(math.pi * epoch / schedule.epochs))
        return schedule.end_rate + (schedule.base_rate - schedule.end_rate) * fall
    factors = zip(schedule.steps, schedule.factors, strict=True)
    passed = [factor for step, factor in factors if step <= epoch]
    return schedule.base_rate * passed[-1]


def schedule_from_solver(solver: Mapping[str, Any]) -> Schedule:
    """Return the schedule that the `SOLVER` section of a published configuration describes.

    Raises:
        ConfigError: if the policy is neither `steps_with_relative_lrs` nor `cosine`.
    """
    policies: dict[str, Literal["steps", "cosine"]] = {
        "steps_with_relative_lrs": "steps",
        "cosine": "cosine",
    }
    if solver["LR_POLICY"] not in policies:
        raise ConfigError(
            f"SOLVER.LR_POLICY: {solver['LR_POLICY']!r} is unknown; use one of {sorted(policies)}"
        )
    return Schedule(
        base_rate=solver["BASE_LR"],
        epochs=solver["MAX_EPOCH"],
        policy=policies[solver["LR_POLICY"]],
        steps=tuple(solver["STEPS"]),
        factors=tuple(solver["LRS"]),
        end_rate=solver.get("COSINE_END_LR", 0.0),
        warmup_epochs=solver["WARMUP_EPOCHS"],
        warmup_start_rate=solver["WARMUP_START_LR"],
    )


def warm_cosine_rate(
    step: int, *, base_rate: float, end_rate: float, total_steps: int, warmup_steps: int
) -> float:
    """Return the rate at a step, from 0: half a period of the cosine under a linear warm-up.

    Source: Chalk et al., "TIM", CVPR 2024. The cosine does not wait for the end of the warm-up:
    its rate is multiplied by (step + 1) / warmup_steps while that is less than 1. After the last
    step, at `total_steps`, the rate is `end_rate`.
    """
    fall = 0.5 * (1 + math.cos(math.pi * step / total_steps))
    rate = end_rate + (base_rate - end_rate) * fall
    return rate * min(1.0, (step + 1) / warmup_steps) if warmup_steps else rate
