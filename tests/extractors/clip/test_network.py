import zipfile

import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule
from media_files import make_video
from tiny_weights import with_settings

from avlib.errors import CheckpointError
from avlib.extractors.clip.embeddings import clip_features, clip_logits, text_embeddings
from avlib.extractors.clip.images import clip_input
from avlib.extractors.clip.network import ClipSizes, TowerSizes
from avlib.extractors.clip.weights import load_clip, openai_names, untrained_clip
from avlib.extractors.structure import own_settings
from avlib.media.frame_folder import FrameFolder, write_frames

TINY = ClipSizes(
    vision=TowerSizes(width=128, depth=2, feedforward=96),
    text=TowerSizes(width=64, depth=3, feedforward=48),
    image_size=224,
    patch_size=56,
    vocabulary=40,
    positions=12,
    embedding=24,
)
STRUCTURE = own_settings(TINY)
NAMES = openai_names(TINY.vision.depth, TINY.text.depth)
TOKENS = np.array([[38, 5, 7, 39, 0, 0], [38, 9, 39, 0, 0, 0]])


@pytest.fixture(scope="module")
def tiny():
    network = untrained_clip(TINY, 0)
    fill_by_rule(network)
    return network.requires_grad_(False)


def pictures(n, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (40, 60, 3), dtype=np.uint8) for _ in range(n)]


def equal(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[n], other[n]) for n in state)


def test_both_namings_give_the_same_network(tmp_path, tiny):
    own = tiny.model.state_dict()
    published = NAMES.published(own)
    assert not own.keys() & published.keys() - {"logit_scale"}
    extra = {"input_resolution": torch.tensor(224), "context_length": torch.tensor(12)}
    positions = {"text_model.embeddings.position_ids": torch.arange(12)[None]}
    torch.save(with_settings(published | extra, STRUCTURE), tmp_path / "openai.pt")
    state = with_settings(own | positions, STRUCTURE)
    torch.save({"state_dict": state}, tmp_path / "hf.bin")
    images, tokens = torch.rand(2, 3, 224, 224), torch.from_numpy(TOKENS)
    for name in ("openai.pt", "hf.bin"):
        loaded = load_clip(tmp_path / name)
        assert loaded.sizes == TINY and not loaded.training
        assert equal(loaded.model.state_dict(), own)
        with torch.inference_mode():
            assert torch.equal(loaded.image_embeddings(images), tiny.image_embeddings(images))
            assert torch.equal(loaded.text_embeddings(tokens), tiny.text_embeddings(tokens))


def test_published_parts_are_query_key_value_and_projections_are_turned(tiny):
    own = tiny.model.state_dict()
    published = NAMES.published(own)
    block = "vision_model.encoder.layers.1.self_attn"
    parts = [own[f"{block}.{part}_proj.bias"] for part in "qkv"]
    name = "visual.transformer.resblocks.1.attn.in_proj_bias"
    assert torch.equal(published[name], torch.cat(parts))
    assert published["visual.proj"].shape == (128, 24)
    assert torch.equal(published["text_projection"], own["text_projection.weight"].T)


def test_half_precision_is_read_as_float32(tmp_path, tiny):
    state = {n: t.half() for n, t in NAMES.published(tiny.model.state_dict()).items()}
    torch.save(with_settings(state, STRUCTURE), tmp_path / "a.pt")
    weight = load_clip(tmp_path / "a.pt").model.visual_projection.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, state["visual.proj"].T.float())


def test_a_message_has_the_names_of_the_file(tmp_path, tiny):
    state = NAMES.published(tiny.model.state_dict())
    state["visual.other"] = state.pop("visual.transformer.resblocks.1.attn.in_proj_weight")
    state["visual.ln_post.bias"] = torch.zeros(3)
    torch.save(with_settings(state, STRUCTURE), tmp_path / "a.pt")
    pattern = (
        r"missing visual\.transformer\.resblocks\.1\.attn\.in_proj_weight; unexpected "
        r"visual\.other; of another shape visual\.ln_post\.bias \[3\] for \[128\]"
    )
    with pytest.raises(CheckpointError, match=pattern):
        load_clip(tmp_path / "a.pt")
    del state["token_embedding.weight"]
    torch.save(with_settings(state, STRUCTURE), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"no token_embedding\.weight; not a CLIP file"):
        load_clip(tmp_path / "a.pt")
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="not a CLIP file"):
        load_clip(tmp_path / "b.pt")


def test_a_program_is_not_run(tmp_path):
    with zipfile.ZipFile(tmp_path / "ViT-L-14.pt", "w") as archive:
        archive.writestr("ViT-L-14/code/__torch__.py", "raise SystemExit")
    with pytest.raises(CheckpointError, match=r"ViT-L-14\.pt: a TorchScript program"):
        load_clip(tmp_path / "ViT-L-14.pt")


def test_what_follows_the_first_end_token_does_not_matter(tiny):
    padded = TOKENS.copy()
    padded[padded == 0] = 39
    shorter = text_embeddings(tiny, TOKENS[1:, :3])
    np.testing.assert_allclose(text_embeddings(tiny, padded), text_embeddings(tiny, TOKENS))
    np.testing.assert_allclose(text_embeddings(tiny, TOKENS)[1:], shorter, atol=1e-6)


def test_a_video_gives_a_unit_vector_for_each_of_ten_pictures(tiny):
    frames = pictures(13)
    features = clip_features(tiny, frames)
    assert features.shape == (10, 24) and features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    with torch.inference_mode():
        last = tiny.image_embeddings(clip_input(frames[-1:])).numpy()
    np.testing.assert_allclose(features[-1:], last, atol=1e-6)
    smooth = clip_features(tiny, frames, antialias=True)
    assert smooth.shape == features.shape


def test_frames_of_a_file_are_those_of_its_folder(tmp_path, tiny):
    folder = tmp_path / "frames"
    folder.mkdir()
    write_frames(make_video(tmp_path / "a.mp4", duration_s=1.0), folder)
    frames = FrameFolder(folder)
    features = clip_features(tiny, frames)
    np.testing.assert_array_equal(features, clip_features(tiny, list(frames)))
    assert np.abs(features[0] - features[-1]).max() > 1e-3


def test_logits_are_scaled_cosines(tiny):
    features, texts = clip_features(tiny, pictures(2)), text_embeddings(tiny, TOKENS)
    scale = float(tiny.model.logit_scale.exp())
    logits = clip_logits(tiny, features, texts)
    assert logits.shape == (10, 2)
    np.testing.assert_allclose(logits, scale * features @ texts.T, atol=1e-5)


def test_random_weights_are_those_of_the_seed():
    first, again, other = (untrained_clip(TINY, seed).model.state_dict() for seed in (3, 3, 4))
    assert equal(first, again) and not equal(first, other)
