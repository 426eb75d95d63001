"""Seconds of real files through small CLAP and CLIP networks, which take texts."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from media_files import make_video, run_ffmpeg
from tiny_towers import TINY_CLIP, save_clap_folder, save_clip_folder

from avlib.extractors.clap.log_mel import four_copies, log_mel, quantise
from avlib.extractors.clip.images import clip_input
from avlib.extractors.yamnet.weights import untrained_yamnet
from avlib.io.hashes import file_hash
from avlib.io.packs import as_float32
from avlib.io.weights import save_weights
from avlib.media.decode import Start
from avlib.media.frames import read_frames
from avlib.media.probe import probe_shard
from avlib.media.scan import scan
from avlib.media.sound_sources import SoundSettings, sound_blocks
from avlib.media.videos import folder_videos
from avlib.tagging import joint_networks, legs, text_towers
from avlib.tagging.archive import Archive
from avlib.tagging.audioset import NAMES
from avlib.tagging.leg_files import LegFiles
from avlib.tagging.scores import encoded
from avlib.tagging.seconds import SecondsFiles, score_seconds
from avlib.tagging.text_towers import load_network, text_vectors

SETTINGS = {"seed": 0, "dtype": "float32", "device": "cpu", "allow_tf32": False}


def score(folder, **made_by):
    """Run the stages of one shard."""
    scan(folder_videos(folder / "videos", "test"), shards=1, folder=folder / "lists")
    probe_shard(folder / "lists" / "0.json", folder / "probe.parquet")
    files = SecondsFiles(
        videos=folder / "lists" / "0.json",
        manifest=folder / "probe.parquet",
        legs=made_by,
        cache=folder / "names",
        previous=folder / "previous.h5",
        pack=folder / "seconds" / "0.h5",
        found=folder / "seconds" / "0.parquet",
    )
    score_seconds(files, SETTINGS, 1)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder with a video, a sound file, and two small networks that take texts."""
    folder = tmp_path_factory.mktemp("joint")
    make_video(folder / "videos" / "both.mp4", duration_s=3)
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=1.6:r=48000", folder / "videos" / "heard.wav")
    return folder


@pytest.fixture(scope="module")
def both(checkout):
    """The legs of both networks, whose seconds are scored."""
    clap = save_clap_folder(checkout / "clap")
    clip = save_clip_folder(checkout / "clip")
    made_by = {
        "sound": LegFiles("clap", clap, clap.parent),
        "picture": LegFiles("clip", clip, clip.parent),
    }
    score(checkout, **made_by)
    return made_by


def heard(checkout, network):
    """Return the embeddings of the three seconds of sound, one at a time."""
    path = checkout / "videos" / "both.mp4"
    blocks = sound_blocks(path, SoundSettings(48_000, "soxr"), checkout, is_substitute=False)
    waveform = np.concatenate([block for block in blocks if not isinstance(block, Start)])
    waveform = np.pad(as_float32(waveform), (0, 48_000))
    found = []
    for k in range(3):
        mel = log_mel(np.tile(quantise(waveform[48_000 * k : 48_000 * (k + 1)]), 10))
        found.append(network.listen(four_copies(mel[None]), torch.zeros(1, dtype=torch.bool))[0])
    return torch.cat(found)


def seen(checkout, network):
    """Return the embeddings of the frames in the middle of three seconds."""
    frames = [frame() for frame in read_frames(checkout / "videos" / "both.mp4", "decoded")]
    rate = len(frames) / 3
    chosen = [frames[round((k + 0.5) * rate)] for k in range(3)]
    return network.image_embeddings(clip_input(chosen, size=32, antialias=True))


@pytest.mark.parametrize(("leg", "see"), [("sound", heard), ("picture", seen)])
def test_seconds_have_the_embeddings_and_class_probabilities_of_the_network(
    checkout, both, leg, see
):
    given = both[leg]
    with torch.inference_mode():
        embeddings = see(checkout, load_network(given.network, given.checkpoint, 0)).numpy()
    with Archive(checkout) as archive:
        kind, first = archive.legs[leg], int(archive.firsts[archive.numbers["both"]])
        stored = archive.embeddings(leg, first, first + 3)
        scores = archive.scores(leg, first, first + 3)
    np.testing.assert_allclose(stored, embeddings, atol=1e-3)
    prompt = {"clap": "This is a sound of {}.", "clip": "a photo of a {}."}[given.network]
    texts = [prompt.format(name) for name in kind.classes]
    vectors = text_vectors(kind, texts, given.checkpoint, given.tokenizer)
    logits = kind.scale * embeddings @ vectors.T
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert abs(scores.astype(int) - encoded(expected)).max() <= 1
    assert len(set(scores[0].tolist())) > 5


