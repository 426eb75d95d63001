"""The trunk of Omnivore, a Video Swin transformer, and a classifier on top of it.

Source: Girdhar et al., "Omnivore: A Single Model for Many Visual Modalities", CVPR 2022; Liu et
al., "Video Swin Transformer", CVPR 2022. torchvision's network is the same one under other
names; weights files have the published ones.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.models.video.swin_transformer import SwinTransformer3d

from avlib.extractors.omnivore.sizes import TrunkSizes

PATCH = (2, 4, 4)
DEPTH_INPUT = "depth_patch_embed."  # of the published RGB-D input, which videos do not have
BIAS_TABLE = "layers.{}.blocks.0.attn.relative_position_bias_table"
POSITION_INDEX = "layers.0.blocks.0.attn.relative_position_index"


def omnivore_trunk(sizes: TrunkSizes, *, stochastic_depth: float = 0.0) -> SwinTransformer3d:
    """Return a trunk with random weights, whose output is the feature.

    Args:
        sizes: its sizes; at least two blocks in all.
        stochastic_depth: rate at which the last block is skipped in training.

    Shape:
        clips: (B, 3, T, H, W), normalised RGB.
        returns: (B, C) with C = `sizes.channels`.
    """
    trunk = SwinTransformer3d(
        patch_size=list(PATCH),
        embed_dim=sizes.width,
        depths=list(sizes.depths),
        num_heads=list(sizes.heads),
        window_size=list(sizes.window),
        stochastic_depth_prob=stochastic_depth,
        num_classes=1,
    )
    trunk.head = nn.Identity()
    return trunk


class Omnivore(nn.Module):
    """A trunk and linear classifiers, whose rows follow each other in one layer.

    Args:
        sizes: sizes of the trunk.
        num_classes: classes K of each classifier.
        dropout: rate before the classifier, in training only.
        stochastic_depth: rate at which the last block is skipped in training.

    Shape:
        clips: (B, 3, T, H, W), normalised RGB.
        returns: logits (B, K); those of each classifier, where there are several.
    """

    def __init__(
        self,
        sizes: TrunkSizes,
        *,
        num_classes: Sequence[int],
        dropout: float = 0.0,
        stochastic_depth: float = 0.0,
    ) -> None:
        super().__init__()
        self.trunk = omnivore_trunk(sizes, stochastic_depth=stochastic_depth)
        self.dropout = nn.Dropout(dropout)
        self.num_classes = list(num_classes)
        self.head = nn.Linear(sizes.channels, sum(num_classes))

    def features(self, clips: Tensor) -> Tensor:
        """Return the pooled activations: (B, C)."""
        return self.trunk(clips)

    def forward(self, clips: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = self.head(self.dropout(self.features(clips)))  # (B, all K)
        return logits if len(self.num_classes) == 1 else torch.split(logits, self.num_classes, 1)


def published_name(name: str) -> str:
    """Return the published name of torchvision's tensor `name`."""

    def stage(match: re.Match[str]) -> str:
        number, part = divmod(int(match[1]), 2)
        return f"layers.{number}." + ("downsample." if part else "blocks.")

    name = re.sub(r"^features\.(\d+)\.", stage, name)
    return name.replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")


def network_weights(network: Omnivore) -> dict[str, Tensor]:
    """Return the weights of a network: the trunk's under published names, and `head.*`."""
    trunk = {published_name(name): value for name, value in network.trunk.state_dict().items()}
    return trunk | {f"head.{name}": value for name, value in network.head.state_dict().items()}


def infer_sizes(state: Mapping[str, Tensor]) -> TrunkSizes:
    """Return the sizes of the trunk whose tensors have the published names in `state`.

    Raises:
        KeyError: if a tensor that decides a size is missing.
        ValueError: if no window fits the table of relative positions.
    """
    numbers = [re.match(r"layers\.(\d+)\.blocks\.(\d+)\.norm1\.weight$", name) for name in state]
    blocks = [int(match[1]) for match in numbers if match]
    stages = range(max(blocks, default=0) + 1)
    tables = [state[BIAS_TABLE.format(stage)] for stage in stages]
    return TrunkSizes(
        width=state["patch_embed.proj.weight"].shape[0],
        depths=tuple(blocks.count(stage) for stage in stages),
        heads=tuple(table.shape[1] for table in tables),
        window=_infer_window(len(tables[0]), state[POSITION_INDEX]),
    )


def _infer_window(n_distances: int, index: Tensor) -> tuple[int, int, int]:
    """Return the window of so many relative positions, whose index is given."""
    for window in _windows(len(index)):
        fits = n_distances == (2 * window[0] - 1) * (2 * window[1] - 1) * (2 * window[2] - 1)
        if fits and torch.equal(position_index(window).to(index.dtype), index.cpu()):
            return window
    raise ValueError(f"no window has {len(index)} tokens, {n_distances} distances and this index")


def _windows(n_tokens: int) -> Iterator[tuple[int, int, int]]:
    """Yield every (time, height, width) of `n_tokens` tokens."""
    for time in (d for d in range(1, n_tokens + 1) if n_tokens % d == 0):
        rest = n_tokens // time
        yield from ((time, d, rest // d) for d in range(1, rest + 1) if rest % d == 0)


def position_index(window: Sequence[int]) -> Tensor:
    """Return the row of the bias table for each pair of tokens of a window: (N, N), N tokens."""
    axes = torch.meshgrid(*(torch.arange(size) for size in window), indexing="ij")
    places = torch.stack(axes).flatten(1)  # (3, N)
    distances = places[:, :, None] - places[:, None, :]  # (3, N, N)
    index = torch.zeros_like(distances[0])
    for size, distance in zip(window, distances, strict=True):
        index = index * (2 * size - 1) + distance + size - 1
    return index
