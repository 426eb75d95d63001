"""EgoVLP: one embedding space of videos and texts.

Source: Lin et al., "Egocentric Video-Language Pretraining", NeurIPS 2022; the video tower is the
space-time transformer of Bain et al., "Frozen in Time", ICCV 2021, whose attention is divided as in
Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021. The
text tower is the DistilBERT of the package transformers. Tensors have the published names.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avlib.extractors.mlp import Mlp

HEAD_WIDTH = 64  # channels of an attention head of the published network
EPS = 1e-6  # of the layer norms of the video tower


@dataclass(frozen=True)
class EgoVlpSizes:
    """Structure of a network; the numbers of heads do not follow from the shapes of its weights.

    Attributes:
        frames: most frames of a clip.
        image_size: pixels of a frame on either side.
        patch_size: pixels of a patch on either side.
        width: channels of a token of the video tower.
        depth: its blocks.
        heads: its attention heads.
        feedforward: channels between the two linear layers of its blocks.
        text_width, text_depth, text_heads, text_feedforward: the same of the text tower.
        vocabulary: number of tokens.
        positions: longest text in tokens.
        embedding: channels of the common space.
    """

    frames: int
    image_size: int
    patch_size: int
    width: int
    depth: int
    heads: int
    feedforward: int
    text_width: int
    text_depth: int
    text_heads: int
    text_feedforward: int
    vocabulary: int
    positions: int
    embedding: int


PUBLISHED = EgoVlpSizes(
    frames=4,
    image_size=224,
    patch_size=16,
    width=768,
    depth=12,
    heads=12,
    feedforward=3072,
    text_width=768,
    text_depth=6,
    text_heads=12,
    text_feedforward=3072,
    vocabulary=30_522,
    positions=512,
    embedding=256,
)


class PatchEmbedding(nn.Module):
    """Tokens of the patches of frames.

    Shape:
        frames:  (N, 3, H, W).
        returns: (N, patches, width), row by row.
    """

    def __init__(self, patch_size: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, frames: Tensor) -> Tensor:
        return self.proj(frames).flatten(2).transpose(1, 2)  # (N, P, D)


class DividedAttention(nn.Module):
    """Attention of a patch to the class token and some of the patches, of the former to all.

    Args:
        width: channels of a token.
        heads: attention heads.

    Shape:
        tokens:  (B, 1 + T * P, width), the class token, then the patches of each frame.
        returns: (B, 1 + T * P, width).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} is no multiple of {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def over_time(self, tokens: Tensor, n_frames: int) -> Tensor:
        """Return what patches find at their own place in all frames."""
        return self._divided(tokens, n_frames, is_time=True)

    def over_space(self, tokens: Tensor, n_frames: int) -> Tensor:
        """Return what patches find in their own frame."""
        return self._divided(tokens, n_frames, is_time=False)

    def of_class(self, tokens: Tensor) -> Tensor:
        """Return what the class token finds: (B, 1, width)."""
        width = tokens.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        q = self._by_head(F.linear(tokens[:, :1], weight[:width], bias[:width]))
        keys_and_values = F.linear(tokens, weight[width:], bias[width:])
        k, v = map(self._by_head, keys_and_values.chunk(2, dim=-1))
        found: Tensor = self.proj(_attended(q, k, v))
        return found

    def _divided(self, tokens: Tensor, n_frames: int, *, is_time: bool) -> Tensor:
        q, k, v = map(self._by_head, self.qkv(tokens).chunk(3, dim=-1))  # (B, 1 + T * P, H, C)
        of_class = _attended(q[:, :1], k, v)  # (B, 1, D)
        own = _groups(q[:, 1:], n_frames, is_time=is_time)  # (B, G, M, H, C)
        keys = _groups_with_class(k, n_frames, is_time=is_time)  # (B, G, 1 + M, H, C)
        values = _groups_with_class(v, n_frames, is_time=is_time)
        # The groups join the batch, since the fast kernels take four axes.
        found = _attended(own.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1))
        found = found.reshape(*own.shape[:3], -1)  # (B, G, M, D)
        patches = (found.transpose(1, 2) if is_time else found).flatten(1, 2)  # (B, T * P, D)
        all_found: Tensor = self.proj(torch.cat((of_class, patches), dim=1))
        return all_found

    def _by_head(self, x: Tensor) -> Tensor:
        """Return (B, N, D) as (B, N, H, C)."""
        return x.reshape(*x.shape[:2], self.heads, -1)


def _groups(x: Tensor, n_frames: int, *, is_time: bool) -> Tensor:
    """Return patches (B, T * P, H, C) as (B, T, P, H, C), or (B, P, T, H, C) over time."""
    by_frame = x.reshape(len(x), n_frames, -1, *x.shape[2:])
    return by_frame.transpose(1, 2) if is_time else by_frame


