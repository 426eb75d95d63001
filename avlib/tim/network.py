"""TIM, the time interval machine: queries about intervals over audio-visual feature sequences.

Source: Chalk et al., "TIM: A Time Interval Machine for Audio-Visual Action Recognition",
CVPR 2024, section 3. Parameter names, shapes and order are those of the published checkpoints.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from avlib.tim.encoder import Encoder, EncoderLayer
from avlib.tim.recipes import Modality
from avlib.tim.tokens import AudioGuidedPooling, FeatureEncoding, time_mlp

HEADS = ("visual_verb", "visual_noun", "visual_action", "audio_action")


class TimOutput(NamedTuple):
    """Logits of every head, None where it does not exist, and the feature tokens, if kept.

    Shape:
        verb, noun, action: (B, Nv, K).
        audio: (B, Na, K).
        tokens: (B, M * F, 2 d), those of the visual features first.
    """

    verb: Tensor | None
    noun: Tensor | None
    action: Tensor | None
    audio: Tensor | None
    tokens: Tensor | None


def drloc_mlp(d_model: int) -> nn.Sequential:
    """Return the network that predicts the distance of two features: (..., 4 d) -> (..., 1)."""
    return nn.Sequential(
        nn.Linear(4 * d_model, d_model),
        nn.ReLU(),
        nn.Linear(d_model, d_model),
        nn.ReLU(),
        nn.Linear(d_model, 1),
    )


class Heads(nn.Module):
    """The linear classifiers that a model has."""

    def __init__(self, width: int, classes: dict[str, int]) -> None:
        super().__init__()
        self.names = list(classes)
        for name, n_classes in classes.items():
            self.add_module(f"fc_{name}", nn.Linear(width, n_classes))

    def forward(self, queries: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the logits of every head from its own queries: (B, N, W) -> (B, N, K)."""
        return {
            name: self.get_submodule(f"fc_{name}")(x)
            for name, x in zip(self.names, queries, strict=True)
        }


