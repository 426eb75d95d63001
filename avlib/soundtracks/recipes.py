"""Recipes for the soundtrack networks: the published one, and one for small labelled sound.

Sources of the second: Zhang et al., "mixup", ICLR 2018; Park et al., "SpecAugment", Interspeech
2019; Szegedy et al., CVPR 2016 (label smoothing); Loshchilov and Hutter, ICLR 2017 (cosine).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from avlib.training.recipes import BaseRecipe
from avlib.training.schedules import Schedule

if TYPE_CHECKING:  # the workflow reads the recipes, and should not wait for torch
    from avlib.soundtracks.images import Reference
    from avlib.soundtracks.network import Pool


@dataclass(frozen=True)
class NetworkChoice:
    """Which network is trained.

    Attributes:
        network: one of `avlib.soundtracks.network.NETWORKS`; the published training has resnet50.
        pool: of the residual networks, as in `ResNet`.
        width: channels of their stem; 64 in the published ones.
        stem_stride: of the residual networks, as in `ResNet`.
        standardises: of the residual networks, as in `ResNet`.
    """

    network: str = "resnet50"
    pool: "Pool" = "first_columns"
    width: int = 64
    stem_stride: int = 1
    standardises: bool = False


@dataclass(frozen=True)
class ImageAugmentation:
    """What happens to the audio images that are learned.

    Attributes:
        shift_frames: largest shift in time, in frames; an image is cut out of its soundtrack,
            whose end its start follows, that much earlier or later.
        masks: stretches of bands, and as many of frames, that the mean of the image covers.
        mask_bands: number of bands that each covers less than.
        mask_frames: number of frames that each covers less than.
        stretch: largest change of the tempo, as the logarithm of a factor.
        shift_bands: largest shift in pitch, in bands.
    """

    shift_frames: int
    masks: int
    mask_bands: int
    mask_frames: int
    stretch: float = 0.0
    shift_bands: int = 0


@dataclass(frozen=True)
class SoundtrackRecipe(BaseRecipe):
    """How a soundtrack network is trained, in epochs of as many items as there are clips.

    Attributes:
        optimizer: stochastic gradient descent, or AdamW.
        momentum: of the gradient descent.
        weight_decay: for weights that are matrices or kernels.
        label_smoothing: share of a label that is spread over all classes.
        mixup: both parameters of the beta distribution of the shares in which two items are
            mixed; 0 mixes none.
        clips_together: clips of a soundtrack that stand side by side in a batch, of which there is
            a whole number of such groups, in the loss of `avlib.soundtracks.steps.grouped_loss`.
            With 1 every clip is an item of an epoch, with more every soundtrack is drawn equally
            often.
        augmentation: of the single images; None leaves them alone.
        keeps: which weights count, those that are best in validation or those of the last epoch.
        choice: the network that is trained if nothing else is asked for.
        reference: what is 0 dB in the images if nothing else is asked for.
        drops_silence: whether clips that are wholly silent are neither learned nor asked, unless a
            soundtrack has no other.
        half_steps: whether the trained network is also asked about what lies half way between two
            clips.
    """

    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    clips_together: int = 1
    augmentation: ImageAugmentation | None = None
    keeps: Literal["best", "last"] = "best"
    choice: NetworkChoice = NetworkChoice()
    reference: "Reference" = "clip"
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
        SoundtrackRecipe(  # the original's 32 are for each of its processors
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
