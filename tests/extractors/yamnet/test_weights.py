"""Weights of YAMNet from the package and from the torch port, whose batch norms are separate."""

import pytest
import torch
from torch import nn

from avlib.errors import CheckpointError
from avlib.extractors.yamnet.weights import (
    check_weights,
    convolutions,
    load_yamnet,
    packaged_state,
    untrained_yamnet,
)


def port_state() -> dict[str, torch.Tensor]:
    """Return random weights under the names of the torch port."""
    generator = torch.Generator().manual_seed(0)
    own = untrained_yamnet(0).state_dict()
    state = {name: tensor for name, tensor in own.items() if name.startswith("classifier")}
    for name in convolutions():
        port = "layer1.fused" if name == "layer1.conv" else name
        channels = len(own[f"{name}.bias"])
        state[f"{port}.conv.weight"] = own[f"{name}.weight"]
        state[f"{port}.bn.weight"] = torch.ones(channels)
        state[f"{port}.bn.bias"] = torch.randn(channels, generator=generator)
        state[f"{port}.bn.running_mean"] = torch.randn(channels, generator=generator)
        state[f"{port}.bn.running_var"] = torch.rand(channels, generator=generator) + 1e-5
        state[f"{port}.bn.num_batches_tracked"] = torch.tensor(0)
    return state


@pytest.mark.parametrize("name", ["layer1.conv", "layer7.depthwise_conv", "layer14.pointwise_conv"])
def test_batch_norms_of_the_torch_port_are_folded_in(tmp_path, name):
    state = port_state()
    torch.save(state, tmp_path / "yamnet.pth")
    network = load_yamnet(tmp_path / "yamnet.pth").double()
    port = "layer1.fused" if name == "layer1.conv" else name
    norm = nn.BatchNorm2d(len(state[f"{port}.bn.bias"]), eps=1e-4).double().eval()
    norm.load_state_dict(
        {n.removeprefix(f"{port}.bn."): t for n, t in state.items() if n.startswith(f"{port}.bn.")}
    )
    convolution = network.get_submodule(name)
    channels = convolution.in_channels
    x = torch.randn(2, channels, 9, 9, dtype=torch.double)
    weight = state[f"{port}.conv.weight"].double()
    plain = norm(nn.functional.conv2d(x, weight, groups=convolution.groups))
    folded = nn.functional.conv2d(
        x, convolution.weight, convolution.bias, groups=convolution.groups
    )
    torch.testing.assert_close(folded, plain, atol=1e-3, rtol=1e-5)


def test_a_torch_port_without_a_batch_norm_is_refused(tmp_path):
    state = port_state()
    del state["layer3.depthwise_conv.bn.running_var"]
    torch.save(state, tmp_path / "yamnet.pth")
    with pytest.raises(CheckpointError, match=r"no layer3\.depthwise_conv\.bn\.running_var"):
        load_yamnet(tmp_path / "yamnet.pth")


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"fc.weight": torch.zeros(2, 3)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"does not fit: missing classifier\.bias"):
        check_weights(tmp_path / "other.pth", tmp_path / "given.json")
    with pytest.raises(CheckpointError, match="has no float tensor onnx::Conv_241"):
        packaged_state(b"", b"", "model.onnx")
