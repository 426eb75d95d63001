from argparse import Namespace

import pytest
import torch
from golden.fill import rule_values
from tiny_golden import contents

from avlib.errors import CheckpointError
from avlib.extractors.videomae.network import VIT_L, VideoMAE, VideoMAESizes
from avlib.extractors.videomae.weights import load_videomae

TINY = VideoMAESizes(width=384, depth=2, feedforward=32, classes=(5, 3))


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    network = VideoMAE(TINY).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network


def equal(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[n], other[n]) for n in state)


def test_weights_have_the_published_names_and_shapes():
    with torch.device("meta"):
        network = VideoMAE(VIT_L)
    published = contents("visual/state_dicts.json")
    entries = {n: list(t.shape) for n, t in network.state_dict().items()}
    golden = published["videomae_vit_large_patch16_224_ek100"]["expected"]
    assert entries == {name: shape for name, (shape, _) in golden["by_name"]["value"].items()}
    assert sum(p.numel() for p in network.parameters()) == golden["parameters"]["value"]


@pytest.mark.parametrize("key", ["model", "module", None])
def test_published_files_are_read_wherever_the_weights_are(tmp_path, tiny, key):
    state = tiny.state_dict()
    content = {key: state, "epoch": 3, "args": Namespace(lr=1.0)} if key else state
    torch.save(content, tmp_path / "a.pth.tar")
    loaded = load_videomae(tmp_path / "a.pth.tar")
    assert loaded.sizes == TINY and not loaded.training
    assert equal(loaded.state_dict(), state)
    clip = torch.rand(1, 3, 16, 224, 224)
    with torch.inference_mode():
        assert torch.equal(loaded.features(clip), tiny.features(clip))


def test_model_comes_before_module(tmp_path, tiny):
    other = {name: value + 1 for name, value in tiny.state_dict().items()}
    torch.save({"module": other, "model": tiny.state_dict()}, tmp_path / "a.pth")
    assert equal(load_videomae(tmp_path / "a.pth").state_dict(), tiny.state_dict())


def test_a_width_whose_heads_are_not_known_is_refused(tmp_path):
    odd = VideoMAE(VideoMAESizes(width=128, depth=1, feedforward=32, classes=(5, 3)))
    torch.save(odd.state_dict(), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="of width 128, whose number of heads is not known"):
        load_videomae(tmp_path / "a.pth")


def test_a_message_has_the_published_names(tmp_path, tiny):
    state = tiny.state_dict()
    state["blocks.1.attn.other"] = state.pop("blocks.1.attn.qkv.weight")
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"missing blocks.1.attn.qkv.weight; unexpected bl"):
        load_videomae(tmp_path / "a.pth")
    torch.save({"encoder.weight": torch.zeros(1)}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match="not a VideoMAE file"):
        load_videomae(tmp_path / "b.pth")


def test_scores_are_those_of_the_features(tiny):
    clips = torch.rand(2, 3, 16, 224, 224)
    with torch.inference_mode():
        verb, noun = tiny(clips)
        features = tiny.features(clips)
        plain = [features @ h.weight.T + h.bias for h in (tiny.verb_head, tiny.noun_head)]
    assert features.shape == (2, 384)
    torch.testing.assert_close((verb, noun), tuple(plain))


def test_keys_have_no_bias_and_the_order_is_query_key_value(tiny):
    """Attention of one block, from the published matrix, by its definition."""
    state = tiny.state_dict()
    tokens = torch.from_numpy(rule_values("tokens", (1, 6, 384), 0)).float()
    q, k, v = (tokens @ state["blocks.0.attn.qkv.weight"].T).chunk(3, dim=-1)
    q, v = q + state["blocks.0.attn.q_bias"], v + state["blocks.0.attn.v_bias"]
    q, k, v = (x.unflatten(-1, (6, 64)).transpose(1, 2) for x in (q, k, v))  # six heads
    context = ((q @ k.transpose(2, 3) / 8).softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
    attention = tiny.backbone.encoder.layer[0].attention.attention
    with torch.inference_mode():
        torch.testing.assert_close(attention(tokens)[0], context, atol=1e-5, rtol=1e-5)
