"""Omnivore: its trunk with a classifier on top, and the sizes of a trunk by its weights.

Source: Girdhar et al., "Omnivore: A Single Model for Many Visual Modalities", CVPR 2022.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from avlib.extractors.omnivore.sizes import TrunkSizes
from avlib.extractors.omnivore.trunk import VideoSwin
from avlib.extractors.omnivore.window_attention import position_index

DEPTH_INPUT = "depth_patch_embed."  # of the published RGB-D input, which videos do not have
BIAS_TABLE = "layers.{}.blocks.0.attn.relative_position_bias_table"
POSITION_INDEX = "layers.0.blocks.0.attn.relative_position_index"


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
        self.trunk = VideoSwin(sizes, stochastic_depth=stochastic_depth)
        self.dropout = nn.Dropout(dropout)
        self.num_classes = list(num_classes)
        self.head = nn.Linear(sizes.channels, sum(num_classes))

    def features(self, clips: Tensor) -> Tensor:
        """Return the pooled activations: (B, C)."""
        return self.trunk(clips)

    def forward(self, clips: Tensor) -> Tensor | tuple[Tensor, ...]:
        logits = self.head(self.dropout(self.features(clips)))  # (B, all K)
        return logits if len(self.num_classes) == 1 else torch.split(logits, self.num_classes, 1)


def network_weights(network: Omnivore) -> dict[str, Tensor]:
    """Return the weights of a network: those of the trunk, and `head.*`."""
    head = {f"head.{name}": value for name, value in network.head.state_dict().items()}
    return network.trunk.state_dict() | head


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
