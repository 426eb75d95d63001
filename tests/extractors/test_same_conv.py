import pytest
import torch
from torch.nn import functional as F

from avlib.extractors import fused_conv
from avlib.extractors.fused_conv import FusedConv2d
from avlib.extractors.same_conv import SameConv2d


def same_padded(x, conv):
    """Return a convolution of x as TensorFlow pads it: "SAME", the smaller half first."""
    (kernel, _), (stride, _) = conv.kernel_size, conv.stride
    totals = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:]]
    pads = [side for total in reversed(totals) for side in (total // 2, total - total // 2)]
    return F.conv2d(F.pad(x, pads), conv.weight, conv.bias, stride, groups=conv.groups)


@torch.inference_mode()
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
def test_padding_is_that_of_tensorflow_also_where_it_is_made_even(kernel, stride, groups, bias):
    torch.manual_seed(0)
    conv = SameConv2d(6, 12, kernel, stride, groups, bias=bias)
    x = torch.randn(2, 6, 8, 14)
    expected = same_padded(x, conv)
    assert expected.shape[2:] == (8 // stride, 14 // stride)
    torch.testing.assert_close(conv(x), expected)
    even = conv.evenly_padded()
    assert even.padding[0] == even.padding[1]
    torch.testing.assert_close(even(x), expected)


@torch.inference_mode()
@pytest.mark.parametrize("activation", [None, "relu", "relu6"])
def test_a_fused_convolution_is_the_plain_one_at_any_batch_size(activation, monkeypatch):
    torch.manual_seed(0)
    conv = SameConv2d(8, 16, 3)
    plain = {None: lambda y: y, "relu": F.relu, "relu6": F.relu6}[activation]
    fused = FusedConv2d(conv, activation)
    for is_there in (fused_conv.HAS_ONEDNN, False):
        monkeypatch.setattr(fused_conv, "HAS_ONEDNN", is_there)
        for batch in (4, 1, 3):
            x = (20 * torch.randn(batch, 8, 6, 5)).contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(fused(x), plain(conv(x)), rtol=1e-5, atol=1e-4)


@torch.inference_mode()
def test_a_sum_comes_before_the_relu():
    torch.manual_seed(0)
    conv = SameConv2d(8, 8, 1)
    x = torch.randn(2, 8, 6, 5).contiguous(memory_format=torch.channels_last)
    for activation, plain in ((None, lambda y: y), ("relu", F.relu)):
        expected = plain(conv(x) + x)
        found = FusedConv2d(conv, activation)(x, x.clone(memory_format=torch.channels_last))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
