import json

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from avlib.errors import CheckpointError
from avlib.extractors.clip.extraction import check_weights
from avlib.extractors.clip.network import PUBLISHED, VIT_L_14, Clip
from avlib.extractors.clip.structure import read_structure
from avlib.extractors.clip.weights import load_clip, openai_names

TOWER = {"num_hidden_layers": 2, "intermediate_size": 96, "hidden_act": "gelu"}
VISION = TOWER | {"hidden_size": 160, "num_attention_heads": 2, "image_size": 64, "patch_size": 16}
TEXT = TOWER | {"hidden_size": 128, "num_attention_heads": 8, "layer_norm_eps": 1e-3}
TEXT |= {"vocab_size": 40, "eos_token_id": 39, "bos_token_id": 38, "pad_token_id": 39}
TOKENS = torch.tensor([[38, 5, 7, 39], [38, 9, 39, 39]])


@pytest.fixture(scope="module")
def odd():
    """A network whose heads, activation and eps are not OpenAI's."""
    torch.manual_seed(0)
    network = CLIPModel(CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=24))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


def assert_equal(loaded, network):
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = network(input_ids=TOKENS, pixel_values=images)
        torch.testing.assert_close(loaded.image_embeddings(images), expected.image_embeds)
        torch.testing.assert_close(loaded.text_embeddings(TOKENS), expected.text_embeds)


@pytest.mark.parametrize("size", ["100MB", "200KB"])
def test_a_hugging_face_folder_is_read_with_its_config(tmp_path, odd, size):
    odd.save_pretrained(tmp_path, max_shard_size=size)
    assert (tmp_path / "model.safetensors.index.json").exists() == (size == "200KB")
    expected = CLIPModel.from_pretrained(tmp_path).eval()
    names = [f.name for f in tmp_path.iterdir() if not f.name.endswith("config.json")]
    for name in ("", *names):
        assert_equal(load_clip(tmp_path / name), expected)
    check_weights(tmp_path, tmp_path / "given.json")
    assert json.loads((tmp_path / "given.json").read_text())["structure"]["vision"]["heads"] == 2


def test_the_names_of_open_clip_are_read_with_its_config(tmp_path, odd):
    names = openai_names(2, 2)
    torch.save(names.published(odd.state_dict()), tmp_path / "open_clip_pytorch_model.bin")
    vision = {"width": 160, "layers": 2, "head_width": 80, "mlp_ratio": 0.6}
    vision |= {"image_size": 64, "patch_size": 16}
    text = {"width": 128, "heads": 8, "layers": 2, "mlp_ratio": 0.75, "vocab_size": 40}
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    sizes = load_clip(tmp_path).sizes
    assert (sizes.vision.heads, sizes.vision.activation, sizes.text.heads) == (2, "gelu", 8)
    config["quick_gelu"] = True
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    assert load_clip(tmp_path).sizes.vision.activation == "quick_gelu"


def test_without_a_config_odd_shapes_are_refused(tmp_path, odd):
    torch.save(odd.state_dict(), tmp_path / "clip.pt")
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')  # of another file
    with pytest.raises(CheckpointError, match=r"clip\.pt: not of the shapes .*config\.json .*besi"):
        check_weights(tmp_path / "clip.pt", tmp_path / "given.json")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"vision_config": VISION | {"hidden_act": "swoosh"}}, "no network here"),
        ({"vision_config": VISION | {"num_attention_heads": 3}}, "no network here"),
        ({"vision_config": VISION | {"num_hidden_layers": "two"}}, "no network here"),
        ({"text_config": TEXT | {"eos_token_id": 7}}, "eos_token_id 7, not the last token"),
        ({"text_config": TEXT | {"intermediate_size": 95}}, r"mlp\.fc1\.bias \[96\] for \[95\]"),
        ({"projection_dim": 3}, r"text_projection\.weight \[24, 128\] for \[3, 128\]"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path, odd, change, what):
    odd.save_pretrained(tmp_path)
    config = {"model_type": "clip", "vision_config": VISION, "text_config": TEXT}
    (tmp_path / "config.json").write_text(json.dumps(config | {"projection_dim": 24} | change))
    with pytest.raises(CheckpointError, match=what):
        load_clip(tmp_path)


def test_shapes_of_openai_have_its_structure(tmp_path):
    (tmp_path / "clip.pt").touch()
    for sizes in PUBLISHED:
        assert read_structure(tmp_path / "clip.pt", {}, sizes) == sizes
    with torch.device("meta"):
        config = Clip(VIT_L_14).model.config
    assert config.vision_config.num_attention_heads == 16
    assert config.text_config.num_attention_heads == 12
    assert config.text_config.hidden_act == config.vision_config.hidden_act == "quick_gelu"