class TIM(nn.Module):
    """The whole network.

    Args:
        visual_input_dim: channels of a visual feature.
        audio_input_dim: channels of an audio feature.
        d_model: width d of embeddings and time vectors; tokens are 2 d wide.
        feedforward_scale: hidden width of the feed-forward networks in units of d.
        nhead: attention heads.
        num_layers: encoder layers.
        num_feats: features of each modality in a window.
        model_modality: which features are its input.
        data_modality: which labels it predicts; those of its input, where that is one modality.
        visual_classes: (verbs, nouns, actions) or (actions,); unused without visual labels.
        audio_classes: classes of sounds; unused without audio labels.
        apply_feature_pooling: whether visual features are grids of 7 x 7.
        enc_dropout: rate in the encoder.
        feat_dropout: rate on the features.
        seq_dropout: rate on the token sequence.
        has_final_relu: False for the first weights published for AVE.

    Raises:
        ValueError: if the sizes or modalities do not go together.
    """

    def __init__(
        self,
        *,
        visual_input_dim: int,
        audio_input_dim: int,
        d_model: int,
        feedforward_scale: int,
        nhead: int,
        num_layers: int,
        num_feats: int,
        model_modality: Modality,
        data_modality: Modality,
        visual_classes: tuple[int, ...],
        audio_classes: int,
        apply_feature_pooling: bool,
        enc_dropout: float = 0.1,
        feat_dropout: float = 0.5,
        seq_dropout: float = 0.5,
        has_final_relu: bool = True,
    ) -> None:
        super().__init__()
        self.num_feats, self.model_modality = num_feats, model_modality
        self.time_mlp = time_mlp(d_model, has_final_relu=has_final_relu)
        self.feature_encoding = FeatureEncoding(
            visual_input_dim=visual_input_dim,
            audio_input_dim=audio_input_dim,
            d_model=d_model,
            model_modality=model_modality,
            data_modality=data_modality,
            has_verb_noun=len(visual_classes) > 1,
            feat_dropout=feat_dropout,
            seq_dropout=seq_dropout,
        )
        self.cls_head = Heads(2 * d_model, head_sizes(data_modality, visual_classes, audio_classes))
        hidden = feedforward_scale * d_model
        self.transformer_encoder = _encoder(2 * d_model, nhead, hidden, num_layers, enc_dropout)
        self.drloc_mlp = drloc_mlp(d_model)
        self.pool = None
        if apply_feature_pooling:
            self.pool = _pooling(visual_input_dim, audio_input_dim, model_modality)

    def time_vectors(self, times: Tensor) -> Tensor:
        """Return the vectors of intervals: (B, N, 2) -> (B, N, d).

        Times are fractions of the window, from 0. Windows share most of their intervals, so each
        is computed once.
        """
        if times.dtype != torch.float32:
            return self.time_mlp(times)
        pairs = times.contiguous().view(torch.int64)  # (B, N, 1), both times in one number
        distinct, place = torch.unique(pairs.squeeze(2), return_inverse=True)
        vectors = self.time_mlp(distinct.view(torch.float32).view(-1, 2))
        return functional.embedding(place, vectors)

    def encode(
        self,
        visual: Tensor | None,
        audio: Tensor | None,
        time_vectors: Tensor,
        n_visual: int,
        n_audio: int,
        *,
        keeps_tokens: bool,
        copies: int = 1,
    ) -> TimOutput:
        """Return the logits of all queries and, if kept, the final feature tokens.

        Args:
            visual: (B, F, Dv), or (B, F, 7, 7, Dv) to be pooled; None without visual input.
            audio: (B, F, Da); None without audio input.
            time_vectors: (B, M * F + Nv + Na, d), of visual features, audio features, visual
                queries and audio queries.
            n_visual: Nv, 0 without visual labels.
            n_audio: Na, 0 without audio labels.
            keeps_tokens: whether the last layer computes the feature tokens, too.
            copies: how many features the last one of each modality stands for.
        """
        if self.pool is not None:
            visual = self.pool(visual, audio)  # (B, F, Dv)
        x = self.feature_encoding(visual, audio, time_vectors, n_visual, n_audio)
        n_features = time_vectors.shape[1] - n_visual - n_audio
        n_feats = [part.shape[1] for part in (visual, audio) if part is not None]
        bias = _bias(x, n_feats, copies) if copies > 1 else None
        x = self.transformer_encoder(x, n_features, keeps_tokens=keeps_tokens, bias=bias)
        lengths = [
            n_audio if name.startswith("audio") else n_visual for name in self.cls_head.names
        ]
        tokens, *queries = torch.split(x, [x.shape[1] - sum(lengths), *lengths], dim=1)
        logits = self.cls_head(queries)
        verb, noun, action, sound = map(logits.get, HEADS)
        return TimOutput(verb, noun, action, sound, tokens if keeps_tokens else None)

    def forward(
        self,
        visual: Tensor | None,
        audio: Tensor | None,
        times: Tensor,
        n_visual: int,
        n_audio: int,
    ) -> TimOutput:
        """Return the logits of all queries; `times` are (B, M * F + Nv + Na, 2).

        In evaluation, features that repeat at the end of all windows are computed once.
        """
        features = [x for x in (visual, audio) if x is not None]
        n_feats = features[0].shape[1]
        lengths = [n_feats] * len(features) + [n_visual + n_audio]
        *when, when_queries = torch.split(times, lengths, dim=1)
        copies = 1 if self.training else _copies_at_the_end([*features, *when], n_feats)
        if copies > 1:
            kept = n_feats + 1 - copies
            visual, audio = (None if x is None else x[:, :kept] for x in (visual, audio))
            times = torch.cat([*(part[:, :kept] for part in when), when_queries], dim=1)
        vectors = self.time_vectors(times)
        return self.encode(
            visual, audio, vectors, n_visual, n_audio, keeps_tokens=False, copies=copies
        )


def _encoder(width: int, nhead: int, hidden: int, num_layers: int, dropout: float) -> Encoder:
    if width % nhead:
        raise ValueError(f"{nhead} heads do not divide the width {width}")
    return Encoder(EncoderLayer(width, nhead, hidden, dropout), num_layers)


def _pooling(
    visual_input_dim: int, audio_input_dim: int, model_modality: Modality
) -> AudioGuidedPooling:
    if model_modality != "audio_visual":
        raise ValueError(f"pooling is audio-guided, but the model is {model_modality}")
    return AudioGuidedPooling(visual_input_dim, audio_input_dim)


def _bias(x: Tensor, n_feats: list[int], copies: int) -> Tensor:
    """Return what makes the last feature of each modality count `copies` times in a soft-max."""
    bias = x.new_zeros(sum(n_feats))
    bias[torch.tensor(n_feats).cumsum(0) - 1] = math.log(copies)
    return bias


def _copies_at_the_end(sequences: Sequence[Tensor], n_feats: int) -> int:
    """Return how many of the last features are equal in each of (B, F, ...) sequences."""
    copies = 1
    while copies < n_feats and all(
        torch.equal(x[:, n_feats - copies], x[:, n_feats - copies - 1]) for x in sequences
    ):
        copies += 1
    return copies


def head_sizes(
    data_modality: Modality, visual_classes: tuple[int, ...], audio_classes: int
) -> dict[str, int]:
    """Return the classes of every head that a model for these labels has.

    Raises:
        ValueError: if there are visual labels and not one or three numbers of visual classes.
    """
    classes = {}
    if data_modality != "audio":
        if len(visual_classes) not in (1, 3):
            raise ValueError(f"visual classes {visual_classes}: give one number or three")
        names = HEADS[:3][-len(visual_classes) :]
        classes = dict(zip(names, visual_classes, strict=True))
    if data_modality != "visual":
        classes["audio_action"] = audio_classes
    return classes
