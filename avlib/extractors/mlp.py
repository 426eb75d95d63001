"""The feed-forward network of a transformer's block, with the parameter names of timm."""

import torch.nn.functional as F
from torch import Tensor, nn


class Mlp(nn.Module):
    """Two linear layers with a GELU between them.

    Args:
        width: channels of a token.
        hidden: channels between the layers.

    Shape:
        x: (..., width).
        returns: (..., width).
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))
