import librosa
import numpy as np
import pytest
import soundfile
import torch
from golden.fill import fill_by_rule
from media_files import make_video, run_ffmpeg
from tiny_weights import with_settings

from avlib.errors import CheckpointError, DataError
from avlib.extractors.clap.embeddings import (
    clap_logits,
    clap_map,
    clap_segments,
    read_waveform,
    text_embeddings,
)
from avlib.extractors.clap.log_mel import fused_mels
from avlib.extractors.clap.network import ClapSizes
from avlib.extractors.clap.weights import load_clap, published_names, untrained_clap
from avlib.extractors.structure import own_settings

TINY = ClapSizes(
    audio_width=8,
    audio_depths=(2, 1, 1, 1),
    audio_heads=(1, 2, 2, 4),
    text_width=64,
    text_depth=2,
    text_feedforward=40,
    vocabulary=30,
    positions=20,
    embedding=16,
)
TOKENS = np.array([[0, 5, 7, 9, 2], [0, 8, 2, 1, 1]])
MASK = (TOKENS != 1).astype(np.int64)


@pytest.fixture(scope="module")
def tiny():
    network = untrained_clap(TINY, 0)
    fill_by_rule(network)
    return network.requires_grad_(False)


def sound(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.2, n_samples).astype(np.float32)


def as_published(network):
    """Return the weights as the published file holds them, with what it holds beside them."""
    return published_names(TINY).published(network.model.state_dict()) | {
        "text_branch.embeddings.position_ids": torch.arange(20)[None],
        "text_transform.sequential.0.weight": torch.zeros(2, 2),
        "audio_branch.tscam_conv.bias": torch.zeros(2),
        "audio_branch.layers.0.blocks.1.attn_mask": torch.zeros(2),
        "audio_branch.logmel_extractor.melW": torch.zeros(2),
    }


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_published_files_are_read(tmp_path, tiny, prefix):
    state = {f"{prefix}{name}": tensor for name, tensor in as_published(tiny).items()}
    state = with_settings(state, own_settings(TINY))
    content = {"epoch": 15, "name": "630k", "best": np.float64(0.5), "state_dict": state}
    torch.save(content, tmp_path / "a.pt")
    loaded = load_clap(tmp_path / "a.pt")
    own = tiny.model.state_dict()
    assert loaded.sizes == TINY and not loaded.training
    assert all(torch.equal(own[n], t) for n, t in loaded.model.state_dict().items())
    texts = text_embeddings(loaded, TOKENS, MASK)
    np.testing.assert_array_equal(texts, text_embeddings(tiny, TOKENS, MASK))


def test_names_of_the_package_are_read_too(tmp_path, tiny):
    torch.save(with_settings(tiny.model.state_dict(), own_settings(TINY)), tmp_path / "a.bin")
    waveform = sound(60_000)
    loaded = load_clap(tmp_path / "a.bin")
    np.testing.assert_array_equal(clap_map(loaded, waveform), clap_map(tiny, waveform))
    np.testing.assert_array_equal(clap_segments(loaded, waveform), clap_segments(tiny, waveform))


def test_a_message_has_the_names_of_the_file(tmp_path, tiny):
    state = as_published(tiny)
    state["audio_branch.other"] = state.pop("audio_branch.layers.0.blocks.1.attn.qkv.weight")
    state["audio_branch.bn0.weight"] = torch.ones(3)
    torch.save({"state_dict": with_settings(state, own_settings(TINY))}, tmp_path / "a.pt")
    pattern = (
        r"missing audio_branch\.layers\.0\.blocks\.1\.attn\.qkv\.weight; unexpected "
        r"audio_branch\.other; of another shape audio_branch\.bn0\.weight \[3\] for \[64\]"
    )
    with pytest.raises(CheckpointError, match=pattern):
        load_clap(tmp_path / "a.pt")
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="not a file of CLAP"):
        load_clap(tmp_path / "b.pt")


def test_a_video_gives_a_map_and_ten_embeddings(tiny):
    features, embeddings = (f(tiny, sound(470_000)) for f in (clap_map, clap_segments))
    assert features.shape == (64, 64) and features.dtype == np.float32
    assert embeddings.shape == (10, 16)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_time_runs_along_the_map(tiny):
    """What changes in the last second changes the last columns most, in both rows."""
    waveform = sound(480_000)
    quiet = waveform.copy()
    quiet[-48_000:] *= 0.01
    changed = clap_map(tiny, waveform) - clap_map(tiny, quiet)
    sizes = np.abs(changed).sum(axis=1).reshape(2, 32)
    assert (sizes.argmax(axis=1) >= 28).all()


def test_segments_do_not_depend_on_each_other(tiny):
    waveform = sound(480_000)
    other = waveform.copy()
    other[48_000:] = sound(432_000, 5)
    first, second = (clap_segments(tiny, w) for w in (waveform, other))
    np.testing.assert_allclose(first[0], second[0], atol=1e-6)
    assert np.abs(first[1:] - second[1:]).max(axis=1).min() > 1e-5


def test_chunks_count_only_where_a_sound_is_longer(tiny):
    mels, is_longer = fused_mels(sound(700_000), lambda r: int(r[0]), antialias=True)
    assert is_longer
    others = mels.clone()
    others[1:] -= 30
    with torch.inference_mode():
        batch, flags = torch.stack([mels, others]), torch.tensor
        shorter, _ = tiny.listen(batch, flags([False, False]))
        longer, _ = tiny.listen(batch, flags([True, True]))
        mixed, _ = tiny.listen(batch, flags([True, False]))
    torch.testing.assert_close(shorter[0], shorter[1])
    assert (longer[0] - longer[1]).abs().max() > 1e-4
    torch.testing.assert_close(mixed, torch.stack([longer[0], shorter[1]]))


def test_logits_are_scaled_cosines(tiny):
    texts = text_embeddings(tiny, TOKENS, MASK)
    embeddings = clap_segments(tiny, sound(50_000))
    scale = float(tiny.model.logit_scale_a.exp())
    logits = clap_logits(tiny, embeddings, texts)
    np.testing.assert_allclose(logits, scale * embeddings @ texts.T, atol=1e-5)


def test_padding_of_a_text_does_not_matter(tiny):
    short = text_embeddings(tiny, TOKENS[1:, :3], MASK[1:, :3])
    np.testing.assert_allclose(text_embeddings(tiny, TOKENS, MASK)[1:], short, atol=1e-6)


def test_the_sound_of_a_file_is_what_librosa_loads(tmp_path):
    path = make_video(tmp_path / "a.mkv", duration_s=1.5, audio_codec="pcm_s16le")
    wav = tmp_path / "a.wav"
    run_ffmpeg("-i", path, "-vn", wav)
    samples, sample_rate = soundfile.read(wav, dtype="float32")
    expected = librosa.resample(samples.mean(axis=1), orig_sr=sample_rate, target_sr=48_000)
    waveform = read_waveform(path)
    np.testing.assert_allclose(waveform, expected, atol=1e-6)
    assert waveform.dtype == np.float32


def test_a_file_without_sound_is_named(tmp_path):
    path = make_video(tmp_path / "mute.mp4", audio_codec=None)
    with pytest.raises(DataError, match=r"mute\.mp4"):
        read_waveform(path)
