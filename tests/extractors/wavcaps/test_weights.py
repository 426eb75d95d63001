import json

import pytest
import torch
from tiny_clips import TINY_ASE, save_ase, tiny_ase
from tiny_weights import with_settings

from avlib.errors import CheckpointError
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.structure import own_settings
from avlib.extractors.wavcaps.weights import load_ase, published_names, unused_tensors

BLOCK = "audio_encoder.audio_enc.layers.0.blocks.0"


def published(network):
    """Return the weights as the published file holds them, with what it holds beside them."""
    state = published_names(TINY_ASE).published(network.state_dict())
    unused = {
        n: torch.zeros_like(t, device="cpu") for n, t in unused_tensors(TINY_ASE) if t.is_meta
    }
    positions = {"text_encoder.text_encoder.embeddings.position_ids": torch.arange(40)[None]}
    return state | unused | positions


def save(target, state):
    content = {"model": with_settings(state, own_settings(TINY_ASE)), "epoch": 3}
    content |= {"config": {"seed": 20}, "optimizer": {"state": {0: {"step": torch.ones(3)}}}}
    torch.save(content, target)
    return target


def test_files_in_the_published_form_are_read(tmp_path):
    network = tiny_ase()
    loaded = load_ase(save(tmp_path / "a.pt", published(network)))
    own = network.state_dict()
    assert loaded.sizes == TINY_ASE and not loaded.training
    assert all(torch.equal(own[n], t) for n, t in loaded.state_dict().items())
    log_mels, tokens = torch.randn(2, 1, 1001, 64), torch.tensor([[2, 5, 3], [2, 7, 3]])
    with torch.inference_mode():
        for name, inputs in (
            ("sound_embeddings", (log_mels,)),
            ("text_embeddings", (tokens, torch.ones_like(tokens))),
        ):
            found, expected = (getattr(n, name)(*inputs) for n in (loaded, network))
            torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_what_embeddings_do_not_need_may_be_absent(tmp_path):
    state = published(tiny_ase())
    for name, _ in unused_tensors(TINY_ASE):
        del state[name]
    load_ase(save(tmp_path / "a.pt", state))


def test_a_wrong_file_lists_what_does_not_fit(tmp_path):
    state = published(tiny_ase())
    state["audio_encoder.other"] = state.pop(f"{BLOCK}.attn.qkv.weight")
    state["audio_encoder.audio_enc.head.bias"] = torch.zeros(3)
    pattern = (
        rf"missing {BLOCK}\.attn\.qkv\.weight; unexpected audio_encoder\.other; of another shape "
        r"audio_encoder\.audio_enc\.head\.bias \[3\] for \[527\]"
    )
    with pytest.raises(CheckpointError, match=pattern):
        load_ase(save(tmp_path / "a.pt", state))


def test_another_network_is_refused(tmp_path):
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match=r"b\.pt does not fit: missing .*unexpected conv\.w"):
        load_ase(tmp_path / "b.pt")


def test_own_weights_without_their_structure_are_refused(tmp_path):
    torch.save(tiny_ase().state_dict(), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"structure of the network.*avlib\.settings"):
        load_ase(tmp_path / "a.pt")


def test_a_report_says_what_weights_are(tmp_path):
    checkpoint, target = save_ase(tmp_path / "a.pt"), tmp_path / "given.json"
    EXTRACTORS["ase_clotho"].check_weights(checkpoint, target)
    report = json.loads(target.read_text())
    assert report["structure"]["audio_width"] == 8 and len(report["sha256"]) == 64
