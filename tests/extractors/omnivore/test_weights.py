import json

import pytest
import torch
from tiny_weights import CLIPS, saved_again, with_settings

from avlib.errors import CheckpointError
from avlib.extractors.omnivore.extraction import check_weights
from avlib.extractors.omnivore.network import Omnivore, network_weights
from avlib.extractors.omnivore.sizes import SWIN_B, TrunkSizes
from avlib.extractors.omnivore.weights import (
    ClipSize,
    clip_size,
    load_omnivore,
    save_omnivore,
    untrained_omnivore,
)
from avlib.io.metadata import load_metadata
from avlib.io.weights import save_weights

SIZES = TrunkSizes(width=8, depths=(1, 2, 1, 1), heads=(1, 2, 2, 4), window=(4, 3, 3))
CLIP = torch.linspace(-2, 2, 3 * 6 * 32 * 32).reshape(1, 3, 6, 32, 32)


@pytest.fixture
def network() -> Omnivore:
    torch.manual_seed(0)
    return Omnivore(SIZES, num_classes=[5]).eval()


def published(network):
    """The weights as published files hold them, {trunk, heads}."""
    weights = network_weights(network)
    heads = {n.replace("head", "video.1"): v for n, v in weights.items() if n.startswith("head.")}
    trunk = {n: v for n, v in weights.items() if not n.startswith("head.")}
    return {"trunk": with_settings(trunk, CLIPS), "heads": heads}


def test_our_own_file_gives_the_trunk_and_what_it_sees(tmp_path, network):
    path = tmp_path / "model.safetensors"
    save_omnivore(path, network, ClipSize(num_frames=6, crop=32), {"seed": "1"})
    trunk, clip = load_omnivore(path)
    assert clip == ClipSize(6, 32)
    assert torch.equal(trunk(CLIP), network.features(CLIP))
    assert load_metadata(path) == {
        "width": "8",
        "depths": "1,2,1,1",
        "heads": "1,2,2,4",
        "window": "4,3,3",
        "num_frames": "6",
        "crop": "32",
        "classes": "5",
        "seed": "1",
    }


@pytest.mark.parametrize("is_bare", [False, True])
def test_a_published_file_gives_the_trunk(tmp_path, network, is_bare):
    content = published(network)
    torch.save(content["trunk"] if is_bare else content, tmp_path / "a.torch")
    trunk, clip = load_omnivore(tmp_path / "a.torch")
    assert clip == ClipSize(32, 224)  # as noted: for a published size it need not be
    assert torch.equal(trunk(CLIP), network.features(CLIP))


def test_the_input_for_depth_is_left_out(tmp_path, network):
    content = published(network)
    content["trunk"]["depth_patch_embed.proj.weight"] = torch.zeros(8, 1, 2, 4, 4)
    torch.save(content, tmp_path / "a.torch")
    assert torch.equal(load_omnivore(tmp_path / "a.torch")[0](CLIP), network.features(CLIP))


def test_what_does_not_fit_is_named_as_published(tmp_path, network):
    trunk = published(network)["trunk"]
    del trunk["layers.1.blocks.1.mlp.fc2.bias"]
    trunk["layers.0.downsample.norm.weight"] = torch.zeros(3)
    trunk["other"] = torch.zeros(1)
    torch.save(trunk, tmp_path / "a.torch")
    message = (
        r"a\.torch does not fit: missing layers\.1\.blocks\.1\.mlp\.fc2\.bias; unexpected other; "
        r"of another shape layers\.0\.downsample\.norm\.weight \[3\] for \[32\]"
    )
    with pytest.raises(CheckpointError, match=message):
        load_omnivore(tmp_path / "a.torch")


def test_another_network_is_named(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "a.torch")
    with pytest.raises(CheckpointError, match=r"a\.torch: not an Omnivore file"):
        load_omnivore(tmp_path / "a.torch")


def test_a_check_says_what_a_file_is(tmp_path, network):
    torch.save(published(network), tmp_path / "a.torch")
    check_weights(tmp_path / "a.torch", tmp_path / "a.json")
    report = json.loads((tmp_path / "a.json").read_text())
    assert (report["width"], report["depths"], report["crop"]) == (8, [1, 2, 1, 1], 224)
    assert len(report["sha256"]) == 64


def test_numbers_that_are_none_are_refused(tmp_path, network):
    weights = network_weights(network)
    weights["norm.bias"][3] = torch.nan
    save_weights(tmp_path / "a.safetensors", weights, {})
    with pytest.raises(CheckpointError, match=r"no numbers in norm\.bias"):
        load_omnivore(tmp_path / "a.safetensors")


def test_random_weights_are_those_of_the_seed():
    torch.rand(3)
    first, clip = untrained_omnivore(1)
    again, _ = untrained_omnivore(1)
    assert clip == ClipSize(32, 224)
    assert torch.equal(first.norm.weight, again.norm.weight)


def test_our_own_file_keeps_the_size_of_its_clips_when_it_is_saved_again(tmp_path, network):
    save_omnivore(tmp_path / "a.safetensors", network, ClipSize(6, 32), {})
    for path in saved_again(tmp_path / "a.safetensors", tmp_path):
        assert load_omnivore(path)[1] == ClipSize(6, 32)


def test_without_settings_only_published_sizes_have_the_published_clips(tmp_path, network):
    torch.save(network_weights(network), tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match=r"`num_frames` and `crop`,.* is missing"):
        load_omnivore(tmp_path / "bare.pt")
    assert clip_size({}, SWIN_B, tmp_path) == ClipSize(32, 224)
