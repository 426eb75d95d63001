"""What CLAP hears of clips: short ones fused or not, filled up, in float or in 16 bits."""

import numpy as np
import pytest
import torch
from tiny_clips import RATE, SETTINGS, clip_files, noise, save_clap, write_clips, write_shard

from avlib.extractors.clap.clips import ClapClipSettings, ClapSounds
from avlib.extractors.clap.log_mel import CLAP_SAMPLES, filled, fused_mels, log_mel, quantise
from avlib.extractors.registry import EXTRACTORS
from avlib.io.embeddings import read_embeddings
from avlib.seeds import generator


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return save_clap(tmp_path_factory.mktemp("weights") / "clap.pt")


def embed(folder, checkpoint, sounds, rows, **settings):
    written = write_shard(folder, sounds)
    clips = write_clips(folder / "clips.parquet", rows)
    files = clip_files(folder, clips, checkpoint, written)
    EXTRACTORS["clap_clips"].embed_clips(files, SETTINGS | {"crop_seeds": (3,)} | settings)
    embeddings = read_embeddings(files.target)
    return dict(zip(embeddings.keys, embeddings.vectors, strict=True))


ROWS = [("short", "a", 0.0, 2.0), ("long", "a", 0.0, 11.5)]


def test_short_clips_alone_depend_on_how_the_published_evaluation_fuses(tmp_path, checkpoint):
    found = {
        mode: embed(tmp_path / mode, checkpoint, {"a": noise(12)}, ROWS, short_clips=mode)
        for mode in ("reference", "upstream")
    }
    one, two = found["reference"], found["upstream"]
    assert np.abs(one["short"] - two["short"]).max() > 1e-3
    np.testing.assert_array_equal(one["long"], two["long"])


def test_a_network_hears_what_listen_of_the_same_log_mels_gives(tmp_path, checkpoint):
    from avlib.extractors.clap.weights import load_clap

    waveform, network = noise(12), load_clap(checkpoint)
    found = embed(tmp_path, checkpoint, {"a": waveform}, ROWS)
    for name, seconds in (("short", 2.0), ("long", 11.5)):
        draws = generator(3, "crop", name)
        mels, _ = fused_mels(
            waveform[: int(seconds * RATE)], draws.choice, antialias=False, int16_round_trip=False
        )
        with torch.inference_mode():
            expected, _ = network.listen(mels[None], torch.tensor([True]))
        np.testing.assert_allclose(found[name], expected[0].numpy(), atol=1e-6)


def test_samples_in_16_bits_change_an_embedding_a_little(tmp_path, checkpoint):
    quiet = {"a": noise(12) * np.float32(1e-3)}
    one, two = (
        embed(tmp_path / str(flag), checkpoint, quiet, ROWS, int16_round_trip=flag)
        for flag in (False, True)
    )
    difference = np.abs(one["short"] - two["short"]).max()
    assert 1e-6 < difference < 0.1


@pytest.mark.parametrize(
    ("n_samples", "is_cropped"), [(480_000, False), (480_479, False), (480_480, True)]
)
def test_a_clip_is_cropped_where_it_has_more_frames_than_an_input(
    tmp_path, checkpoint, n_samples, is_cropped
):
    clips = write_clips(tmp_path / "clips.parquet", [])
    files = clip_files(tmp_path, clips, checkpoint, write_shard(tmp_path, {"a": noise(1)}))
    encoder = ClapSounds(files, ClapClipSettings(**SETTINGS))
    draws = generator(0, "crop", "x") if is_cropped else None
    assert encoder.is_cropped(n_samples) == is_cropped
    mels, is_fused = encoder.inputs(noise(n_samples / RATE), draws)
    assert mels.shape == (4, 1001, 64) and is_fused
    assert torch.equal(mels[0], mels[1]) != is_cropped


@pytest.mark.parametrize(
    ("filling", "kept", "repeated"), [("repeatpad", 2, 2), ("repeat", 3, 2), ("pad", 1, 1)]
)
def test_a_short_sound_is_filled(filling, kept, repeated):
    sound = np.arange(1, 200_001, dtype=np.float32)
    whole = filled(sound, filling)
    assert len(whole) == CLAP_SAMPLES
    assert np.count_nonzero(whole) == min(kept * len(sound), CLAP_SAMPLES)
    np.testing.assert_array_equal(whole[: repeated * len(sound)], np.tile(sound, repeated))


def test_long_sounds_give_the_same_decibels_in_parts(monkeypatch):
    sound = quantise(noise(31.7))
    whole = log_mel(sound)
    monkeypatch.setattr("avlib.extractors.clap.log_mel.LONGEST_AT_ONCE", 480 * 700)
    torch.testing.assert_close(log_mel(sound), whole, rtol=0, atol=1e-4)
