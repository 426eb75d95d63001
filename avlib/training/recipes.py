"""The base of all training recipes."""

from collections.abc import Container
from dataclasses import dataclass, replace
from typing import TypeVar

from avlib.training.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class BaseRecipe:
    """How a network is trained on labelled events.

    Attributes:
        name: key of the recipe.
        schedule: learning rates; also the number of epochs.
        batch_size: items a step; all of them where a set is smaller.
        epoch_items: least items an epoch; a smaller set is gone through more than once.
        heads: columns with the class numbers, one a classifier; events with numbers in them are
            those that are trained on.
        head_choices: in place of `heads`, the first of these all of whose columns have classes.
        views: evenly spaced parts of an event whose probabilities are averaged in evaluation.
        validate_every: epochs from one validation to the next.
    """

    name: str
    schedule: Schedule
    batch_size: int
    epoch_items: int = 0
    heads: tuple[str, ...] = ("class_id",)
    head_choices: tuple[tuple[str, ...], ...] = ()
    views: int = 1
    validate_every: int = 1


AnyRecipe = TypeVar("AnyRecipe", bound=BaseRecipe)


def with_heads(recipe: AnyRecipe, classes: Container[str]) -> AnyRecipe:
    """Return `recipe` with the heads of its choices that a study has classes for.

    Args:
        recipe: unchanged if none of its choices fits.
        classes: columns of class numbers.
    """
    fitting = (heads for heads in recipe.head_choices if all(h in classes for h in heads))
    return replace(recipe, heads=next(fitting, recipe.heads))


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
