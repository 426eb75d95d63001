import re

import numpy as np
import pytest
import torch
from golden.fill import rule_input, rule_values
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_golden import GOLDEN, contents
from torchvision.models.video.swin_transformer import SwinTransformer3d

from avlib.extractors.omnivore.network import Omnivore, infer_sizes, network_weights
from avlib.extractors.omnivore.sizes import SWIN_B, TrunkSizes
from avlib.extractors.omnivore.trunk import VideoSwin, fuse_attention

CLIPS_AND_WINDOWS = {
    "frames": st.integers(1, 20),
    "height": st.integers(1, 70),
    "width": st.integers(1, 70),
    "window": st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
}
NARROW = TrunkSizes(width=8, depths=(2, 2, 1, 1), heads=(1, 2, 2, 4), window=(4, 3, 5))


def with_biases(network):
    """Return a network for inference whose biases matter, as those of trained ones do."""
    for name, parameter in network.named_parameters():
        if name.endswith(("bias", "bias_table")):
            torch.nn.init.normal_(parameter)
    return network.eval()


def random_trunk(sizes=NARROW):
    torch.manual_seed(0)
    return with_biases(VideoSwin(sizes))


def test_weights_have_the_published_names_and_shapes():
    golden = contents("visual/state_dicts.json")["omnivore_swinB_epic"]["expected"]["by_name"]
    with torch.device("meta"):
        state = VideoSwin(SWIN_B).state_dict()
    own = {n: [list(t.shape), str(t.dtype)[6:]] for n, t in state.items()}
    assert own == golden["value"]


def test_features_are_those_of_the_published_network():
    name = "omnivore_swinB/1x3x32x56x56/seed0"
    with np.load(GOLDEN / "visual" / "omnivore.npz") as arrays:
        golden = torch.from_numpy(arrays[name])
    trunk = VideoSwin(SWIN_B).eval()
    for own, parameter in trunk.named_parameters():
        values = rule_values(own, tuple(parameter.shape), 0)
        parameter.data = torch.from_numpy(values).float()
    clips = torch.from_numpy(rule_input(f"clip/{name}", (1, 3, 32, 56, 56), 0))
    for network in (trunk, fuse_attention(trunk)):
        with torch.inference_mode():
            torch.testing.assert_close(network(clips), golden, atol=1e-5, rtol=1e-5)


def published_name(name):
    """Return the published name of torchvision's tensor `name`."""

    def stage(match):
        number, part = divmod(int(match[1]), 2)
        return f"layers.{number}." + ("downsample." if part else "blocks.")

    name = re.sub(r"^features\.(\d+)\.", stage, name)
    return name.replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")


@settings(max_examples=10)
@given(**CLIPS_AND_WINDOWS)
def test_features_and_gradients_are_those_of_torchvision(frames, height, width, window):
    sizes = TrunkSizes(width=8, depths=(2, 1, 3), heads=(2, 4, 4), window=window)
    torch.manual_seed(0)
    other = SwinTransformer3d(
        patch_size=[2, 4, 4],
        embed_dim=sizes.width,
        depths=list(sizes.depths),
        num_heads=list(sizes.heads),
        window_size=list(window),
        stochastic_depth_prob=0.5,
    )
    other.head = torch.nn.Identity()
    with_biases(other)
    trunk = VideoSwin(sizes, stochastic_depth=0.5)
    trunk.load_state_dict({published_name(n): t for n, t in other.state_dict().items()})
    clips = torch.from_numpy(rule_input("clip", (3, 3, frames, height, width), 0))
    results = []
    for network in (trunk, other):
        torch.manual_seed(0)  # of the skipped items
        features = network.train()(clips)
        features.square().sum().backward()
        results.append([features, network.patch_embed.proj.weight.grad])
    torch.testing.assert_close(*results)


@settings(max_examples=25)
@given(**CLIPS_AND_WINDOWS)
def test_fused_attention_gives_the_same_features(frames, height, width, window):
    sizes = TrunkSizes(width=8, depths=(2, 1), heads=(2, 4), window=window)
    trunk = random_trunk(sizes)
    clips = torch.from_numpy(rule_input("clip", (2, 3, frames, height, width), 0))
    with torch.inference_mode():
        torch.testing.assert_close(fuse_attention(trunk)(clips), trunk(clips), atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_features():
    trunk = fuse_attention(random_trunk(SWIN_B))
    clips = torch.from_numpy(rule_input("clip", (2, 3, 8, 96, 96), 0))
    with torch.inference_mode():
        expected = trunk(clips)
        result = trunk.cuda()(clips.cuda()).cpu()
    torch.testing.assert_close(result, expected, atol=1e-4, rtol=1e-4)


def test_fusing_leaves_the_network_itself_alone():
    trunk = random_trunk()
    before = list(trunk.state_dict())
    fuse_attention(trunk)
    assert list(trunk.state_dict()) == before


@given(
    depths=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    window=st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(2, 6)),
)
@settings(max_examples=20)
def test_sizes_are_seen_in_the_weights(depths, window):
    sizes = TrunkSizes(8, tuple(depths), tuple(2**i for i in range(len(depths))), window)
    network = Omnivore(sizes, num_classes=[3])
    assert infer_sizes(network_weights(network)) == sizes


def test_a_feature_has_eight_times_the_channels_of_the_first_stage():
    network = Omnivore(NARROW, num_classes=[7]).eval()
    clips = torch.zeros(2, 3, 4, 32, 32)
    assert NARROW.channels == 64
    assert network.features(clips).shape == (2, 64)
    assert network(clips).shape == (2, 7)
