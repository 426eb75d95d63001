import json

import pytest
import torch
from transformers import ClapConfig, ClapModel

from avlib.errors import CheckpointError
from avlib.extractors.clap.extraction import check_weights
from avlib.extractors.clap.network import HTSAT_TINY
from avlib.extractors.clap.structure import read_structure
from avlib.extractors.clap.weights import load_clap

AUDIO = {
    "enable_fusion": True,
    "fusion_type": None,
    "patch_embeds_hidden_size": 8,
    "hidden_size": 64,
    "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 2, 2, 4],
    "hidden_act": "relu",
}
TEXT = {
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "hidden_act": "gelu_new",
    "layer_norm_eps": 1e-3,
    "vocab_size": 30,
    "max_position_embeddings": 20,
}
CONFIG = {"audio_config": AUDIO, "text_config": TEXT, "projection_dim": 16}
CONFIG |= {"projection_hidden_act": "gelu"}
TOKENS = torch.tensor([[0, 5, 7, 9, 2], [0, 8, 2, 1, 1]])


@pytest.fixture(scope="module")
def odd():
    """A network whose heads, activations and eps are not the published ones."""
    torch.manual_seed(0)
    network = ClapModel(ClapConfig(**CONFIG))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("size", ["100MB", "50KB"])
def test_a_hugging_face_folder_is_read_with_its_config(tmp_path, odd, size):
    odd.save_pretrained(tmp_path, max_shard_size=size)
    loaded, expected = load_clap(tmp_path), ClapModel.from_pretrained(tmp_path).eval()
    log_mels, mask = torch.randn(2, 4, 1001, 64), (TOKENS != 1).long()
    with torch.inference_mode():
        output = expected(
            input_ids=TOKENS,
            attention_mask=mask,
            input_features=log_mels,
            is_longer=torch.zeros(2, 1, dtype=torch.bool),
        )
        sounds, _ = loaded.listen(log_mels, torch.zeros(2, dtype=torch.bool))
        torch.testing.assert_close(sounds, output.audio_embeds)
        torch.testing.assert_close(loaded.text_embeddings(TOKENS, mask), output.text_embeds)


def test_without_a_config_odd_shapes_are_refused(tmp_path, odd):
    torch.save(odd.state_dict(), tmp_path / "clap.pt")
    with pytest.raises(CheckpointError, match=r"clap\.pt: not of the shapes .*config\.json .*besi"):
        check_weights(tmp_path / "clap.pt", tmp_path / "given.json")


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("audio_config", {"enable_fusion": False}),
        ("audio_config", {"num_mel_bins": 128}),
        ("audio_config", {"spec_size": 128}),
        ("text_config", {"pad_token_id": 0}),
        ("text_config", {"hidden_act": "swoosh"}),
    ],
)
def test_a_config_of_another_network_is_refused(tmp_path, odd, part, change):
    odd.save_pretrained(tmp_path)
    changed = CONFIG | {"model_type": "clap", part: CONFIG[part] | change}
    (tmp_path / "config.json").write_text(json.dumps(changed))
    with pytest.raises(CheckpointError, match="its configuration is of no network here"):
        load_clap(tmp_path)


def test_the_published_shapes_have_the_published_structure(tmp_path):
    (tmp_path / "630k-fusion-best.pt").touch()
    assert read_structure(tmp_path / "630k-fusion-best.pt", {}, HTSAT_TINY) == HTSAT_TINY
