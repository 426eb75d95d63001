"""Recipes for the soundtrack networks: the published one, and one for small labelled sound.

Sources of the second: Zhang et al., "mixup", ICLR 2018; Park et al., "SpecAugment", Interspeech
2019; Szegedy et al., CVPR 2016 (label smoothing); Loshchilov and Hutter, ICLR 2017 (cosine).
"""

from dataclasses import dataclass
from typing import Literal

from avlib.training.recipes import BaseRecipe
from avlib.training.schedules import Schedule


@dataclass(frozen=True)
class ImageAugmentation:
    """What happens to the audio images that are learned.

    Attributes:
        shift_frames: largest shift in time, in frames; what leaves an image on one side enters
            it on the other.
        masks: stretches of bands, and as many of frames, that the mean of the image covers.
        mask_bands: number of bands that each covers less than.
        mask_frames: number of frames that each covers less than.
    """

    shift_frames: int
    masks: int
    mask_bands: int
    mask_frames: int


@dataclass(frozen=True)
class SoundtrackRecipe(BaseRecipe):
    """How a soundtrack network is trained; every clip of a soundtrack is an item of an epoch.

    Attributes:
        optimizer: stochastic gradient descent, or AdamW.
        momentum: of the gradient descent.
        weight_decay: for weights that are matrices or kernels.
        label_smoothing: share of a label that is spread over all classes.
        mixup: both parameters of the beta distribution of the shares in which two items are
            mixed; 0 mixes none.
        augmentation: of the single images; None leaves them alone.
        keeps: which weights count, those that are best in validation or those of the last epoch.
    """

    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    augmentation: ImageAugmentation | None = None
    keeps: Literal["best", "last"] = "best"


SOUNDTRACK_RECIPES = {
    recipe.name: recipe
    for recipe in (
        SoundtrackRecipe(  # the original's 32 are for each of its processors
            name="kinetics600",
            schedule=Schedule(0.01, epochs=10, steps=(0, 3, 6, 9), factors=(1, 0.1, 0.01, 0.001)),
            batch_size=32,
            keeps="last",
        ),
        SoundtrackRecipe(  # hundreds to thousands of clips
            name="small",
            schedule=Schedule(
                1e-3, epochs=30, policy="cosine", warmup_epochs=2, warmup_start_rate=1e-5
            ),
            batch_size=32,
            optimizer="adamw",
            weight_decay=0.05,
            label_smoothing=0.1,
            mixup=0.3,
            augmentation=ImageAugmentation(shift_frames=24, masks=2, mask_bands=10, mask_frames=16),
        ),
    )
}
