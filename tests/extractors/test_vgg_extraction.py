from contextlib import closing
from dataclasses import asdict

import h5py
import numpy as np
import pytest
import torch
from media_files import make_video

from avlib.extractors.extraction import ShardFiles
from avlib.extractors.intervals import second_intervals
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.extractors.vgg19 import extraction as vgg19_extraction
from avlib.extractors.vgg19.maps import sampled_frames, second_maps
from avlib.extractors.vgg19.network import VGG19
from avlib.extractors.vggish import extraction as vggish_extraction
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.vggish.patches import embed, second_patches
from avlib.io import provenance
from avlib.io.atomic import write_json
from avlib.io.tables import read_table, write_table
from avlib.media.frames import read_frames
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.scan import ScannedVideo
from avlib.media.tables import MANIFEST

RATE = 44_100
PICTURE = {"frames": "decoded", "seed": 0, "device": "cpu"}
SOUND = {"sample_rate": RATE, "seed": 0, "device": "cpu"}
SECONDS = 2


def make_tables(folder, videos, source, network) -> ShardFiles:
    manifest = manifest_rows([VideoInfo(v, v, "train", content_hash="x") for v in videos])
    write_table(manifest, folder / "manifest.parquet", MANIFEST)
    write_table(second_intervals(videos, SECONDS), folder / "intervals.parquet", INTERVALS)
    torch.save(network.state_dict(), folder / "weights.pth")
    return ShardFiles(
        sources=[source],
        manifests=[folder / "manifest.parquet"],
        intervals=[folder / "intervals.parquet"],
        checkpoint=folder / "weights.pth",
        folder=folder / "features",
        journal=folder / "journal.jsonl",
        index=folder / "index.parquet",
    )


def narrow_vgg19():
    torch.manual_seed(0)
    return VGG19(width=2).eval()


def narrow_vggish():
    torch.manual_seed(0)
    return VGGish(width=2, hidden=16).eval()


def picture_shard(folder, paths) -> ShardFiles:
    listed = [ScannedVideo(v, "train", str(path)) for v, path in paths.items()]
    write_json(folder / "videos.json", [asdict(video) for video in listed])
    return make_tables(folder, list(paths), folder / "videos.json", narrow_vgg19())


def sound_shard(folder, seconds) -> ShardFiles:
    with h5py.File(folder / "pack.h5", "w") as pack:
        for number, (video_id, length) in enumerate(seconds.items()):
            rng = np.random.default_rng(number)
            pack[video_id] = rng.standard_normal(int(length * RATE), np.float32) / 10
    return make_tables(folder, list(seconds), folder / "pack.h5", narrow_vggish())


def features(files):
    index = read_table(files.index, FEATURES)
    return {r.video_id: np.load(files.folder / r.path) for r in index.itertuples() if r.path}


@pytest.mark.parametrize("mode", ["decoded", "jpeg"])
def test_maps_of_a_video_are_those_of_its_sampled_frames(tmp_path, mode):
    path = make_video(tmp_path / "a.mp4", duration_s=1.0, audio_codec=None, fps="12")
    files = picture_shard(tmp_path, {"a": path})
    vgg19_extraction.extract_shard(files, PICTURE | {"frames": mode}, {})
    with closing(read_frames(path, mode)) as frames:
        expected = second_maps(narrow_vgg19(), frames, sampled_frames(12, SECONDS))
    found = features(files)["a"]
    assert found.shape == (SECONDS, 1, 7, 7, 16) and found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], expected)
    assert not np.allclose(found[0], found[1])


def test_a_video_without_a_picture_is_left_out_with_its_reason(tmp_path):
    (tmp_path / "b.mp4").write_bytes(b"nothing")
    path = make_video(tmp_path / "a.mp4", duration_s=0.5, audio_codec=None, fps="8")
    files = picture_shard(tmp_path, {"a": path, "b": tmp_path / "b.mp4"})
    vgg19_extraction.extract_shard(files, PICTURE, {})
    index = read_table(files.index, FEATURES).set_index("video_id")
    assert index["status"].to_dict() == {"a": "ok", "b": "unreadable"}
    assert "b.mp4" in index.loc["b", "message"]
    assert index.loc["a", ["intervals", "views", "channels"]].to_list() == [SECONDS, 1, 16]


