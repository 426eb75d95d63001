"""A convolution for inference that ends with the sum and the ReLU that follow it."""

import platform

import torch
from torch import Tensor, nn

# The kernels are known to be right on x86; elsewhere the plain operations do.
HAS_ONEDNN = (
    platform.machine() in {"x86_64", "AMD64"} and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
)


class FusedConv2d(nn.Module):
    """Convolution, then an optional sum with `residual`, then an optional ReLU.

    On a CPU in float32 this is one oneDNN kernel: activations are written once instead of two
    or three times, and weights are laid out for the size of the input once instead of at every
    call. For inference only: it has no gradient, and its weights must not change.

    Args:
        conv: the convolution, with a bias; it is taken over, not copied.
        relu: whether a ReLU follows.

    Shape:
        x: (B, C_in, H, W).
        residual: like the result, (B, C_out, H_out, W_out); it may be overwritten.
    """

    def __init__(self, conv: nn.Conv2d, *, relu: bool) -> None:
        super().__init__()
        self.conv = conv.requires_grad_(False)
        self.relu = relu
        self._packed_for: torch.Size | None = None
        self._packed_weight: Tensor | None = None

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if HAS_ONEDNN and x.is_cpu and x.dtype == torch.float32:
            return self._one_kernel(x, residual)
        y = self.conv(x)
        if residual is not None:
            y += residual
        return y.relu_() if self.relu else y

    def _one_kernel(self, x: Tensor, residual: Tensor | None) -> Tensor:
        conv = self.conv
        geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        ops = torch.ops.mkldnn
        if x.shape != self._packed_for:
            self._packed_weight = ops._reorder_convolution_weight(conv.weight, *geometry, x.shape)
            self._packed_for = x.shape
        kernel = (self._packed_weight, conv.bias, *geometry)
        activation: tuple[str, list[float], str] = ("relu" if self.relu else "none", [], "")
        if residual is None:
            return ops._convolution_pointwise(x, *kernel, *activation)
        return ops._convolution_pointwise_.binary(residual, x, *kernel, "add", 1.0, *activation)
