"""Recipes for a narrow Omnivore on small data, where no published weights are given."""

from dataclasses import dataclass

from avlib.extractors.omnivore.sizes import TrunkSizes
from avlib.sections import Training
from avlib.training.recipes import BaseRecipe, adjusted
from avlib.training.schedules import Schedule


@dataclass(frozen=True)
class ClipAugmentation:
    """How much clips are changed; all images of a clip in the same way.

    Attributes:
        area: least share of the image that is cut out and enlarged.
        colour: by how much brightness, contrast and saturation change, as a share, at most.
        grey: chance of a clip without colour.
        covered: chance that a square of mean colour covers part of the clip.
    """

    area: float
    colour: float
    grey: float
    covered: float


@dataclass(frozen=True, kw_only=True)
class OmnivoreRecipe(BaseRecipe):
    """What is trained, and how.

    Attributes:
        sizes: of the network.
        num_frames: frames of one input.
        crop: their width and height in pixels.
        clip_s: length of one input in seconds, that of TIM's features.
        weight_decay: of AdamW, for weights that are matrices or kernels.
        dropout: rate before the classifier.
        stochastic_depth: rate at which the last block is skipped.
        label_smoothing: share of a label that is spread over all classes.
        pasting: chance of a batch whose clips get a rectangle of another clip, and its share of
            the label (Yun et al., "CutMix", ICCV 2019).
        augmentation: of the single clips.
    """

    sizes: TrunkSizes
    num_frames: int
    crop: int
    clip_s: float
    weight_decay: float
    dropout: float
    stochastic_depth: float
    label_smoothing: float
    pasting: float
    augmentation: ClipAugmentation


OMNIVORE_RECIPES = {
    recipe.name: recipe
    for recipe in (
        OmnivoreRecipe(  # tens to thousands of events, minutes on two cores
            name="miniature",
            sizes=TrunkSizes(width=32, depths=(1, 1, 2), heads=(2, 4, 8), window=(1, 4, 4)),
            num_frames=2,
            crop=64,
            clip_s=1.1,
            schedule=Schedule(
                1.5e-3, epochs=48, policy="cosine", warmup_epochs=2, warmup_start_rate=1.5e-5
            ),
            batch_size=16,
            epoch_items=512,
            views=3,
            validate_every=4,
            head_choices=(("verb_class", "noun_class"), ("action_class",)),
            weight_decay=0.05,
            dropout=0.2,
            stochastic_depth=0.1,
            label_smoothing=0.1,
            pasting=0.5,
            augmentation=ClipAugmentation(area=0.3, colour=0.4, grey=0.1, covered=0.25),
        ),
    )
}


class OmnivoreTraining(Training):
    """Training of a narrow Omnivore on the study's own train split."""

    def adjusted_recipe(self) -> OmnivoreRecipe:
        """Return the recipe for small data with what differs from it."""
        return adjusted(
            OMNIVORE_RECIPES["miniature"],
            epochs=self.epochs,
            batch_size=self.batch_size,
            base_rate=self.learning_rate,
        )
