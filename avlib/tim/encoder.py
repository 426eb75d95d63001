"""The encoder of TIM: a transformer in which only features are attended to.

Source: Chalk et al., "TIM: A Time Interval Machine for Audio-Visual Action Recognition",
CVPR 2024, section 3. Parameter names, shapes and order are those of the published checkpoints.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from avlib.training.dropout import Dropout


class Attention(nn.Module):
    """Attention of every token to the feature tokens, and of a query to itself as well.

    Queries do not attend to each other, and features do not attend to queries.

    Shape:
        x: (B, S, W), the first `n_features` of S are features.
        bias: (n_features,), added to the scores of features; for tokens that stand for several.
        returns: (B, S - first, W), of the tokens from `first` on.
    """

    def __init__(self, width: int, nhead: int, dropout: float) -> None:
        super().__init__()
        self.nhead = nhead
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Tensor, n_features: int, first: int = 0, bias: Tensor | None = None
    ) -> Tensor:
        q, k, v = self._project(x, first)  # (B, H, S - first or S, W / H)
        if self.training and self.dropout.rate and x.is_cpu and bias is None:
            mixed = self._mix_with_dropout(q, k, v, n_features)
        else:
            mask = x.new_full((x.shape[1], x.shape[1]), -math.inf).fill_diagonal_(0)
            mask[:, :n_features] = 0 if bias is None else bias
            rate = self.dropout.rate if self.training else 0.0
            mixed = functional.scaled_dot_product_attention(q, k, v, mask[first:], rate)
            mixed = mixed.transpose(1, 2)  # (B, S - first, H, W / H)
        return self.out_proj(mixed.flatten(2))

    def _project(self, x: Tensor, first: int) -> tuple[Tensor, ...]:
        """Return queries from `first` on, and all keys and values."""
        weight, bias, width = self.in_proj_weight, self.in_proj_bias, x.shape[2]
        heads = (self.nhead, width // self.nhead)
        if not first:
            x = functional.linear(x, weight, bias)  # (B, S, 3 W)
            return x.view(*x.shape[:2], 3, *heads).permute(2, 0, 3, 1, 4).unbind()
        q = functional.linear(x[:, first:], weight[:width], bias[:width])
        kv = functional.linear(x, weight[width:], bias[width:])  # (B, S, 2 W)
        parts = (q, *kv.chunk(2, dim=2))
        return tuple(t.view(*t.shape[:2], *heads).transpose(1, 2) for t in parts)

    def _mix_with_dropout(self, q: Tensor, k: Tensor, v: Tensor, n_features: int) -> Tensor:
        """Return what each token makes of the values: (B, S - first, H, W / H).

        The fused attention of a CPU is slow where it drops weights; this is quicker.
        """
        n_queries, scale = k.shape[2] - n_features, q.shape[3] ** -0.5
        features, queries = torch.split(q, [q.shape[2] - n_queries, n_queries], dim=2)
        keys, own_keys = torch.split(k, [n_features, n_queries], dim=2)
        values, own_values = torch.split(v, [n_features, n_queries], dim=2)
        scores = (features @ keys.transpose(2, 3)).mul_(scale)  # (B, H, N, N)
        mixed = self.dropout(scores.softmax(dim=3)) @ values  # (B, H, N, W / H)
        scores = queries @ keys.transpose(2, 3)  # (B, H, Q, N)
        own = (queries * own_keys).sum(dim=3, keepdim=True)
        weights = self.dropout(torch.cat([scores, own], dim=3).mul_(scale).softmax(dim=3))
        weights, own = torch.split(weights, [n_features, 1], dim=3)
        mixed_queries = weights @ values + own * own_values  # (B, H, Q, W / H)
        return torch.cat([mixed.transpose(1, 2), mixed_queries.transpose(1, 2)], dim=1)


class EncoderLayer(nn.Module):
    """Attention and a feed-forward network, each with a norm after its sum."""

    def __init__(self, width: int, nhead: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = Attention(width, nhead, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = Dropout(dropout, inplace=True)

    def forward(
        self, x: Tensor, n_features: int, first: int = 0, bias: Tensor | None = None
    ) -> Tensor:
        """Return the tokens from `first` on: (B, S - first, W)."""
        attended = self.self_attn(x, n_features, first, bias)
        x = self.norm1(_sum(self.dropout(attended), x[:, first:] if first else x))
        hidden = self.dropout(functional.gelu(self.linear1(x)))
        return self.norm2(_sum(self.dropout(self.linear2(hidden)), x))


def _sum(change: Tensor, x: Tensor) -> Tensor:
    """Return `change + x`, in place of `change` where that has the precision of the sum.

    Under autocast `change` is of half precision, and what the layers add up must not be.
    """
    return change.add_(x) if change.dtype == x.dtype else change + x


class Encoder(nn.Module):
    """The layers, copies of one another at the start."""

    def __init__(self, layer: EncoderLayer, num_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(num_layers))

    def forward(
        self, x: Tensor, n_features: int, *, keeps_tokens: bool, bias: Tensor | None = None
    ) -> Tensor:
        """Return all tokens, or the queries alone: (B, S or Q, W)."""
        *others, last = self.layers
        for layer in others:
            x = layer(x, n_features, bias=bias)
        return last(x, n_features, 0 if keeps_tokens else n_features, bias)
