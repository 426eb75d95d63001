"""The tokens of TIM: features and queries, embedded, beside the vectors of their intervals.

Source: Chalk et al., "TIM: A Time Interval Machine for Audio-Visual Action Recognition",
CVPR 2024, section 3. Parameter names, shapes and order are those of the published checkpoints.

A token is [what | when]: an embedded feature or a class token beside the vector of its interval.
"""

import torch
from torch import Tensor, nn

from avlib.tim.recipes import Modality
from avlib.training.dropout import Dropout

GRID = 49  # cells of a 7 x 7 feature grid
TOKEN_DEVIATION = 0.01  # of the initial class tokens and modality encodings


def time_mlp(d_model: int, *, has_final_relu: bool) -> nn.Sequential:
    """Return the network that maps (start, stop) to a vector: (..., 2) -> (..., d).

    The first weights published for AVE were trained without the last ReLU.
    """
    layers: list[nn.Module] = []
    for n_in in (2, d_model, d_model):
        layers += [nn.Linear(n_in, d_model), nn.ReLU()]
    if not has_final_relu:
        del layers[-1]
    return nn.Sequential(*layers, nn.LayerNorm(d_model))


def embedder(n_in: int, d_model: int, dropout: float) -> nn.Sequential:
    """Return the embedding of the features of one modality: (..., n_in) -> (..., d)."""
    return nn.Sequential(
        Dropout(dropout), nn.Linear(n_in, d_model), nn.GELU(), nn.LayerNorm(d_model)
    )


class AudioGuidedPooling(nn.Module):
    """Mean of a grid of visual features, weighted under the guidance of an audio feature.

    Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018,
    section 4.2.

    Shape:
        visual: (B, F, 7, 7, Dv).
        audio: (B, F, Da).
        returns: (B, F, Dv).
    """

    def __init__(self, visual_input_dim: int, audio_input_dim: int) -> None:
        super().__init__()
        self.affine_audio = nn.Linear(audio_input_dim, visual_input_dim)
        self.affine_video = nn.Linear(visual_input_dim, visual_input_dim)
        self.affine_v = nn.Linear(visual_input_dim, GRID, bias=False)
        self.affine_g = nn.Linear(visual_input_dim, GRID, bias=False)
        self.affine_h = nn.Linear(GRID, 1, bias=False)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)

    def forward(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return the pooled visual features: (B, F, Dv)."""
        cells = visual.flatten(2, 3)  # (B, F, 49, Dv)
        visual_scores = self.affine_v(self.affine_video(cells).relu())  # (B, F, 49, 49)
        audio_scores = self.affine_g(self.affine_audio(audio).relu())  # (B, F, 49)
        scores = self.affine_h((visual_scores + audio_scores[..., None]).tanh())  # (B, F, 49, 1)
        return (scores.softmax(dim=-2).transpose(-2, -1) @ cells).squeeze(-2)  # (B, F, Dv)


class FeatureEncoding(nn.Module):
    """Makes the tokens: features in order of time, visual first, then the queries.

    Queries are those of verbs, nouns, actions and sounds, in this order, as far as the model has
    them; the verb, noun and action tokens of a query share its time vector.
    """

    def __init__(
        self,
        *,
        visual_input_dim: int,
        audio_input_dim: int,
        d_model: int,
        model_modality: Modality,
        data_modality: Modality,
        has_verb_noun: bool,
        feat_dropout: float,
        seq_dropout: float,
    ) -> None:
        super().__init__()
        if model_modality not in ("audio_visual", data_modality):
            raise ValueError(f"a model of {model_modality} features predicts no {data_modality}")
        is_joint = model_modality == "audio_visual"
        visual_names = ["action", "verb", "noun"] if has_verb_noun else ["action"]
        names = {"visual": visual_names, "audio": ["action"]}
        if is_joint:
            self.visual_modality_encoding = _token(2 * d_model)
            self.audio_modality_encoding = _token(2 * d_model)
        self.cls_names: dict[str, list[str]] = {"visual": [], "audio": []}
        for modality in ("visual", "audio"):
            if data_modality not in ("audio_visual", modality):
                continue
            prefix = f"{modality}_" if is_joint else ""
            for name in names[modality]:
                self.register_parameter(f"{prefix}{name}_cls", _token(d_model))
            first, *others = (f"{prefix}{name}_cls" for name in names[modality])
            self.cls_names[modality] = [*others, first]
        if model_modality != "audio":
            self.visual_embedder = embedder(visual_input_dim, d_model, feat_dropout)
        if model_modality != "visual":
            self.audio_embedder = embedder(audio_input_dim, d_model, feat_dropout)
        self.is_joint = is_joint
        self.dropout = Dropout(seq_dropout, inplace=True)

    def forward(
        self,
        visual: Tensor | None,
        audio: Tensor | None,
        time_vectors: Tensor,
        n_visual: int,
        n_audio: int,
    ) -> Tensor:
        """Return the token sequence: (B, S, 2 d)."""
        features = []
        if visual is not None:
            features.append(("visual", self.visual_embedder(visual)))  # (B, F, d)
        if audio is not None:
            features.append(("audio", self.audio_embedder(audio)))  # (B, F, d)
        lengths = [x.shape[1] for _, x in features]
        *when, when_visual, when_audio = torch.split(
            time_vectors, [*lengths, n_visual, n_audio], dim=1
        )
        parts = [self._tokens(m, x, t) for (m, x), t in zip(features, when, strict=True)]
        for modality, t in (("visual", when_visual), ("audio", when_audio)):
            for name in self.cls_names[modality]:
                parts.append(self._tokens(modality, self.get_parameter(name).expand_as(t), t))
        return self.dropout(torch.cat(parts, dim=1))  # (B, S, 2 d)

    def _tokens(self, modality: str, what: Tensor, when: Tensor) -> Tensor:
        tokens = torch.cat([what, when], dim=2)  # (B, N, 2 d)
        return (
            tokens + self.get_parameter(f"{modality}_modality_encoding")
            if self.is_joint
            else tokens
        )


def _token(width: int) -> nn.Parameter:
    return nn.Parameter(TOKEN_DEVIATION * torch.randn(1, 1, width))
