"""Recipes for TIM: the published ones and one for small data.

Source: Chalk et al., "TIM: A Time Interval Machine for Audio-Visual Action Recognition",
CVPR 2024, and the commands that its authors give. Widths of features and numbers of classes
follow from the data, and so does whether there are verbs and nouns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from avlib.sections import Positive, Training, UserPath

Modality = Literal["audio_visual", "visual", "audio"]
ModelName = Literal["audio_visual", "visual", "audio", "actions", "sounds"]
# Those that a study can name.
RecipeName = Literal["small", "small_events", "packaged", "ave", "ave_vgg", "epic", "perception"]
SelectBy = Literal["combined", "action", "verb", "noun", "verb_noun", "audio"]

# Features that the input of a model is, and labels that it predicts. A model of one modality
# predicts the labels of no other.
MODELS: Mapping[ModelName, tuple[Modality, Modality]] = {
    "audio_visual": ("audio_visual", "audio_visual"),
    "visual": ("visual", "visual"),
    "audio": ("audio", "audio"),
    "actions": ("audio_visual", "visual"),
    "sounds": ("audio_visual", "audio"),
}
PACKAGED: RecipeName = "packaged"
COMPARED: tuple[ModelName, ...] = ("audio_visual", "audio", "visual")  # by default
# Channels of the feature tokens of all layers that a part of a batch may have. With EPIC's queries,
# 50 values are kept for the gradients for each of them: in float32, at most 1.7 GB.
MOST_CHANNELS = 2**23


@dataclass(frozen=True, kw_only=True)
class TimRecipe:
    """How the network is built and trained.

    Attributes:
        name: key of `TIM_RECIPES`.
        model_modality: features that are the input of the network.
        data_modality: labels that it predicts.
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
    model_modality: Modality = "audio_visual"
    data_modality: Modality = "audio_visual"
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

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        return self.num_feats * self.feat_gap_s * self.feat_stride

    @property
    def includes_end_row(self) -> bool:
        """Whether the feature that ends with a window may be in it, as `build_windows` takes it."""
        return self.name == PACKAGED  # no published weights were trained with it

    @property
    def parts(self) -> int:
        """Parts of a batch with which training takes less than 4 GB, for models of any features."""
        tokens = self.batch_size * 2 * self.num_feats
        return -(-tokens * 2 * self.d_model * self.num_layers // MOST_CHANNELS)

    @property
    def scales_features(self) -> bool:
        """Whether training is of features at one scale, as `avlib.tim.scaling` makes them."""
        return self.name == PACKAGED

    def has_windows_of(self, other: "TimRecipe") -> bool:
        """Return whether both cut videos into the same windows."""
        names = ("num_feats", "feat_stride", "feat_gap_s", "window_stride_s")
        return self.includes_end_row == other.includes_end_row and all(
            getattr(self, name) == getattr(other, name) for name in names
        )

    def of_model(self, name: ModelName) -> "TimRecipe":
        """Return the recipe for the features and labels of a model.

        A model of one modality does without the audio-guided pooling.
        """
        features, labels = MODELS[name]
        return replace(
            self,
            model_modality=features,
            data_modality=labels,
            apply_feature_pooling=self.apply_feature_pooling and features == "audio_visual",
        )


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

SMALL = replace(  # hundreds of windows, minutes on two cores
    AVE,
    name="small",
    d_model=128,
    num_layers=2,
    feat_dropout=0.6,  # features trained on the train split are too confident there
    seq_dropout=0.2,
    batch_size=8,  # few windows make few steps
    epochs=45,
    lr=1e-3,
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
        SMALL,
        replace(SMALL, name="small_events", epochs=16),  # windows of long videos overlap
        replace(  # a feature a second, of networks that came as packages
            SMALL,
            name=PACKAGED,
            num_feats=10,
            feat_stride=1,
            feat_gap_s=1.0,
            batch_size=16,
            epochs=30,
        ),
    )
}

PUBLISHED_RECIPES = TIM_RECIPES.keys() - {"small", "small_events", PACKAGED}


class TimTraining(Training):
    """Training and evaluation of TIM; a section of the configuration."""

    recipe: RecipeName | None = Field(
        None,
        description="null: as published with published features or given backbones, packaged with "
        "features of packaged networks, else small",
    )
    models: Annotated[tuple[ModelName, ...], Field(min_length=1)] | None = Field(
        None,
        description="Trained and compared: audio_visual, audio, visual, actions and sounds (labels "
        "of one modality by the features of both); null: the first three, of given weights the "
        "first",
    )
    early_stop_epochs: Positive | None = Field(
        None, description="Epochs without a better validation after which training ends"
    )
    select_by: SelectBy | None = Field(
        None, description="Head whose validation accuracy decides; null: combined, action or audio"
    )
    mixed_precision: Literal["training", "always"] | None = Field(
        None,
        description="Train in float16 on cuda, as published, in bfloat16 on the CPU; always: "
        "evaluate so, too",
    )
    parts: Positive | None = Field(
        None,
        description="Parts in which a batch is computed; null: by the sizes of the recipe, for "
        "training in less than 4 GB",
    )
    processes: Positive = Field(
        1, description="Processes that share the parts; each has a GPU where there are GPUs"
    )
    tensorboard: bool = Field(False, description="Also log for TensorBoard; a change trains again")
    checkpoint: UserPath | None = Field(
        None,
        description="TIM weights (.pth.tar or .safetensors) that the first of `models` starts "
        "from; null: random",
    )

    @model_validator(mode="after")
    def _processes_share_the_parts(self) -> Self:
        if self.parts is None and self.processes > 1:
            raise ValueError(f"{self.processes} processes share the parts; set parts as well")
        if self.parts is not None and self.parts % self.processes:
            raise ValueError(f"processes ({self.processes}) must divide parts ({self.parts})")
        return self

    @field_validator("models")
    @classmethod
    def _models_differ(cls, value: tuple[ModelName, ...] | None) -> tuple[ModelName, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("names a model twice")
        return value

    def adjusted_recipe(self, model: ModelName) -> TimRecipe:
        """Return the recipe for a model, with the values that are set here.

        Raises:
            ValueError: if `recipe` is None.
        """
        if self.recipe is None:
            raise ValueError(f"no recipe, expected one of {get_args(RecipeName)}")
        recipe = TIM_RECIPES[self.recipe].of_model(model)
        return replace(
            recipe,
            epochs=self.epochs or recipe.epochs,
            batch_size=self.batch_size or recipe.batch_size,
            lr=self.learning_rate or recipe.lr,
            early_stop_epochs=self.early_stop_epochs or recipe.early_stop_epochs,
        )
