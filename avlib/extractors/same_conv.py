"""Convolutions padded as TensorFlow's "SAME", on sizes that their stride divides."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SameConv2d(nn.Conv2d):
    """A convolution whose outputs are as many as its inputs, divided by the stride.

    At stride 2 there is one more row of zeros below than above, and one more at the right.

    Args:
        c_in: input channels.
        c_out: output channels.
        kernel: its size, odd.
        stride: 1 or 2.
        groups: of channels.
        bias: whether it has one.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        *,
        bias: bool = True,
    ) -> None:
        padding = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(c_in, c_out, kernel, stride, padding, groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == (1, 1):
            return super().forward(x)
        before = (self.kernel_size[0] - 2) // 2
        return super().forward(F.pad(x, (before, before + 1, before, before + 1)))

    @torch.no_grad()
    def evenly_padded(self) -> nn.Conv2d:
        """Return the same with equal padding on all sides, for inference.

        Its kernel has a row and a column of zeros more: that is faster than padding the input.
        """
        if self.stride == (1, 1):
            return self
        kernel = self.kernel_size[0] + 1
        even = nn.Conv2d(
            self.in_channels,
            self.out_channels,
            kernel,
            stride=2,
            padding=kernel // 2 - 1,
            groups=self.groups,
        )
        even.weight = nn.Parameter(F.pad(self.weight, (1, 0, 1, 0)))
        even.bias = self.bias
        return even.train(self.training)
