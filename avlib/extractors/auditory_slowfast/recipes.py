"""Recipes for Auditory SlowFast: the published ones and one for small data.

Source: Kazakos et al., ICASSP 2021 (VGG-Sound, EPIC-KITCHENS); Huh et al., ICASSP 2023
(EPIC-SOUNDS); clip lengths are those of the features that TIM (Chalk et al., CVPR 2024) reads.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from avlib.sections import Training, UserPath
from avlib.training.recipes import BaseRecipe, adjusted
from avlib.training.schedules import Schedule

AsfRecipeName = Literal[
    "small", "miniature", "miniature_events", "vggsound", "epic_sounds", "epic_kitchens"
]


@dataclass(frozen=True, kw_only=True)
class AsfRecipe(BaseRecipe):
    """How Auditory SlowFast is trained.

    Attributes:
        width: channels of the slow stem, a multiple of 8; 64 in the published models.
        sample_rate: Hz of the audio that the published weights expect; None for any.
        clip_s: length of one input in seconds.
        n_frames: frames of one input.
        fine_tunes: whether it begins with given weights, whose batch norms are frozen except
            the first three.
        dropout: rate before the classifiers.
        specaug: augmentation of the training items, a mode of `spec_augment.augment`.
        precise_batches: most batches for the precise statistics of the batch norms.
        truncates_samples: whether seconds become samples by cutting rather than by rounding.
    """

    sample_rate: int | None
    width: int = 64
    clip_s: float = 0.999
    n_frames: int = 200
    fine_tunes: bool = False
    dropout: float = 0.5
    validate_every: int = 2
    specaug: Literal["reference", "standard"] = "reference"
    precise_batches: int = 200
    truncates_samples: bool = False


SMALL = AsfRecipe(  # tens to thousands of events, random weights, a narrow network
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
    head_choices=(("class_id",), ("verb_class", "noun_class"), ("action_class",)),
)

MINIATURE = replace(  # synthetic audio needs fewer epochs: minutes on two cores
    SMALL,
    name="miniature",
    schedule=replace(SMALL.schedule, epochs=12),
    batch_size=8,
    width=8,
    validate_every=4,
)

ASF_RECIPES = {
    recipe.name: recipe
    for recipe in (
        AsfRecipe(
            name="vggsound",
            schedule=Schedule(0.01, epochs=50, steps=(0, 30, 40), factors=(1, 0.1, 0.01)),
            batch_size=32,
            views=2,
            sample_rate=16_000,
        ),
        AsfRecipe(
            name="epic_sounds",
            schedule=Schedule(0.001, epochs=30, steps=(0, 25), factors=(1, 0.1)),
            batch_size=128,
            views=5,
            sample_rate=24_000,
            fine_tunes=True,
            truncates_samples=True,
        ),
        AsfRecipe(
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
        MINIATURE,
        replace(  # rhythms and pitches are learnt at once
            MINIATURE,
            name="miniature_events",
            schedule=replace(MINIATURE.schedule, epochs=6),
            validate_every=3,
        ),
    )
}


class AsfTraining(Training):
    """Training of Auditory SlowFast on the study's own train split."""

    recipe: AsfRecipeName | None = Field(
        None, description="As published, or small; null: small, for the rendered videos miniature"
    )
    width: Annotated[int, Field(gt=0, multiple_of=8)] | None = Field(
        None, description="Channels of the slow stem; null: the recipe's"
    )
    checkpoint: UserPath | None = Field(None, description="Weights to start from; null: random")

    def adjusted_recipe(self) -> AsfRecipe:
        """Return the recipe with what differs from it.

        Raises:
            ValueError: if no recipe is named; which one is the default depends on the study.
        """
        if self.recipe is None:
            raise ValueError("name a recipe")
        recipe = adjusted(
            ASF_RECIPES[self.recipe],
            epochs=self.epochs,
            batch_size=self.batch_size,
            base_rate=self.learning_rate,
        )
        return replace(recipe, width=self.width or recipe.width)
