"""Network of audio-visual event parsing: hybrid attention and attentive MIL pooling.

Sources: Tian et al., "Unified Multisensory Perception: Weakly-Supervised Audio-Visual Video
Parsing", ECCV 2020 (the baseline, HAN); Lai et al., "Modality-Independent Teachers Meet
Weakly-Supervised Audio-Visual Event Parser", NeurIPS 2023 (VALOR). Parameter names, shapes and
order, and the order in which initial weights are drawn, are those of the published programs.

A video is ten segments of one second. Everything before the encoder is linear in time, so features
with more rows are pooled to ten segments by `TIME_MAPS` before the projection: the same output with
a fraction of the products.
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from avlib.training.dropout import Dropout

SEGMENTS = 10
NUM_CLASSES = 25  # of LLP
MOTION_DIM = 512  # width of the published 3-D features
DROPOUT = 0.1
CLAP_BINS = 32  # time bins of an audio map, which has them once for each of two frequency bins
NORMS = ("post_norm", "pre_norm")


class ParsedEvents(NamedTuple):
    """Output of the network for B videos; modality 0 is audio and 1 is visual.

    Attributes:
        global_prob: (B, K) of the video; may exceed 1, since its weights may sum to more than 1.
        a_prob: (B, K) of its audio.
        v_prob: (B, K) of its visual stream.
        frame_prob: (B, T, 2, K) of each segment.
        frame_logits: (B, T, 2, K).
    """

    global_prob: Tensor
    a_prob: Tensor
    v_prob: Tensor
    frame_prob: Tensor
    frame_logits: Tensor


def frame_pooling() -> Tensor:
    """Return the matrix that averages each eight of 80 frames: (SEGMENTS, 80)."""
    return torch.eye(SEGMENTS).repeat_interleave(8, dim=1) / 8


def clap_time_map() -> Tensor:
    """Return the matrix from the time bins of an audio map to segments: (SEGMENTS, CLAP_BINS).

    The published program resizes the bins to 1024 columns (bicubic), projects each column, and
    averages the columns of each segment. The rows sum to 1, so the bias of the projection is kept.
    """
    bins = torch.eye(CLAP_BINS, dtype=torch.float64)[None, :, None]  # (1, 32, 1, 32)
    columns = functional.interpolate(bins, size=(1, 1024), mode="bicubic")
    return functional.adaptive_avg_pool2d(columns, (1, SEGMENTS))[0, :, 0].T.float().contiguous()


def clap_pooling() -> Tensor:
    """Return the matrix from an audio map of two frequency bins to segments: (SEGMENTS, 64)."""
    return torch.cat([clap_time_map()] * 2, dim=1) / 2


# By number of rows of a feature; SEGMENTS rows need no pooling.
TIME_MAPS = {80: frame_pooling, 64: clap_pooling}


def pool_to_segments(x: Tensor) -> Tensor:
    """Return a feature (..., R, D) pooled to (..., SEGMENTS, D), where R is 10, 64 or 80.

    Raises:
        ValueError: for any other number of rows.
    """
    rows = x.shape[-2]
    if rows == SEGMENTS:
        return x
    if rows not in TIME_MAPS:
        raise ValueError(f"{rows} rows, expected one of {sorted([SEGMENTS, *TIME_MAPS])}")
    return TIME_MAPS[rows]().to(x) @ x


class SegmentAttention(nn.Module):
    """Multi-head attention over few segments, with the parameters of `nn.MultiheadAttention`.

    Shape:
        x: (T * B, D), queries, all videos of a segment before those of the next one.
        other: (T * B, D), keys and values.
        returns: (T * B, D).
    """

    def __init__(self, width: int, nhead: int) -> None:
        super().__init__()
        self.nhead = nhead
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)
        self.dropout = Dropout(DROPOUT)

    def forward(self, x: Tensor, other: Tensor, length: int) -> Tensor:
        head_width = x.shape[1] // self.nhead
        projections = zip(
            (x, other, other),
            self.in_proj_weight.chunk(3),
            self.in_proj_bias.chunk(3),
            strict=True,
        )
        q, k, v = (
            functional.linear(tokens, weight, bias).view(length, -1, head_width).transpose(0, 1)
            for tokens, weight, bias in projections
        )  # (B * H, T, D / H)
        # Keys before queries: a softmax over columns is much faster than over rows of ten.
        scores = torch.bmm(k, q.transpose(1, 2)).mul_(head_width**-0.5)  # (B * H, S, T)
        weights = self.dropout(scores.softmax(dim=1)).transpose(1, 2)  # (B * H, T, S)
        return self.out_proj(torch.bmm(weights, v).transpose(0, 1).reshape(x.shape))


class HybridLayer(nn.Module):
    """Self-attention and cross-attention of a stream, then a feed-forward network.

    Args:
        width: D.
        nhead: attention heads.
        hidden: width of the feed-forward network.
        norm_where: `post_norm` or `pre_norm`; neither normalises the other stream.

    Shape:
        x, other: (T * B, D); flat, so that operations after a matrix product can work in place.
        returns: (T * B, D), the next `x`.
    """

    def __init__(self, width: int, nhead: int, hidden: int, norm_where: str) -> None:
        super().__init__()
        self.is_pre_norm = norm_where == "pre_norm"
        self.self_attn = SegmentAttention(width, nhead)
        self.cm_attn = SegmentAttention(width, nhead)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = Dropout(DROPOUT, inplace=True)

    def forward(self, x: Tensor, other: Tensor, length: int) -> Tensor:
        y = self.norm1(x) if self.is_pre_norm else x
        crossed, attended = self.cm_attn(y, other, length), self.self_attn(y, y, length)
        x = x + self.dropout(crossed) + self.dropout(attended)
        if self.is_pre_norm:
            return x + self._feed_forward(self.norm2(x))
        x = self.norm1(x)
        return self.norm2(x + self._feed_forward(x))

    def _feed_forward(self, x: Tensor) -> Tensor:
        # Dropout and ReLU commute; in this order both can work in place.
        hidden = torch.relu_(self.dropout(self.linear1(x)))
        return self.dropout(self.linear2(hidden))


class HybridEncoder(nn.Module):
    """Hybrid layers with equal initial weights.

    Both streams share the weights. The visual stream attends to the audio stream as already
    updated by the same layer.

    Shape:
        audio, visual: (B, T, D).
        returns: both, (B, T, D).
    """

    def __init__(self, width: int, nhead: int, hidden: int, layers: int, norm_where: str) -> None:
        super().__init__()
        layer = HybridLayer(width, nhead, hidden, norm_where)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(layers))
        self.is_pre_norm = norm_where == "pre_norm"
        self.final_norm_a = nn.LayerNorm(width)  # the final norms are unused in post-norm
        self.final_norm_v = nn.LayerNorm(width)

    def forward(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        a, v = _time_first(audio), _time_first(visual)
        for layer in self.layers:
            a = layer(a, v, audio.shape[1])
            v = layer(v, a, audio.shape[1])
        if self.is_pre_norm:
            a, v = self.final_norm_a(a), self.final_norm_v(v)
        return _video_first(a, audio), _video_first(v, audio)


class BaselineEncoder(nn.Module):
    """The encoder of the baseline, in which every layer receives the input streams.

    So only the last layer has an effect; the norms are unused.

    Shape:
        audio, visual: (B, T, D).
        returns: both, (B, T, D).
    """

    def __init__(self, layer: nn.Module, layers: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(layers))
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        a, v, last = _time_first(audio), _time_first(visual), self.layers[-1]
        return (
            _video_first(last(a, v, audio.shape[1]), audio),
            _video_first(last(v, a, audio.shape[1]), audio),
        )


def _time_first(x: Tensor) -> Tensor:
    """Return a stream (B, T, D) as (T * B, D)."""
    return x.transpose(0, 1).flatten(0, 1)


def _video_first(x: Tensor, like: Tensor) -> Tensor:
    """Return tokens (T * B, D) as a stream of the shape of `like`, (B, T, D)."""
    return x.view(like.shape[1], *like.shape[::2]).transpose(0, 1)


class EventParser(nn.Module):
    """The network of all variants of VALOR.

    Args:
        audio_dim: width of the audio features.
        visual_dim: width of the 2-D visual features.
        motion_dim: width of the 3-D visual features.
        hidden_dim: width D of the streams.
        nhead: attention heads.
        ff_dim: width of the feed-forward networks.
        num_layers: encoder layers.
        norm_where: `post_norm` or `pre_norm`.
        num_classes: K.

    Shape:
        audio, visual, motion: (B, T, width), T segments.
        returns: ParsedEvents.

    Raises:
        ValueError: if `norm_where` is neither.
    """

    def __init__(
        self,
        *,
        audio_dim: int,
        visual_dim: int,
        hidden_dim: int,
        nhead: int,
        ff_dim: int,
        num_layers: int,
        norm_where: str = "post_norm",
        motion_dim: int = MOTION_DIM,
        num_classes: int = NUM_CLASSES,
    ) -> None:
        super().__init__()
        if norm_where not in NORMS:
            raise ValueError(f"norm_where: {norm_where!r}, expected one of {', '.join(NORMS)}")
        self.fc_prob = nn.Linear(hidden_dim, num_classes)
        self.fc_frame_att = nn.Linear(hidden_dim, num_classes)
        self.fc_av_att = nn.Linear(hidden_dim, num_classes)
        self.fc_a = nn.Linear(audio_dim, hidden_dim)
        self.fc_v = nn.Linear(visual_dim, hidden_dim)
        self.fc_st = nn.Linear(motion_dim, hidden_dim)
        self.fc_fusion = nn.Linear(2 * hidden_dim, hidden_dim)
        self._add_encoder(hidden_dim, nhead, ff_dim, num_layers, norm_where)

    def _add_encoder(
        self, width: int, nhead: int, hidden: int, layers: int, norm_where: str
    ) -> None:
        self.hat_encoder: nn.Module = HybridEncoder(width, nhead, hidden, layers, norm_where)

    def streams(self, audio: Tensor, visual: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
        """Return the audio and the visual stream that enter the encoder: (B, T, D) each."""
        fused = torch.cat([self.fc_v(visual), self.fc_st(motion)], dim=2)  # (B, T, 2 D)
        return self.fc_a(audio), self.fc_fusion(fused)

    def parse(self, audio: Tensor, visual: Tensor) -> ParsedEvents:
        """Return the output for the streams (B, T, D) that leave the encoder."""
        z = torch.stack([audio, visual], dim=2)  # (B, T, 2, D)
        frame_logits = self.fc_prob(z)  # (B, T, 2, K)
        frame_prob = frame_logits.sigmoid()
        temporal = self.fc_frame_att(z).softmax(dim=1) * frame_prob
        global_prob = (temporal * self.fc_av_att(z).softmax(dim=2)).sum(dim=(1, 2))  # (B, K)
        a_prob, v_prob = temporal.sum(dim=1).unbind(dim=1)
        return ParsedEvents(global_prob, a_prob, v_prob, frame_prob, frame_logits)

    def forward(self, audio: Tensor, visual: Tensor, motion: Tensor) -> ParsedEvents:
        return self.parse(*self.hat_encoder(*self.streams(audio, visual, motion)))


class BaselineParser(EventParser):
    """The network of the baseline, HAN, with its unused encoders."""

    def _add_encoder(
        self, width: int, nhead: int, hidden: int, layers: int, norm_where: str
    ) -> None:
        if norm_where != "post_norm":
            raise ValueError(f"norm_where: {norm_where!r}, the baseline has post_norm only")
        self.audio_encoder = _unused_encoder(width, nhead, hidden, layers)
        self.visual_encoder = _unused_encoder(width, nhead, hidden, layers)
        unused = nn.TransformerEncoderLayer(width, nhead, hidden)
        self.cmt_encoder = BaselineEncoder(unused, layers, width)
        layer = HybridLayer(width, nhead, hidden, norm_where)
        self.hat_encoder = BaselineEncoder(layer, layers, width)


def _unused_encoder(width: int, nhead: int, hidden: int, layers: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(width, nhead, hidden)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
