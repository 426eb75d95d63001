"""Dropout with a fast random generator.

On a CPU, the random draws take most of the time of torch's own dropout.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

WORD_VALUES = 1 << 32


def dropout_mask(shape: torch.Size, rate: float) -> Tensor:
    """Return a float32 mask on the CPU: 0 with probability `rate`, else 1 / (1 - rate).

    The draws depend on torch's default generator alone, which they advance by one number.
    Probabilities are exact to 2**-32.
    """
    count = shape.numel()
    seed = int(torch.randint(2**63 - 1, ()))
    bits = np.random.SFC64(seed).random_raw(-(-count // 2)).view(np.int32)[:count]
    mask = torch.from_numpy(bits)
    kept = torch.tensor(1 / (1 - rate)).view(torch.int32)
    mask.ge_(round(rate * WORD_VALUES) - WORD_VALUES // 2).mul_(kept)
    return mask.view(torch.float32).view(shape)


class Dropout(nn.Module):
    """As `nn.Dropout`, with `dropout_mask` where that can be used.

    Args:
        rate: probability with which a number becomes 0, in [0, 1).
        inplace: whether the result may be written into the input.
    """

    def __init__(self, rate: float, *, inplace: bool = False) -> None:
        super().__init__()
        self.rate, self.inplace = rate, inplace

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return x
        if x.is_cpu and x.dtype in (torch.float32, torch.bfloat16):
            mask = dropout_mask(x.shape, self.rate).to(x.dtype)
            return x.mul_(mask) if self.inplace else x * mask
        return functional.dropout(x, self.rate, inplace=self.inplace)
