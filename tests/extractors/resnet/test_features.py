from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet152 as published_resnet152
from torchvision.models.video import r2plus1d_18 as published_r2plus1d_18

from avlib.errors import CheckpointError, DataError
from avlib.extractors.resnet.images import r2plus1d_input, res152_input
from avlib.extractors.resnet.network import R2Plus1d, ResNet, r2plus1d_18, resnet152
from avlib.extractors.resnet.r2plus1d_18 import r2plus1d_features
from avlib.extractors.resnet.res152 import res152_features
from avlib.extractors.resnet.weights import load_r2plus1d_18, load_resnet152
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.vggish.patches import patches
from avlib.extractors.vggish.segments import picked_samples, segment_patches, vggish_features
from avlib.extractors.weights import untrained


class Means(nn.Module):
    """Stands for a network: the mean of each channel."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return x.flatten(2).mean(dim=2) * self.one


@pytest.fixture(scope="module")
def clip_network():
    return untrained(r2plus1d_18, 0)


def pictures(n):
    rng = np.random.default_rng(0)
    return [np.full((30, 40, 3), level, np.uint8) for level in rng.permutation(n) * (255 // n)]


def test_weights_have_the_published_names_but_for_the_classifier():
    builders = ((published_resnet152, resnet152), (published_r2plus1d_18, r2plus1d_18))
    with torch.device("meta"):
        for published, build in builders:
            expected = {n: t.shape for n, t in published(weights=None).state_dict().items()}
            own = {n: t.shape for n, t in build().state_dict().items()}
            del expected["fc.weight"], expected["fc.bias"]
            assert own == expected


def test_published_files_are_read(tmp_path, clip_network):
    state = clip_network.state_dict()
    classifier = {"fc.weight": torch.zeros(400, 512), "fc.bias": torch.zeros(400)}
    torch.save(state | classifier, tmp_path / "a.pth")
    loaded = load_r2plus1d_18(tmp_path / "a.pth")
    assert not loaded.training
    assert all(torch.equal(state[n], t) for n, t in loaded.state_dict().items())


def test_files_of_another_network_are_refused(tmp_path, clip_network):
    state = clip_network.state_dict()
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth: no bn1\.weight; not a file of"):
        load_resnet152(tmp_path / "a.pth")
    del state["layer4.0.conv2.0.0.weight"]
    state["stem.0.other"] = state.pop("stem.0.weight")
    torch.save(state, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=r"missing layer4\.0\.conv2\.0\.0\.weight, stem"):
        load_r2plus1d_18(tmp_path / "b.pth")


def test_narrow_networks_are_read_at_their_own_sizes(tmp_path):
    for build, load, shape, width in (
        (partial(ResNet, width=2), load_resnet152, (1, 3, 32, 32), 64),
        (partial(R2Plus1d, width=2, middle=3), load_r2plus1d_18, (1, 3, 4, 32, 32), 16),
    ):
        network = untrained(partial(build, blocks=(1, 2, 1, 1)), 0)
        torch.save(network.state_dict(), tmp_path / "a.pth")
        loaded, inputs = load(tmp_path / "a.pth"), torch.rand(shape)
        with torch.inference_mode():
            assert torch.equal(loaded(inputs), network(inputs))
            assert loaded(inputs).shape == (1, width)


def test_files_without_a_stage_are_refused(tmp_path):
    state = ResNet(blocks=(1, 1, 1, 1), width=2).state_dict()
    torch.save({n: t for n, t in state.items() if "layer4" not in n}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="no layer4"):
        load_resnet152(tmp_path / "a.pth")


def test_the_whole_networks_compute_what_torchvision_computes():
    for build, published, shape in (
        (resnet152, published_resnet152, (1, 3, 64, 64)),
        (r2plus1d_18, published_r2plus1d_18, (1, 3, 4, 32, 32)),
    ):
        reference = untrained(partial(published, weights=None), 0)
        reference.fc = nn.Identity()
        own, inputs = build().eval(), torch.rand(shape)
        own.load_state_dict(reference.state_dict())
        with torch.inference_mode():
            assert torch.equal(own(inputs), reference(inputs))


def test_old_files_of_resnet_hold_no_counters(tmp_path):
    network = untrained(resnet152, 1)
    state = network.state_dict()
    old = {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}
    torch.save(old | {"last_linear.bias": torch.zeros(1000)}, tmp_path / "a.pth")
    loaded = load_resnet152(tmp_path / "a.pth")
    assert torch.equal(loaded.layer4[2].conv3.weight, network.layer4[2].conv3.weight)
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded(images), network(images))
        assert loaded(images).shape == (1, 2048)


def test_there_is_one_row_of_res152_for_each_of_eighty_frames():
    frames = pictures(82)
    features = res152_features(Means(), frames)
    assert features.shape == (80, 3)
    ends = res152_input([frames[0], frames[-1]]).mean(dim=(2, 3))
    np.testing.assert_allclose(features[[0, -1]], ends, atol=1e-5)
    single = res152_features(Means(), frames[:1])
    assert (single == single[0]).all()


def test_clips_are_eight_frames_in_a_row():
    frames = pictures(80)
    features = r2plus1d_features(Means(), frames)
    assert features.shape == (10, 3)
    second = r2plus1d_input(frames[8:16]).mean(dim=(0, 2, 3))
    np.testing.assert_allclose(features[1], second, atol=1e-5)


def test_time_is_the_third_axis_of_a_clip():
    class LastFrame(Means):
        def forward(self, x):
            return super().forward(x[:, :, -1])

    frames = pictures(80)
    last = r2plus1d_input([frames[79]])[0].mean(dim=(1, 2))
    np.testing.assert_allclose(r2plus1d_features(LastFrame(), frames)[9], last, atol=1e-5)


def test_a_second_of_sound_is_a_patch_of_the_mean_of_its_channels():
    rng = np.random.default_rng(0)
    stereo = rng.integers(-9000, 9000, (160_000, 2), dtype=np.int16)
    mono = stereo.astype(np.float64).mean(axis=1) / 32_768
    got = segment_patches(stereo, 16_000)
    assert got.shape == (10, 96, 64)
    np.testing.assert_allclose(got[3], patches(mono[48_000:64_000], 16_000)[0], atol=1e-5)


def test_a_recording_that_ends_early_is_silent_from_there():
    rng = np.random.default_rng(0)
    short = segment_patches(rng.normal(0, 0.1, 100_000).astype(np.float32), 16_000)
    assert short.shape == (10, 96, 64)
    np.testing.assert_allclose(short[7:], np.log(0.01), atol=1e-6)
    with pytest.raises(DataError, match="without samples"):
        segment_patches(np.zeros((0, 2), np.int16), 16_000)


def test_samples_are_picked_without_a_filter():
    samples = np.stack([np.arange(4410), -np.arange(4410)], axis=1).astype(np.int16)
    picked = picked_samples(samples)
    assert picked.shape == (1600, 2) and picked.dtype == np.int16
    assert picked[:5, 0].tolist() == [0, 3, 6, 8, 11]  # 2.76, 5.51, 8.27, 11.03
    assert np.array_equal(picked[:, 0], -picked[:, 1])
    loud = np.array([[-32_768, 32_767]] * 441, np.int16)
    assert np.unique(picked_samples(loud), axis=0).tolist() == [[-32_440, 32_440]]


def test_vggish_gives_a_row_for_each_second():
    network = VGGish(width=2, hidden=16).eval()
    features = vggish_features(network, np.zeros(160_000, np.float32), 16_000)
    assert features.shape == (10, 128) and features.dtype == np.float32
    assert (features == features[0]).all()
