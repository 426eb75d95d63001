"""Recipes for the soundtrack networks: the published one, and one for small labelled sound.

Sources of the second: Zhang et al., "mixup", ICLR 2018; Park et al., "SpecAugment", Interspeech
2019; Szegedy et al., CVPR 2016 (label smoothing); Loshchilov and Hutter, ICLR 2017 (cosine).
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import Field

from avlib.errors import ConfigError
from avlib.sections import Training
from avlib.soundtracks.mel import Reference
from avlib.soundtracks.network_choice import NetworkChoice
from avlib.training.recipes import BaseRecipe, adjusted
from avlib.training.schedules import Schedule


class SoundtrackTraining(Training):
    """Training of the network on the study's own train split."""

    recipe: Literal["kinetics600", "small", "miniature"] | None = Field(
        None, description="null: kinetics600 (published) for Kinetics, small for other sounds"
    )


@dataclass(frozen=True)
class ImageAugmentation:
    """Augmentation of the audio images of the train split.

    Attributes:
        shift_frames: largest shift in time, in frames; an image is cut out of its soundtrack,
            which is repeated in a circle, that much earlier or later.
        masks: number of stretches of bands, and of frames, that are replaced by the image's mean.
        mask_bands: upper bound of the bands that each covers, itself excluded.
        mask_frames: upper bound of the frames that each covers, itself excluded.
        stretch: largest change of the tempo, as the logarithm of a factor.
        shift_bands: largest shift in pitch, in bands.
    """

    shift_frames: int
    masks: int
    mask_bands: int
    mask_frames: int
    stretch: float = 0.0
    shift_bands: int = 0


@dataclass(frozen=True, kw_only=True)
class SoundtrackRecipe(BaseRecipe):
    """How a soundtrack network is trained, in epochs of as many items as there are clips.

    Attributes:
        optimizer: stochastic gradient descent, or AdamW.
        momentum: of the gradient descent.
        weight_decay: for weights that are matrices or kernels.
        label_smoothing: share of a label that is spread over all classes.
        mixup: both parameters of the beta distribution of the shares in which two items are
            mixed; 0 mixes none.
        clips_together: clips of a soundtrack that are neighbours in a batch, which holds a whole
            number of such groups, for the loss of `avlib.soundtracks.steps.grouped_loss`. With 1
            every clip is an item of an epoch, with more every soundtrack is drawn equally often.
        augmentation: of the single images; None leaves them unchanged.
        keeps: which weights are kept, those that are best in validation or those of the last epoch.
        choice: the network that is trained if none is configured.
        reference: what is 0 dB in the images if nothing is configured.
        drops_silence: whether wholly silent clips are excluded from training and scoring, unless
            a soundtrack has no other.
        half_steps: whether scoring adds windows that begin half way between two clips.
    """

    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    clips_together: int = 1
    augmentation: ImageAugmentation | None = None
    keeps: Literal["best", "last"] = "best"
    choice: NetworkChoice = field(default_factory=NetworkChoice)
    reference: Reference = "clip"
    drops_silence: bool = False
    half_steps: bool = False


_SMALL = SoundtrackRecipe(  # hundreds to thousands of clips
    name="small",
    schedule=Schedule(3e-3, epochs=60, policy="cosine", warmup_epochs=2, warmup_start_rate=1e-5),
    batch_size=16,
    optimizer="adamw",
    weight_decay=0.05,
    label_smoothing=0.1,
    mixup=0.1,
    clips_together=4,
    augmentation=ImageAugmentation(
        shift_frames=48, masks=1, mask_bands=10, mask_frames=16, stretch=0.15, shift_bands=3
    ),
    keeps="last",
    choice=NetworkChoice("resnet18", pool="full", width=32, stem_stride=2, standardises=True),
    reference="soundtrack",
    drops_silence=True,
    half_steps=True,
)

SOUNDTRACK_RECIPES = {
    recipe.name: recipe
    for recipe in (
        SoundtrackRecipe(  # the original's batches are of 32 a GPU
            name="kinetics600",
            schedule=Schedule(0.01, epochs=10, steps=(0, 3, 6, 9), factors=(1, 0.1, 0.01, 0.001)),
            batch_size=32,
            keeps="last",
        ),
        _SMALL,
        replace(  # the rendered sounds
            _SMALL,
            name="miniature",
            schedule=replace(_SMALL.schedule, epochs=20),
            choice=replace(_SMALL.choice, width=8),
        ),
    )
}


def training_recipe(training: SoundtrackTraining) -> SoundtrackRecipe:
    """Return the configured recipe, with the configured values in place of its own.

    Raises:
        ConfigError: if no recipe is named.
    """
    if training.recipe is None:
        raise ConfigError("training.recipe is null; name one of " + ", ".join(SOUNDTRACK_RECIPES))
    return adjusted(
        SOUNDTRACK_RECIPES[training.recipe],
        epochs=training.epochs,
        batch_size=training.batch_size,
        base_rate=training.learning_rate,
    )
