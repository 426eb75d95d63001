"""The base of all training recipes."""

from dataclasses import dataclass, replace
from typing import TypeVar

from avlib.training.schedules import Schedule


@dataclass(frozen=True)
class BaseRecipe:
    """Schedule and batch size, which every recipe has.

    Args:
        name: key of the recipe.
        schedule: learning rates; also the number of epochs.
        batch_size: items a step; all of them where a set is smaller.
    """

    name: str
    schedule: Schedule
    batch_size: int


AnyRecipe = TypeVar("AnyRecipe", bound=BaseRecipe)


def adjusted(
    recipe: AnyRecipe,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    base_rate: float | None = None,
) -> AnyRecipe:
    """Return `recipe` with other values where they are not None.

    Steps and warm-up keep their share of the epochs, other rates their ratio to the base rate.
    """
    old = recipe.schedule
    length = 1.0 if epochs is None else epochs / old.epochs
    height = 1.0 if base_rate is None else base_rate / old.base_rate
    schedule = replace(
        old,
        base_rate=old.base_rate * height,
        epochs=epochs or old.epochs,
        steps=tuple(step * length for step in old.steps),
        end_rate=old.end_rate * height,
        warmup_epochs=old.warmup_epochs * length,
        warmup_start_rate=old.warmup_start_rate * height,
    )
    return replace(recipe, schedule=schedule, batch_size=batch_size or recipe.batch_size)
