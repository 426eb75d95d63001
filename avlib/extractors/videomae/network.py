"""VideoMAE ViT-L with verb and noun heads, as it was fine-tuned on EPIC-KITCHENS.

Source: Tong et al., "VideoMAE: Masked Autoencoders are Data-Efficient Learners for Self-Supervised
Video Pre-Training", NeurIPS 2022; weights of Chalk et al., "TIM", CVPR 2024. The transformer is
that of the package transformers; weights have the published names on their way in and out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

CLIP_FRAMES = 16
IMAGE_SIZE = 224
HEAD_WIDTH = 64  # channels of an attention head
EPS = 1e-6  # of all layer norms, the last one included
HEADS = {384: 6, 768: 12, 1024: 16, 1280: 16}  # by width: ViT-S, -B, -L and -H
PATCHES = "embeddings.patch_embeddings.projection"
BLOCK = "encoder.layer"
# Parts of a block: name in transformers, published name.
BLOCK_MODULES = {
    "layernorm_before": "norm1",
    "attention.output.dense": "attn.proj",
    "layernorm_after": "norm2",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
PARAMETERS = ("weight", "bias")
BLOCK_BIASES = {
    "attention.attention.query.bias": "attn.q_bias",
    "attention.attention.value.bias": "attn.v_bias",
}
QKV = "attn.qkv.weight"  # published as one matrix
QKV_PARTS = [f"attention.attention.{part}.weight" for part in ("query", "key", "value")]


@dataclass(frozen=True)
class VideoMAESizes:
    """Sizes of a network.

    Attributes:
        width: channels of a token, a multiple of HEAD_WIDTH.
        depth: number of blocks.
        feedforward: channels between the two linear layers of a block.
        classes: verbs and nouns.
    """

    width: int
    depth: int
    feedforward: int
    classes: tuple[int, int]


VIT_L = VideoMAESizes(width=1024, depth=24, feedforward=4096, classes=(97, 300))


class VideoMAE(nn.Module):
    """The whole network; `state_dict` and `load_state_dict` use the published names.

    Args:
        sizes: sizes of the network.

    Shape:
        clips: (B, 3, CLIP_FRAMES, IMAGE_SIZE, IMAGE_SIZE), normalised RGB.
        returns: logits (B, verbs) and (B, nouns).
    """

    def __init__(self, sizes: VideoMAESizes) -> None:
        from transformers import VideoMAEConfig, VideoMAEModel  # takes seconds

        super().__init__()
        self.sizes = sizes
        config = VideoMAEConfig(
            image_size=IMAGE_SIZE,
            num_frames=CLIP_FRAMES,
            hidden_size=sizes.width,
            num_hidden_layers=sizes.depth,
            num_attention_heads=HEADS.get(sizes.width, sizes.width // HEAD_WIDTH),
            intermediate_size=sizes.feedforward,
            layer_norm_eps=EPS,
            use_mean_pooling=True,
        )
        self.backbone = VideoMAEModel(config)
        self.fc_norm = nn.LayerNorm(sizes.width, eps=EPS)
        self.verb_head = nn.Linear(sizes.width, sizes.classes[0])
        self.noun_head = nn.Linear(sizes.width, sizes.classes[1])
        self.register_state_dict_post_hook(_to_published)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_from_published)  # type: ignore[no-untyped-call]

    def features(self, clips: Tensor) -> Tensor:
        """Return the pooled activations: (B, width)."""
        tokens = self.backbone(clips.transpose(1, 2)).last_hidden_state  # (B, N, width)
        return self.fc_norm(tokens.mean(dim=1))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of features: (B, verbs) and (B, nouns)."""
        return self.verb_head(features), self.noun_head(features)

    def forward(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        return self.heads(self.features(clips))


def _names(depth: int) -> dict[str, str]:
    """Return the published name of each tensor of the transformer, but for QKV_PARTS."""
    names = {f"{PATCHES}.{p}": f"patch_embed.proj.{p}" for p in PARAMETERS}
    modules = {
        f"{own}.{p}": f"{name}.{p}" for own, name in BLOCK_MODULES.items() for p in PARAMETERS
    }
    for i in range(depth):
        for own, published in (modules | BLOCK_BIASES).items():
            names[f"{BLOCK}.{i}.{own}"] = f"blocks.{i}.{published}"
    return names


def _to_published(
    network: VideoMAE, state: dict[str, Any], prefix: str, _metadata: dict[str, Any]
) -> None:
    own = f"{prefix}backbone."
    for name, published in _names(network.sizes.depth).items():
        state[prefix + published] = state.pop(own + name)
    for i in range(network.sizes.depth):
        parts = [state.pop(f"{own}{BLOCK}.{i}.{part}") for part in QKV_PARTS]
        state[f"{prefix}blocks.{i}.{QKV}"] = torch.cat(parts)


def _from_published(network: VideoMAE, state: dict[str, Any], prefix: str, *_rest: object) -> None:
    own = f"{prefix}backbone."
    for name, published in _names(network.sizes.depth).items():
        if prefix + published in state:
            state[own + name] = state.pop(prefix + published)
    for i in range(network.sizes.depth):
        if f"{prefix}blocks.{i}.{QKV}" in state:
            parts = state.pop(f"{prefix}blocks.{i}.{QKV}").chunk(3)
            for name, part in zip(QKV_PARTS, parts, strict=True):
                state[f"{own}{BLOCK}.{i}.{name}"] = part


def infer_sizes(state: Mapping[str, Tensor]) -> VideoMAESizes:
    """Return the sizes of the network with these weights.

    Raises:
        KeyError: if a tensor that decides a size is missing.
    """
    blocks = {int(match[1]) for name in state if (match := re.match(r"blocks\.(\d+)\.", name))}
    return VideoMAESizes(
        width=len(state["patch_embed.proj.bias"]),
        depth=len(blocks),
        feedforward=len(state["blocks.0.mlp.fc1.bias"]),
        classes=(len(state["verb_head.bias"]), len(state["noun_head.bias"])),
    )
