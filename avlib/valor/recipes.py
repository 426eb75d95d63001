"""Recipes of the parser: HAN and the three variants of VALOR, and what a user may change of them.

Sources: Tian et al., ECCV 2020 (HAN); Lai et al., NeurIPS 2023 (VALOR), and the commands that its
authors publish. Scores on the test split of LLP are from tables 1 and A6 of UWAV (arXiv
2505.09615); those of VALOR+ are from the main table of VALOR (arXiv 2305.17343), not yet checked
against the printed paper.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from avlib.sections import Section, Training

FEATURE_MODALITIES = ("audio", "visual", "motion")  # of the features: visual is 2-D, motion is 3-D
ParserVariant = Literal["han", "valor", "valor+", "valor++"]
Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class ParserRecipe:
    """Architecture and training of one variant.

    Attributes:
        name: key of PARSER_RECIPES.
        network: `valor`, or `han` for the baseline, which is trained on video labels only.
        audio: kind of the audio features; like the next two, a key of
            `avlib.valor.feature_folders.FEATURE_KINDS`.
        visual: kind of the 2-D visual features.
        motion: kind of the 3-D visual features.
        hidden_dim: width of the streams.
        nhead: attention heads.
        ff_dim: width of the feed-forward networks.
        num_layers: encoder layers.
        norm_where: position of the layer norms.
        seed: seed of the initial weights, the order of the videos, and dropout.
        epochs: number of epochs.
        batch_size: videos per step; the last batch of an epoch may be smaller.
        optimizer: AdamW or Adam.
        scheduler: linear warm-up and cosine annealing, or steps.
        lr: highest learning rate.
        lr_min: learning rate of the last epoch after cosine annealing.
        warm_up_epochs: first epoch at the highest learning rate, counted from 1.
        step_epochs: epochs between two steps.
        step_factor: factor of the learning rate at each step.
        weight_decay: for all parameters that have a gradient.
        betas: of the optimizer.
        eps: of the optimizer.
        grad_norm: largest norm of the gradient; None: not clipped.
        keeps_later: whether the later of equally good epochs is the best one.
        published_scores: on the test split of LLP in percent, rounded as published: Seg-a, Seg-v,
            Seg-av, Seg-type, Seg-event, then the same of events; None if not published.
        published_model: folder of the published checkpoint, `<folder>/checkpoint_best.pt`.
    """

    name: str
    network: Literal["valor", "han"] = "valor"
    audio: str = "vggish"
    visual: str = "res152"
    motion: str = "r2plus1d_18"
    hidden_dim: int = 512
    nhead: int = 8
    ff_dim: int = 1024
    num_layers: int = 1
    norm_where: Literal["post_norm", "pre_norm"] = "post_norm"
    seed: int
    epochs: int = 60
    batch_size: int = 64
    optimizer: Literal["adamw", "adam"] = "adamw"
    scheduler: Literal["warm_up_cos_anneal", "steplr"] = "warm_up_cos_anneal"
    lr: float
    lr_min: float = 0.0
    warm_up_epochs: int = 10
    step_epochs: int = 10
    step_factor: float = 0.1
    weight_decay: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)
    eps: float = 1e-8
    grad_norm: float | None = 1.0
    keeps_later: bool = False
    published_scores: tuple[float, ...] | None = None
    published_model: str | None = None

    @property
    def kinds(self) -> dict[str, str]:
        """Kind of the features of each modality."""
        return {modality: getattr(self, modality) for modality in FEATURE_MODALITIES}


VALOR = ParserRecipe(
    name="valor",
    seed=1000,
    lr=1e-4,
    lr_min=1e-6,
    published_scores=(61.8, 65.9, 58.4, 62.0, 61.5, 55.4, 62.6, 52.2, 56.7, 54.2),
    published_model="model_VALOR",
)
VALOR_PLUS = replace(
    VALOR,
    name="valor+",
    hidden_dim=256,
    num_layers=4,
    seed=64,
    lr=3e-4,
    lr_min=3e-6,
    published_scores=(62.8, 66.7, 60.0, 63.2, 62.3, 57.1, 63.9, 54.4, 58.5, 55.9),
    published_model="model_VALOR+",
)

PARSER_RECIPES = {
    recipe.name: recipe
    for recipe in (
        ParserRecipe(
            name="han",
            network="han",
            nhead=1,
            ff_dim=512,
            seed=1,
            epochs=40,
            batch_size=16,
            optimizer="adam",
            scheduler="steplr",
            lr=3e-4,
            weight_decay=0.0,
            betas=(0.9, 0.999),
            grad_norm=None,
            keeps_later=True,
            published_scores=(60.1, 52.9, 48.9, 54.0, 55.4, 51.3, 48.9, 43.0, 47.7, 48.0),
        ),
        VALOR,
        VALOR_PLUS,
        replace(
            VALOR_PLUS,
            name="valor++",
            audio="clap",
            visual="clip",
            seed=87,
            published_scores=(68.1, 68.4, 61.9, 66.2, 66.8, 61.2, 64.7, 55.5, 60.4, 59.0),
            published_model="model_VALOR++",
        ),
    )
}


class ParserTraining(Training):
    """Training of the variants; null: the value of the recipe, batch size 16 for the miniature."""

    keep_epochs: bool = Field(False, description="Also keep the weights of every epoch")

    def recipe(self, variant: str) -> ParserRecipe:
        """Return the recipe of a variant with the changes of this section."""
        recipe = PARSER_RECIPES[variant]
        return replace(
            recipe,
            epochs=self.epochs or recipe.epochs,
            batch_size=self.batch_size or recipe.batch_size,
            lr=self.learning_rate or recipe.lr,
        )


class ParserEvaluation(Section):
    """Thresholds of events."""

    threshold: Share = Field(0.5, description="Probabilities at or above it are positive")
    iou: Share = Field(0.5, description="Intersection over union from which two events match")
