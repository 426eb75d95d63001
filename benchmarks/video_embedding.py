"""EgoVLP's embedding of a clip: attention as published, rebuilt, against avlib.

.venv/bin/python benchmarks/video_embedding.py
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from measure import best_cpu_seconds, describe, write_result
from torch import Tensor

from avlib.extractors.egovlp.network import PUBLISHED, Block, DividedAttention, EgoVlp
from avlib.extractors.egovlp.weights import untrained_egovlp

FRAMES = (4, 16)
ROUNDS = 3


def attended(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return plain attention of (N, L, C)."""
    return (q @ k.transpose(1, 2)).softmax(dim=-1) @ v


def divided(attention: DividedAttention, tokens: Tensor, n_frames: int, *, is_time: bool) -> Tensor:
    """Return attention as the published code computes it, one group of patches a row."""
    n_clips, heads = len(tokens), attention.heads
    width = tokens.shape[-1] // heads
    q, k, v = (
        part.reshape(n_clips, -1, heads, width).transpose(1, 2).flatten(0, 1)
        for part in attention.qkv(tokens).chunk(3, dim=-1)
    )  # (B * H, 1 + T * P, C)
    q = q * width**-0.5
    first = attended(q[:, :1], k, v)

    def groups(x: Tensor) -> Tensor:
        by_frame = x[:, 1:].unflatten(1, (n_frames, -1))
        return (by_frame.transpose(1, 2) if is_time else by_frame).flatten(0, 1)

    n_groups = len(groups(q)) // len(q)
    keys, values = (
        torch.cat((x[:, :1].repeat_interleave(n_groups, dim=0), groups(x)), dim=1) for x in (k, v)
    )
    found = attended(groups(q), keys, values).unflatten(0, (-1, n_groups))
    patches = (found.transpose(1, 2) if is_time else found).flatten(1, 2)
    joined = torch.cat((first, patches), dim=1).unflatten(0, (n_clips, heads))
    return attention.proj(joined.transpose(1, 2).flatten(2))


def as_published(network: EgoVlp, frames: Tensor) -> Tensor:
    """Return embeddings (B, embedding), every token of every block computed."""
    tower, n_frames = network.video_model, frames.shape[1]
    patches = tower.patch_embed(frames.flatten(0, 1)).unflatten(0, (len(frames), n_frames))
    places = tower.pos_embed[:, 1:].repeat(1, n_frames, 1)
    times = tower.temporal_embed[:, :n_frames].repeat_interleave(patches.shape[2], dim=1)
    first = (tower.cls_token + tower.pos_embed[:, :1]).expand(len(frames), -1, -1)
    x = torch.cat((first, patches.flatten(1, 2) + places + times), dim=1)
    block: Any
    for block in tower.blocks:
        assert isinstance(block, Block)
        seen = x + divided(block.timeattn, block.norm3(x), n_frames, is_time=True)
        x = x + divided(block.attn, block.norm1(seen), n_frames, is_time=False)
        x = x + block.mlp(block.norm2(x))
    return network.vid_proj(tower.norm(x)[:, 0])


@torch.inference_mode()
def main() -> None:
    """Print and write the CPU seconds of a clip in each way."""
    describe(__doc__)
    torch.set_num_threads(1)
    network = untrained_egovlp(replace(PUBLISHED, frames=max(FRAMES)), 0)
    torch.nn.init.normal_(network.video_model.temporal_embed)
    half = copy.deepcopy(network).bfloat16()
    result: dict[str, float] = {}
    for count in FRAMES:
        frames = torch.randn(1, count, 3, PUBLISHED.image_size, PUBLISHED.image_size)
        variants: dict[str, Callable[[], Tensor]] = {
            "as published": partial(as_published, network, frames),
            "avlib": partial(network.video_embeddings, frames),
            "avlib, bfloat16": partial(half.video_embeddings, frames.bfloat16()),
        }
        torch.testing.assert_close(variants["avlib"](), variants["as published"]())
        times = best_cpu_seconds(variants, ROUNDS)
        for name, seconds in times.items():
            result[f"{count} frames, {name}, CPU s a clip"] = round(seconds, 2)
        for name in list(times)[1:]:
            ratio = times["as published"] / times[name]
            result[f"{count} frames, {name}, times as fast"] = round(ratio, 2)
    write_result("video_embedding", result, "torch", "transformers")


if __name__ == "__main__":
    main()
