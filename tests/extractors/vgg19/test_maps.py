import json
from functools import partial

import cv2
import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avlib.errors import CheckpointError, DataError
from avlib.extractors.vgg19.extraction import check_weights
from avlib.extractors.vgg19.maps import (
    channels,
    network_input,
    sampled_frames,
    second_maps,
)
from avlib.extractors.vgg19.network import VGG19
from avlib.extractors.vgg19.weights import load_vgg19


def narrow_network():
    torch.manual_seed(0)
    return VGG19(width=2).eval()


def pictures(n, height=30, width=50):
    shape = (n, height, width, 3)
    return list(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def as_frames(arrays):
    return [partial(np.asarray, array) for array in arrays]


def write_keras(path, network, name):
    """Write the weights as Keras does: `name` of a block, layer and array below the file's root."""
    convolutions = [m for m in network.features if isinstance(m, torch.nn.Conv2d)]
    blocks = [(b, c) for b, n in enumerate((2, 2, 4, 4, 4), 1) for c in range(1, n + 1)]
    with h5py.File(path, "w") as file:
        for (block, layer), convolution in reversed(list(zip(blocks, convolutions, strict=True))):
            kernel = convolution.weight.detach().numpy().transpose(2, 3, 1, 0)
            file[name(f"block{block}_conv{layer}", 0)] = kernel
            file[name(f"block{block}_conv{layer}", 1)] = convolution.bias.detach().numpy()
        file[name("predictions", 0)] = np.zeros((4, 3))


LAYOUTS = {
    "2015": lambda layer, i: f"{layer}/{layer}_{'Wb'[i]}_1:0",
    "2": lambda layer, i: f"model_weights/{layer}/{layer}/{('kernel', 'bias')[i]}:0",
    "3": lambda layer, i: f"layers/{layer}/vars/{i}",
}


@given(st.integers(1, 2000), st.integers(1, 12), st.integers(1, 20))
def test_sampled_frames_are_in_order_and_within_the_video(n_frames, seconds, per_second):
    frames = sampled_frames(n_frames, seconds, per_second)
    assert frames.shape == (seconds, per_second)
    assert (np.diff(frames.ravel()) >= 0).all()
    assert frames[0, 0] == 0 and frames.max() < n_frames


def test_a_short_video_repeats_its_frames():
    assert sampled_frames(40)[:2].tolist() == [
        [k // 4 for k in range(16)],
        [4 + k // 4 for k in range(16)],
    ]
    assert not sampled_frames(9).any()


def test_input_is_blue_green_red_without_its_means():
    red = np.zeros((5, 9, 3), np.uint8)
    red[..., 0] = 255
    x = network_input([red])
    assert x.shape == (1, 3, 224, 224)
    torch.testing.assert_close(x[0, :, 7, 9], torch.tensor([-103.939, -116.779, 255 - 123.68]))


def test_a_second_is_the_mean_of_its_sampled_frames():
    network, videos = narrow_network(), pictures(7)
    indices = sampled_frames(7, 2, 5)
    result = second_maps(network, as_frames(videos), indices)
    sized = [cv2.resize(videos[i], (224, 224)) for i in indices.ravel()]
    with torch.inference_mode():
        maps = network(network_input(sized)).permute(0, 2, 3, 1).numpy()
    assert result.shape == (2, 7, 7, channels(network)) and result.dtype == np.float32
    np.testing.assert_allclose(result, maps.reshape(2, 5, 7, 7, -1).mean(axis=1), atol=1e-4)


def test_the_network_sees_each_sampled_frame_once():
    network, seen, converted = narrow_network(), [], []
    network.register_forward_hook(lambda *_: seen.append(len(_[1][0])))
    frames = [partial(lambda i: converted.append(i) or pictures(1)[0], i) for i in range(45)]
    second_maps(network, frames, sampled_frames(45, 2, 4))
    assert sum(seen) == 8
    assert converted == [0, 5, 11, 16, 22, 27, 33, 38]


def test_a_video_that_ends_early_is_named():
    with pytest.raises(DataError, match="before its frame 3"):
        second_maps(narrow_network(), as_frames(pictures(3)), sampled_frames(6, 2, 2))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_of_keras_are_transposed(tmp_path, layout):
    network = narrow_network()
    write_keras(tmp_path / "vgg19.h5", network, LAYOUTS[layout])
    loaded = load_vgg19(tmp_path / "vgg19.h5").state_dict()
    assert loaded.keys() == network.state_dict().keys()
    assert all(torch.equal(loaded[n], value) for n, value in network.state_dict().items())


def test_the_classifier_of_a_torch_file_is_left_out(tmp_path):
    state = narrow_network().state_dict()
    torch.save(state | {"classifier.0.weight": torch.zeros(3, 3)}, tmp_path / "vgg19.pth")
    loaded = load_vgg19(tmp_path / "vgg19.pth").state_dict()
    assert all(torch.equal(loaded[n], value) for n, value in state.items())


def test_a_keras_file_without_a_layer_is_refused(tmp_path):
    path = tmp_path / "vgg16.h5"
    write_keras(path, narrow_network(), LAYOUTS["3"])
    with h5py.File(path, "r+") as file:
        del file["layers/block5_conv4"]
    with pytest.raises(CheckpointError, match="15 layers"):
        load_vgg19(path)
    with h5py.File(path, "r+") as file:
        file["layers/block5_conv4/vars/0"] = np.zeros(3)
    with pytest.raises(CheckpointError, match="block5_conv4"):
        load_vgg19(path)


@pytest.mark.parametrize("name", ["a.h5", "a.pth"])
def test_a_file_of_something_else_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=name):
        load_vgg19(tmp_path / name)
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match="not a VGG-19 file"):
        load_vgg19(tmp_path / "b.pth")


def test_a_report_says_what_a_checkpoint_is(tmp_path):
    write_keras(tmp_path / "vgg19.h5", narrow_network(), LAYOUTS["3"])
    check_weights(tmp_path / "vgg19.h5", tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["channels"] == 16
