import torch
from torch import nn
from torch.nn import functional as F

from avlib.extractors.efficientnet_lite.network import EfficientNetLite0
from avlib.extractors.same_conv import SameConv2d


def test_the_network_has_the_published_number_of_weights():
    with torch.device("meta"):
        network = EfficientNetLite0()
    assert sum(p.numel() for p in network.parameters()) == 4_652_008
    assert len(network.state_dict()) == 296
    assert len(network._blocks) == 16


@torch.inference_mode()
def test_sizes_halve_five_times_and_padding_is_that_of_tensorflow():
    torch.manual_seed(0)
    network = EfficientNetLite0().eval()
    sizes = []

    def check(conv, inputs, output):
        (x,), (kernel, _), (stride, _) = inputs, conv.kernel_size, conv.stride
        total = max((-(-x.shape[2] // stride) - 1) * stride + kernel - x.shape[2], 0)
        pads = (total // 2, total - total // 2) * 2
        expected = F.conv2d(F.pad(x, pads), conv.weight, None, stride, groups=conv.groups)
        torch.testing.assert_close(output, expected)
        if stride > 1:
            sizes.append(output.shape[2])

    for module in network.modules():
        if isinstance(module, SameConv2d):
            module.register_forward_hook(check)
    embedding, logits = network(torch.randn(1, 3, 224, 224))
    assert sizes == [112, 56, 28, 14, 7]
    assert embedding.shape == (1, 1280)
    assert logits.shape == (1, 1000)


@torch.inference_mode()
def test_channels_without_variance_stay_finite():
    network = EfficientNetLite0().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var[::7] = 0
    assert all(x.isfinite().all() for x in network(torch.ones(1, 3, 224, 224)))
