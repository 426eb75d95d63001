"""Features of whole videos in LLP's layout, by shards."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from media_files import make_video
from tiny_weights import with_settings

from avlib.errors import DataError
from avlib.extractors import segments
from avlib.extractors.clap.network import ClapSizes
from avlib.extractors.clap.weights import untrained_clap
from avlib.extractors.clip.network import ClipSizes, TowerSizes
from avlib.extractors.clip.weights import untrained_clip
from avlib.extractors.extraction import ShardFiles
from avlib.extractors.registry import EXTRACTORS, VIDEO_EXTRACTORS, extract_together
from avlib.extractors.resnet.network import R2Plus1d, ResNet
from avlib.extractors.structure import own_settings
from avlib.extractors.tables import FEATURES as FEATURE_TABLE
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.weights import untrained
from avlib.io.atomic import write_json
from avlib.io.tables import read_table, write_table
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.scan import ScannedVideo
from avlib.media.tables import MANIFEST
from avlib.valor.feature_folders import FEATURE_KINDS, open_feature_folder

SETTINGS = {"seed": 0, "device": "cpu"}
ONE = (1, 1, 1, 1)
TOWER = TowerSizes(width=64, depth=1, feedforward=16)
CLIP = ClipSizes(TOWER, TOWER, 224, 112, vocabulary=49_408, positions=77, embedding=8)
CLAP = ClapSizes(8, ONE, ONE, 64, 1, 16, vocabulary=261, positions=79, embedding=8)
STRUCTURES = {"clip": own_settings(CLIP), "clap": own_settings(CLAP)}
NETWORKS = {
    "vggish": lambda: VGGish(width=2, hidden=8),
    "res152": lambda: ResNet(blocks=ONE, width=2),
    "r2plus1d_18": lambda: R2Plus1d(blocks=ONE, width=2, middle=2),
    "clip": lambda: untrained_clip(CLIP, 0).model,
    "clap": lambda: untrained_clap(CLAP, 0).model,
    "clap_segments": lambda: untrained_clap(CLAP, 0).model,
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A whole video and a file that is none, by id."""
    folder = tmp_path_factory.mktemp("videos")
    whole = make_video(folder / "whole.mp4", duration_s=10.0)
    broken = folder / "broken.mp4"
    broken.write_bytes(b"no video")
    return {"-whole": whole, "broken": broken}


def shard(folder, videos, kind) -> ShardFiles:
    listed = [ScannedVideo(name, "train", str(path)) for name, path in videos.items()]
    write_json(folder / "videos.json", [asdict(video) for video in listed])
    rows = [VideoInfo(name, name, "train", content_hash=name) for name in videos]
    write_table(manifest_rows(rows), folder / "manifest.parquet", MANIFEST)
    state = untrained(NETWORKS[kind], 0).state_dict()
    torch.save(with_settings(state, STRUCTURES.get(kind[:4], {})), folder / "weights.pth")
    return ShardFiles(
        sources=[folder / "videos.json"],
        manifests=[folder / "manifest.parquet"],
        intervals=[],
        checkpoint=folder / "weights.pth",
        folder=folder / "features",
        journal=folder / "journal.jsonl",
        index=folder / "index.parquet",
    )


def extract_vggish(files, **changes):
    VIDEO_EXTRACTORS["vggish"].extract_shard(files, SETTINGS | changes, {})


@pytest.mark.parametrize("kind", VIDEO_EXTRACTORS)
def test_a_video_has_a_file_in_the_published_layout_and_a_broken_one_a_reason(
    tmp_path, videos, kind
):
    files = shard(tmp_path, videos, kind)
    VIDEO_EXTRACTORS[kind].extract_shard(files, SETTINGS, {})
    index = read_table(files.index, FEATURE_TABLE).set_index("video_id")
    assert index["status"].to_dict() == {"-whole": "ok", "broken": "unreadable"}
    assert "broken.mp4" in index["message"]["broken"]
    found = open_feature_folder(kind, files.folder, ["broken", "-whole"], [files.index])
    assert found.video_ids == ["-whole"]
    assert found[0].shape == (FEATURE_KINDS[kind].rows, index["channels"]["-whole"])
    assert np.isfinite(found[0]).all()


def test_extractors_of_the_same_frames_decode_a_video_once(tmp_path, videos, monkeypatch):
    decoded, write_frames = [], segments.write_frames

    def counted(video, folder):
        decoded.append(video.name)
        write_frames(video, folder)

    monkeypatch.setattr(segments, "write_frames", counted)
    kinds = ("res152", "r2plus1d_18", "clip")
    (tmp_path / "single").mkdir()
    files = {}
    for kind in kinds:
        (tmp_path / kind).mkdir()
        files[kind] = shard(tmp_path / kind, videos, kind)
    extract_together(files, dict.fromkeys(kinds, SETTINGS), tmp_path / "frames")
    assert sorted(decoded) == ["broken.mp4"] * 3 + ["whole.mp4"]
    assert not (tmp_path / "frames").exists()
    for kind in kinds:
        single = shard(tmp_path / "single", videos, kind)
        VIDEO_EXTRACTORS[kind].extract_shard(single, SETTINGS, {})
        for name in ("-whole.npy", "../index.parquet"):
            assert (single.folder / name).read_bytes() == (files[kind].folder / name).read_bytes()
        single.journal.unlink()


def test_only_what_changed_is_made_again(tmp_path, videos):
    files = shard(tmp_path, {"-whole": videos["-whole"]}, "vggish")
    extract_vggish(files)
    target = files.folder / "-whole.npy"
    first, made = target.read_bytes(), target.stat().st_mtime_ns
    extract_vggish(files)
    assert target.stat().st_mtime_ns == made
    extract_vggish(files, sound="moviepy")
    assert target.read_bytes() != first
    extract_vggish(files)
    assert target.read_bytes() == first


def test_a_file_that_other_shards_changed_is_made_again(tmp_path, videos):
    files = shard(tmp_path, {"-whole": videos["-whole"]}, "vggish")
    extract_vggish(files)
    first = (files.folder / "-whole.npy").read_bytes()
    others = replace(files, journal=tmp_path / "other.jsonl")
    extract_vggish(others, sound="moviepy")
    assert (files.folder / "-whole.npy").read_bytes() != first
    extract_vggish(files)
    assert (files.folder / "-whole.npy").read_bytes() == first


def test_weights_that_fit_are_noted(tmp_path, videos):
    files = shard(tmp_path, videos, "clip")
    EXTRACTORS["clip"].check_weights(files.checkpoint, tmp_path / "given.json")
    assert "sha256" in (tmp_path / "given.json").read_text()


def test_folders_from_outside_have_to_hold_all_videos(tmp_path, videos):
    files = shard(tmp_path, {"-whole": videos["-whole"]}, "vggish")
    extract_vggish(files)
    assert len(open_feature_folder("vggish", files.folder, ["-whole"], [])) == 1
    with pytest.raises(DataError, match="1 of 2 videos have no vggish feature"):
        open_feature_folder("vggish", files.folder, ["-whole", "other"], [])