def test_the_classes_are_those_of_the_packaged_networks(checkout, both, packaged_weights):
    from avlib.extractors.yamnet.classes import classes

    with Archive(checkout) as archive:
        assert archive.legs["sound"].classes == NAMES == tuple(classes(packaged_weights))
        assert archive.legs["picture"].classes[0] == "tench"


def test_a_sound_file_has_the_seconds_of_its_sound(checkout, both):
    with Archive(checkout) as archive:
        number = archive.numbers["heard"]
        assert archive.seconds[number] == 2
        assert archive.is_there["sound"][number] and not archive.is_there["picture"][number]


def test_other_weights_score_again_and_the_same_ones_do_not(checkout, both, monkeypatch):
    before, scored = (checkout / "seconds" / "0.h5").read_bytes(), []
    original = legs.PictureLeg.blocks

    def counted(self, path, *args):
        scored.append(path.name)
        return original(self, path, *args)

    def loaded(*_):
        raise AssertionError("no network is needed")

    monkeypatch.setattr(legs.PictureLeg, "blocks", counted)
    with monkeypatch.context() as patch:
        patch.setattr(joint_networks, "load_network", loaded)
        score(checkout, **both)
    assert scored == []
    assert (checkout / "seconds" / "0.h5").read_bytes() == before
    other = save_clip_folder(checkout / "other", seed=1)
    picture = LegFiles("clip", other, other.parent)
    score(checkout, **both | {"picture": picture})
    assert scored == ["both.mp4"]
    with Archive(checkout) as archive:
        assert archive.legs["picture"].weights == file_hash(other)
    score(checkout, **both)
    assert (checkout / "seconds" / "0.h5").read_bytes() == before


def test_another_tokenizer_scores_again(checkout, both):
    def key():
        with Archive(checkout) as archive:
            return archive.scores("picture", 0, 3)

    before, folder = key(), checkout / "tokenizer"
    folder.mkdir()
    for name in ("vocab.json", "merges.txt"):
        text = (checkout / "clip" / name).read_text()
        (folder / name).write_text(text.replace('"a</w>"', '"x"').replace('"b</w>"', '"a</w>"'))
    score(checkout, **both | {"picture": replace(both["picture"], tokenizer=folder)})
    assert (key() != before).any()
    score(checkout, **both)
    np.testing.assert_array_equal(key(), before)


def test_random_weights_are_warned_of_and_named(tmp_path, checkout, both, monkeypatch, caplog):
    monkeypatch.setattr(text_towers, "VIT_L_14", TINY_CLIP)
    (tmp_path / "videos").symlink_to(checkout / "videos")
    tried = LegFiles("clip", None, checkout / "clip")
    score(tmp_path, **both | {"picture": tried})
    assert "random weights of clip: what is found is meaningless" in caplog.text
    with Archive(tmp_path) as archive:
        kind = archive.legs["picture"]
        assert kind.weights == "untrained, seed 0"
        vectors = text_towers.text_vectors(kind, ["a dog"], None, tried.tokenizer)
    assert vectors.shape == (1, TINY_CLIP.embedding)


def test_one_leg_may_take_texts_and_the_other_know_classes(tmp_path, checkout, both, monkeypatch):
    monkeypatch.chdir(tmp_path)  # YAMNet's classes stand below it
    (tmp_path / "videos").symlink_to(checkout / "videos")
    weights = tmp_path / "weights" / "yamnet.safetensors"
    save_weights(weights, untrained_yamnet(0).state_dict(), {})
    with weights.with_name("yamnet_class_map.csv").open("w", newline="") as file:
        rows = [[k, f"/m/{k}", f"sound {k}"] for k in range(521)]
        csv.writer(file).writerows([["index", "mid", "display_name"], *rows])
    score(tmp_path, sound=LegFiles("yamnet", weights), picture=both["picture"])
    with Archive(tmp_path) as archive, Archive(checkout) as other:
        assert (archive.legs["sound"].network, archive.legs["sound"].scale) == ("yamnet", 0)
        assert archive.legs["picture"] == other.legs["picture"]
        np.testing.assert_array_equal(
            archive.embeddings("picture", 0, 5), other.embeddings("picture", 0, 5)
        )
