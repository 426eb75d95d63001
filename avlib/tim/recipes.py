"""Recipes for TIM: the published ones and one for small data.

Source: Chalk et al., "TIM: A Time Interval Machine for Audio-Visual Action Recognition",
CVPR 2024, and the commands that its authors give. Widths of features and numbers of classes
follow from the data, and so does whether there are verbs and nouns.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from avlib.tim.network import Modality

TimRecipeName = Literal["small", "ave", "ave_vgg"]


@dataclass(frozen=True, kw_only=True)
class TimRecipe:
    """How the network is built and trained.

    Attributes:
        name: key of `TIM_RECIPES`.
        model_modality: features that the network sees.
        data_modality: labels that it learns.
        num_feats: features of a modality in a window.
        feat_stride: every how many features of a video one is taken.
        feat_gap_s: seconds between the features of a video; with the two above, the window.
        window_stride_s: seconds between windows.
        apply_feature_pooling: whether visual features are grids that are pooled.
        d_model: width of embeddings; tokens are twice as wide.
        feedforward_scale: width of the feed-forward networks, in units of `d_model`.
        nhead: attention heads.
        num_layers: encoder layers.
        enc_dropout: rate in the encoder.
        feat_dropout: rate on the features.
        seq_dropout: rate on the token sequence.
        batch_size: windows a step.
        epochs: length of the training.
        warmup_epochs: length of the warm-up.
        lr: learning rate from which the cosine falls.
        end_lr: learning rate after the last step.
        weight_decay: of all parameters.
        clip_norm: largest norm of a gradient; None for any.
        early_stop_epochs: epochs without a better score that end the training; None for none.
        label_smoothing: share of a label that is spread over all classes.
        lambda_audio: weight of sounds beside visual labels.
        lambda_drloc: weight of the localisation loss; 0 for none.
        m_drloc: pairs of features an item in that loss.
        mixup_alpha: parameter of the mixture's beta distribution; 0 for no mixup.
    """

    name: str
    model_modality: "Modality" = "audio_visual"
    data_modality: "Modality" = "audio_visual"
    num_feats: int = 50
    feat_stride: int = 3
    feat_gap_s: float = 0.2
    window_stride_s: float = 1.0
    apply_feature_pooling: bool = False
    d_model: int = 512
    feedforward_scale: int = 4
    nhead: int = 8
    num_layers: int = 4
    enc_dropout: float = 0.1
    feat_dropout: float = 0.5
    seq_dropout: float = 0.5
    batch_size: int = 64
    epochs: int = 100
    warmup_epochs: int = 2
    lr: float = 1e-4
    end_lr: float = 1e-6
    weight_decay: float = 1e-4
    clip_norm: float | None = 1.0
    early_stop_epochs: int | None = None
    label_smoothing: float = 0.2
    lambda_audio: float = 1.0
    lambda_drloc: float = 0.3
    m_drloc: int = 32
    mixup_alpha: float = 0.2


EPIC = TimRecipe(name="epic", lambda_audio=0.01)
AVE = TimRecipe(
    name="ave",
    num_feats=25,
    feat_stride=2,
    d_model=256,
    feat_dropout=0.1,
    lr=5e-4,
    lambda_drloc=0.1,
    mixup_alpha=0.5,
)

TIM_RECIPES = {
    recipe.name: recipe
    for recipe in (
        EPIC,
        replace(EPIC, name="epic_visual", model_modality="visual", data_modality="visual"),
        replace(EPIC, name="epic_sounds", model_modality="audio", data_modality="audio"),
        TimRecipe(name="perception", feat_stride=2, feat_dropout=0.1, seq_dropout=0.1),
        AVE,
        replace(
            AVE,
            name="ave_vgg",
            num_feats=10,
            feat_stride=1,
            feat_gap_s=1.0,
            apply_feature_pooling=True,
            seq_dropout=0.1,
            lambda_audio=0.1,
        ),
        replace(  # hundreds of windows, minutes on two cores
            AVE,
            name="small",
            d_model=128,
            num_layers=2,
            feat_dropout=0.6,  # what was learnt on the train split looks surer there than elsewhere
            seq_dropout=0.2,
            batch_size=8,  # few windows make few steps
            epochs=45,
            lr=1e-3,
        ),
    )
}
