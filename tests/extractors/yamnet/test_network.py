import torch
from torch import nn
from torch.nn import functional as F

from avlib.extractors.yamnet.network import YamNet


def same_padded(x, conv):
    """Return a convolution of x as TensorFlow pads it: "SAME", the smaller half first."""
    (kernel, _), (stride, _) = conv.kernel_size, conv.stride
    totals = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:]]
    pads = [side for total in reversed(totals) for side in (total // 2, total - total // 2)]
    return F.conv2d(F.pad(x, pads), conv.weight, conv.bias, stride, groups=conv.groups)


@torch.inference_mode()
def test_every_convolution_is_padded_as_tensorflow_does_and_followed_by_relu():
    torch.manual_seed(0)
    network = YamNet().eval()
    patches = torch.randn(2, 96, 64)
    embedding, logits = network(patches)
    x = patches.unsqueeze(1)
    for conv in network.modules():
        if isinstance(conv, nn.Conv2d):
            x = F.relu(same_padded(x, conv))
    assert x.shape == (2, 1024, 3, 2)
    torch.testing.assert_close(embedding, x.mean((2, 3)))
    torch.testing.assert_close(logits, network.classifier(embedding))


def test_the_network_has_the_published_number_of_weights():
    with torch.device("meta"):
        network = YamNet()
    assert sum(p.numel() for p in network.parameters()) == 3_729_481
    assert len(network.state_dict()) == 56
    assert [n for n in network.state_dict() if n.startswith(("layer1.", "layer14."))] == [
        "layer1.conv.weight",
        "layer1.conv.bias",
        "layer14.depthwise_conv.weight",
        "layer14.depthwise_conv.bias",
        "layer14.pointwise_conv.weight",
        "layer14.pointwise_conv.bias",
    ]
