"""Recipes of the parser of audio-visual events: HAN and the three variants of VALOR.

Sources: Tian et al., ECCV 2020 (HAN); Lai et al., NeurIPS 2023 (VALOR), and the commands that its
authors give. Scores are those on the test split of LLP in the tables 1 and A6 of UWAV (arXiv
2505.09615); those of VALOR+ are of the main table of VALOR (arXiv 2305.17343), and have not been
compared with print.
"""

from dataclasses import dataclass, replace
from typing import Literal

MODALITIES = ("audio", "visual", "motion")  # of features; the picture has 2-D and 3-D ones


@dataclass(frozen=True, kw_only=True)
class EventParsingRecipe:
    """How a network is built and trained.

    Attributes:
        name: key of `EVENT_PARSING_RECIPES`.
        network: `valor`, or `han` for the baseline, which learns video labels alone.
        audio: kind of the audio features, as the others a key of FEATURES.
        visual: kind of the 2-D visual features.
        motion: kind of the 3-D visual features.
        hidden_dim: width of the streams.
        nhead: attention heads.
        ff_dim: width of the feed-forward networks.
        num_layers: encoder layers.
        norm_where: where the norms of a layer are.
        seed: of first weights, orders and dropout.
        epochs: length of the training.
        batch_size: videos a step; the last one of an epoch may have fewer.
        optimizer: AdamW or Adam.
        scheduler: a warm-up in a straight line and a cosine, or steps.
        lr: highest learning rate.
        lr_min: rate of the last epoch, after a cosine.
        warm_up_epochs: first epoch with the highest rate, from 1.
        step_epochs: epochs between two steps.
        step_factor: of the rate at each step.
        weight_decay: of all parameters that have a gradient.
        betas: of the optimiser.
        eps: of the optimiser.
        grad_norm: largest norm of the gradient; None for any.
        keeps_later: whether of equally good epochs the later one is best.
        published_scores: on the test split of LLP in percent, as tables print them: Seg-a, Seg-v,
            Seg-av, Seg-type, Seg-event, then the same of events; None if there are none.
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
        """The kind of the features of each modality."""
        return {modality: getattr(self, modality) for modality in MODALITIES}


VALOR = EventParsingRecipe(
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

EVENT_PARSING_RECIPES = {
    recipe.name: recipe
    for recipe in (
        EventParsingRecipe(
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
