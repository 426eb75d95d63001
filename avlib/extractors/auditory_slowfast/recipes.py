"""Recipes for Auditory SlowFast: the published ones and one for small data.

Source: Kazakos et al., ICASSP 2021 (VGG-Sound, EPIC-KITCHENS); Huh et al., ICASSP 2023
(EPIC-SOUNDS); clip lengths are those of the features that TIM (Chalk et al., CVPR 2024) reads.
"""

from dataclasses import dataclass, replace
from typing import Literal

from avlib.training.recipes import BaseRecipe
from avlib.training.schedules import Schedule


@dataclass(frozen=True)
class Recipe(BaseRecipe):
    """How Auditory SlowFast is trained.

    Args:
        width: channels of the slow stem, a multiple of 8; 64 in the published models.
        views: evenly spaced parts of an event whose probabilities are averaged in evaluation.
        sample_rate: Hz of the sound that the published weights expect; None for any.
        clip_s: length of one input in seconds.
        n_frames: frames of one input.
        heads: columns with the class numbers, one a classifier.
        fine_tunes: whether it begins with given weights, whose batch norms are frozen except
            the first three.
        dropout: rate before the classifiers.
        validate_every: epochs from one validation to the next.
        specaug: augmentation of the training items, a mode of `spec_augment.augment`.
        precise_batches: most batches for the precise statistics of the batch norms.
        epoch_items: least items an epoch; a smaller set is gone through more than once.
        truncates_samples: whether seconds become samples by cutting rather than by rounding.
    """

    views: int
    sample_rate: int | None
    width: int = 64
    clip_s: float = 0.999
    n_frames: int = 200
    heads: tuple[str, ...] = ("class_id",)
    fine_tunes: bool = False
    dropout: float = 0.5
    validate_every: int = 2
    specaug: Literal["reference", "standard"] = "reference"
    precise_batches: int = 200
    epoch_items: int = 0
    truncates_samples: bool = False


SMALL = Recipe(  # tens to thousands of events, random weights, a narrow network
    name="small",
    schedule=Schedule(0.05, epochs=30, policy="cosine", warmup_epochs=2, warmup_start_rate=0.005),
    batch_size=16,
    views=3,
    sample_rate=None,
    width=16,
    dropout=0.2,
    validate_every=5,
    precise_batches=32,
    epoch_items=512,
)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="vggsound",
            schedule=Schedule(0.01, epochs=50, steps=(0, 30, 40), factors=(1, 0.1, 0.01)),
            batch_size=32,
            views=2,
            sample_rate=16_000,
        ),
        Recipe(
            name="epic_sounds",
            schedule=Schedule(0.001, epochs=30, steps=(0, 25), factors=(1, 0.1)),
            batch_size=128,
            views=5,
            sample_rate=24_000,
            fine_tunes=True,
            truncates_samples=True,
        ),
        Recipe(
            name="epic_kitchens",
            schedule=Schedule(0.001, epochs=30, steps=(0, 20, 25), factors=(1, 0.1, 0.01)),
            batch_size=32,
            views=10,
            sample_rate=24_000,
            clip_s=1.999,
            n_frames=400,
            heads=("verb_class", "noun_class"),
            fine_tunes=True,
        ),
        SMALL,
        replace(  # rendered sounds are soon learnt: minutes on two cores
            SMALL,
            name="miniature",
            schedule=replace(SMALL.schedule, epochs=12),
            batch_size=8,
            width=8,
            validate_every=4,
        ),
    )
}
