"""A convolution for inference that ends with the sum and the activation that follow it."""

import platform
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The kernels are known to be right on x86; elsewhere the plain operations do.
HAS_ONEDNN = (
    platform.machine() in {"x86_64", "AMD64"} and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
)

Activation = Literal["relu", "relu6"]
ONEDNN_NAMES: dict[Activation | None, tuple[str | None, list[float]]] = {
    None: (None, []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
}


class FusedConv2d(nn.Module):
    """Convolution, then an optional sum with `residual`, then an optional activation.

    On a CPU in float32 this is one oneDNN kernel: activations are written once instead of two
    or three times, and weights are laid out for the size of the input once instead of at every
    call. For inference only: it has no gradient, and its weights must not change.

    Args:
        conv: the convolution, with a bias; it is taken over, not copied.
        activation: what follows; relu6 not after a sum.

    Shape:
        x: (B, C_in, H, W).
        residual: like the result, (B, C_out, H_out, W_out); it may be overwritten.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation | None) -> None:
        super().__init__()
        self.conv = conv.requires_grad_(False)
        self.activation = activation
        self._packed_for: torch.Size | None = None
        self._packed_weight: Tensor | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if HAS_ONEDNN and x.is_cpu and x.dtype == torch.float32:
            return self._one_kernel(x, residual)
        y = self.conv(x)
        if residual is not None:
            y += residual
        if self.activation is None:
            return y
        return y.relu_() if self.activation == "relu" else F.hardtanh(y, 0.0, 6.0, inplace=True)

    def _one_kernel(self, x: Tensor, residual: Tensor | None) -> Tensor:
        conv = self.conv
        geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        ops = torch.ops.mkldnn
        if x.shape[1:] != self._packed_for:  # kernels take weights laid out for another batch, too
            self._packed_weight = ops._reorder_convolution_weight(conv.weight, *geometry, x.shape)
            self._packed_for = x.shape[1:]
        kernel = (self._packed_weight, conv.bias, *geometry)
        name, scalars = ONEDNN_NAMES[self.activation]
        if residual is None:
            return ops._convolution_pointwise(x, *kernel, name or "none", scalars, "")
        sums = (residual, x, *kernel, "add", 1.0)
        return ops._convolution_pointwise_.binary(*sums, name, scalars, "")