def _groups_with_class(x: Tensor, n_frames: int, *, is_time: bool) -> Tensor:
    """Return tokens (B, 1 + T * P, H, C) as `_groups`, the class token first in each group."""
    groups = _groups(x[:, 1:], n_frames, is_time=is_time)
    first = x[:, None, :1].expand(-1, groups.shape[1], -1, -1, -1)
    return torch.cat((first, groups), dim=2)


def _attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return what queries (B, N, H, C) find: (B, N, D)."""
    by_head = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
    found = F.scaled_dot_product_attention(*by_head)
    return found.transpose(1, 2).flatten(2)


class Block(nn.Module):
    """Attention over time, then over space, then the feed-forward network.

    Args:
        width: channels of a token.
        heads: attention heads.
        feedforward: channels between the two linear layers.

    Shape:
        tokens:  (B, 1 + T * P, width).
        returns: (B, 1 + T * P, width).
    """

    def __init__(self, width: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = DividedAttention(width, heads)
        self.timeattn = DividedAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.mlp = Mlp(width, feedforward)
        self.norm3 = nn.LayerNorm(width, eps=EPS)

    def forward(self, tokens: Tensor, n_frames: int) -> Tensor:
        seen = self.norm1(tokens + self.timeattn.over_time(self.norm3(tokens), n_frames))
        # The residual is of the input, not of what attention over time made of it, as published.
        x = tokens + self.attn.over_space(seen, n_frames)
        return x + self.mlp(self.norm2(x))

    def of_class(self, tokens: Tensor, n_frames: int) -> Tensor:
        """Return the class token alone of what `forward` returns: (B, 1, width)."""
        seen = self.norm1(tokens + self.timeattn.over_time(self.norm3(tokens), n_frames))
        x = tokens[:, :1] + self.attn.of_class(seen)
        return x + self.mlp(self.norm2(x))


class SpaceTimeTransformer(nn.Module):
    """The video tower.

    Args:
        sizes: of the network.

    Shape:
        frames:  (B, T, 3, image_size, image_size), normalised RGB, T up to `sizes.frames`.
        returns: (B, width).
    """

    def __init__(self, sizes: EgoVlpSizes) -> None:
        super().__init__()
        patches = (sizes.image_size // sizes.patch_size) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + patches, sizes.width))
        self.temporal_embed = nn.Parameter(torch.zeros(1, sizes.frames, sizes.width))
        self.patch_embed = PatchEmbedding(sizes.patch_size, sizes.width)
        self.blocks = nn.ModuleList(
            Block(sizes.width, sizes.heads, sizes.feedforward) for _ in range(sizes.depth)
        )
        self.norm = nn.LayerNorm(sizes.width, eps=EPS)
        for table in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(table, std=0.02)

    def forward(self, frames: Tensor) -> Tensor:
        n_clips, n_frames = frames.shape[:2]
        patches = self.patch_embed(frames.flatten(0, 1)).unflatten(0, (n_clips, n_frames))
        place = self.pos_embed[:, None, 1:] + self.temporal_embed[:, :n_frames, None]
        first = (self.cls_token + self.pos_embed[:, :1]).expand(n_clips, -1, -1)
        tokens = torch.cat((first, (patches + place).flatten(1, 2)), dim=1)  # (B, 1 + T * P, D)
        for block in self.blocks[:-1]:
            tokens = block(tokens, n_frames)
        last = cast(Block, self.blocks[-1])
        return self.norm(last.of_class(tokens, n_frames))[:, 0]


class EgoVlp(nn.Module):
    """The whole network.

    Args:
        sizes: sizes of the network.
    """

    def __init__(self, sizes: EgoVlpSizes) -> None:
        from transformers import DistilBertConfig, DistilBertModel  # takes seconds

        super().__init__()
        self.sizes = sizes
        self.text_model = DistilBertModel(
            DistilBertConfig(
                vocab_size=sizes.vocabulary,
                max_position_embeddings=sizes.positions,
                dim=sizes.text_width,
                n_layers=sizes.text_depth,
                n_heads=sizes.text_heads,
                hidden_dim=sizes.text_feedforward,
            )
        )
        self.video_model = SpaceTimeTransformer(sizes)
        self.txt_proj = nn.Sequential(nn.ReLU(), nn.Linear(sizes.text_width, sizes.embedding))
        self.vid_proj = nn.Sequential(nn.Linear(sizes.width, sizes.embedding))

    def video_embeddings(self, frames: Tensor) -> Tensor:
        """Return embeddings (B, embedding) of clips, of any length.

        Args:
            frames: (B, T, 3, H, W), normalised RGB, T up to `sizes.frames`.
        """
        return self.vid_proj(self.video_model(frames))

    def text_embeddings(self, token_ids: Tensor, mask: Tensor) -> Tensor:
        """Return embeddings (N, embedding) of texts, of any length.

        Args:
            token_ids: (N, L) texts between [CLS] and [SEP].
            mask: (N, L), 0 where there is only padding.
        """
        hidden = self.text_model(input_ids=token_ids, attention_mask=mask).last_hidden_state
        return self.txt_proj(hidden[:, 0])