def test_maps_are_not_made_twice(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.mp4", duration_s=0.5, audio_codec=None, fps="8")
    files = picture_shard(tmp_path, {"a": path})
    vgg19_extraction.extract_shard(files, PICTURE, {})
    monkeypatch.setattr(vgg19_extraction, "load_vgg19", lambda _: pytest.fail("loaded"))
    vgg19_extraction.extract_shard(files, PICTURE, {})


def test_embeddings_of_a_video_are_those_of_its_seconds(tmp_path):
    files = sound_shard(tmp_path, {"a": 2.5, "b": 2.0})
    vggish_extraction.extract_shard(files, SOUND, {})
    with h5py.File(tmp_path / "pack.h5") as pack:
        patches = second_patches(pack["a"][:], RATE)
    (expected,) = embed(narrow_vggish(), patches, 32)
    found = features(files)["a"]
    assert found.shape == (SECONDS, 1, 128) and found.any()
    np.testing.assert_array_equal(found[:, 0], expected)


def test_seconds_beyond_the_sound_are_counted(tmp_path):
    files = sound_shard(tmp_path, {"a": 1.0, "b": 2.0})
    vggish_extraction.extract_shard(files, SOUND, {})
    index = read_table(files.index, FEATURES).set_index("video_id")
    assert index["padded_intervals"].to_dict() == {"a": 1, "b": 0}


def test_a_video_has_the_same_embeddings_alone_and_among_others(tmp_path):
    (tmp_path / "alone").mkdir()
    among, alone = (
        sound_shard(tmp_path, {"a": 2.0, "b": 2.0}),
        sound_shard(tmp_path / "alone", {"a": 2.0}),
    )
    vggish_extraction.extract_shard(among, SOUND, {})
    vggish_extraction.extract_shard(alone, SOUND, {})
    assert features(among)["a"].tobytes() == features(alone)["a"].tobytes()


def test_embeddings_are_not_made_twice(tmp_path, monkeypatch):
    files = sound_shard(tmp_path, {"a": 2.0})
    vggish_extraction.extract_shard(files, SOUND, {})
    monkeypatch.setattr(vggish_extraction, "load_vggish", lambda _: pytest.fail("loaded"))
    vggish_extraction.extract_shard(files, SOUND, {})
    with h5py.File(tmp_path / "pack.h5", "r+") as pack:
        pack["a"][0] = 1.0
    with pytest.raises(pytest.fail.Exception, match="loaded"):
        vggish_extraction.extract_shard(files, SOUND, {})


def edit(monkeypatch, module):
    """Let the code of a module look changed."""
    real = provenance._syntax

    def edited(name):
        found = real(name)
        return found._replace(tree=found.tree + "#" * (name == module))

    monkeypatch.setattr(provenance, "_syntax", edited)
    provenance.code_fingerprint.cache_clear()
    monkeypatch.setattr(vgg19_extraction, "load_vgg19", lambda _: pytest.fail("loaded"))
    monkeypatch.setattr(vggish_extraction, "load_vggish", lambda _: pytest.fail("loaded"))


@pytest.fixture
def fresh_fingerprints():
    yield
    provenance.code_fingerprint.cache_clear()


@pytest.mark.usefixtures("fresh_fingerprints")
def test_features_are_made_again_after_an_edit_of_their_own_code_only(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.mp4", duration_s=0.5, audio_codec=None, fps="8")
    for name in ("picture", "sound"):
        (tmp_path / name).mkdir()
    picture, sound = (
        picture_shard(tmp_path / "picture", {"a": path}),
        sound_shard(tmp_path / "sound", {"a": 2.0}),
    )
    vgg19_extraction.extract_shard(picture, PICTURE, {})
    vggish_extraction.extract_shard(sound, SOUND, {})
    for other in ("visual_extraction", "omnivore", "videomae"):
        edit(monkeypatch, f"avlib.extractors.{other}")
        vgg19_extraction.extract_shard(picture, PICTURE, {})
        vggish_extraction.extract_shard(sound, SOUND, {})
    edit(monkeypatch, "avlib.extractors.vgg19.extraction")
    vggish_extraction.extract_shard(sound, SOUND, {})
    with pytest.raises(pytest.fail.Exception, match="loaded"):
        vgg19_extraction.extract_shard(picture, PICTURE, {})
    edit(monkeypatch, "avlib.extractors.vggish.extraction")
    with pytest.raises(pytest.fail.Exception, match="loaded"):
        vggish_extraction.extract_shard(sound, SOUND, {})
