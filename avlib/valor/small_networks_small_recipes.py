"""Recipes of the small networks that stand in for published weights on rendered videos."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SmallNetworkRecipe:
    """How a small network is trained.

    Attributes:
        examples: number that is rendered and learned, a multiple of 10.
        epochs: how often each is learned.
        batch_size: examples of a step.
        rate: highest learning rate, after a linear warm-up and before half a period of a cosine.
        mirrors: whether half of the batches are mirrored, as pictures may be.
        scale: by which CLIP and CLAP multiply cosines before training.
        held_out: number of examples that are only scored, a multiple of 10.
    """

    examples: int
    epochs: int
    batch_size: int
    rate: float
    mirrors: bool = False
    scale: float = 1.0
    held_out: int = 200


SMALL_NETWORK_RECIPES = {
    "vggish": SmallNetworkRecipe(examples=800, epochs=12, batch_size=20, rate=2e-3),
    "res152": SmallNetworkRecipe(examples=600, epochs=5, batch_size=8, rate=2e-3, mirrors=True),
    "r2plus1d_18": SmallNetworkRecipe(
        examples=240, epochs=4, batch_size=4, rate=4e-3, mirrors=True, held_out=100
    ),
    "clip": SmallNetworkRecipe(
        examples=1200, epochs=10, batch_size=16, rate=1e-3, mirrors=True, scale=40.0
    ),
    "clap": SmallNetworkRecipe(
        examples=600, epochs=7, batch_size=10, rate=2e-3, scale=20.0, held_out=100
    ),
}
