"""Embeddings of clips from videos, chunks and folders of images, and of texts."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from frame_files import pack_tar
from media_files import make_video, run_ffmpeg
from PIL import Image
from tiny_egovlp import NARROW

from avlib.datasets.tables import CAPTIONED_CLIPS, TEXTS
from avlib.errors import CheckpointError, DataError
from avlib.extractors.egovlp import reading
from avlib.extractors.egovlp.encoder import check_weights, embed_clips, embed_texts
from avlib.extractors.egovlp.frames import filled, frame_indices, seen
from avlib.extractors.egovlp.weights import load_egovlp, untrained_egovlp
from avlib.extractors.embedding import ClipFiles, TextFiles
from avlib.extractors.structure import own_settings
from avlib.extractors.tables import EMBEDDED_CLIPS
from avlib.io.atomic import write_json
from avlib.io.embeddings import WHOLE, read_embeddings
from avlib.io.tables import read_table, write_table
from avlib.io.text_tokens import write_word_tokenizer
from avlib.io.weights import save_weights
from avlib.media.frames import read_frames
from avlib.media.probe import VideoInfo, manifest_rows, probe_file
from avlib.media.scan import ScannedVideo
from avlib.media.tables import MANIFEST

SETTINGS = {"seed": 0, "device": "cpu", "num_frames": 4}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "open", "the", "door", "close", "tap"]
EPIC = [("a", 0.4, 1.2, 10, 30), ("b", 0.0, 0.2, 0, 3), ("c", 0.2, 1.9, 5, 47)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    network = untrained_egovlp(NARROW, 0)
    torch.nn.init.normal_(network.video_model.temporal_embed)
    save_weights(path, network.state_dict(), own_settings(NARROW))
    return path


def make_shard(folder, checkpoint, videos, clips):
    """Write list, manifest and clips of videos, given by id, and clips (video, id, ...)."""
    folder.mkdir(exist_ok=True)
    rows = [
        probe_file(VideoInfo(name, str(path), "test"), path)
        if path
        else VideoInfo(name, "", "test").left_out("missing", "no file of that name")
        for name, path in videos.items()
    ]
    write_table(manifest_rows(rows), folder / "manifest.parquet", MANIFEST)
    scanned = [ScannedVideo(name, "test", path and str(path)) for name, path in videos.items()]
    write_json(folder / "videos.json", [asdict(video) for video in scanned])
    names = [column.name for column in CAPTIONED_CLIPS.columns]
    table = pd.DataFrame([(key, video, *span) for video, key, *span in clips], columns=names)
    table = table.astype({"start_frame": "Int64", "stop_frame": "Int64"})
    write_table(table, folder / "clips.parquet", CAPTIONED_CLIPS)
    return ClipFiles(
        sources=[folder / "videos.json"],
        manifests=[folder / "manifest.parquet"],
        clips=folder / "clips.parquet",
        checkpoint=checkpoint,
        previous=folder / "previous.h5",
        target=folder / "clips.h5",
        index=folder / "index.parquet",
    )


def embed(files, **settings):
    """Return vectors and rows of the index, by id."""
    embed_clips(files, SETTINGS | settings)
    rows, index = read_embeddings(files.target), read_table(files.index, EMBEDDED_CLIPS)
    assert set(rows.crops.tolist()) <= {WHOLE}
    return dict(zip(rows.keys, rows.vectors, strict=True)), index.set_index("event_id")


def plain(checkpoint, images, num_frames=4):
    """Return the embedding of a clip of images, computed plainly."""
    frames = filled(torch.stack([seen(image, 32) for image in images]), num_frames)
    with torch.inference_mode():
        return load_egovlp(checkpoint, num_frames).video_embeddings(frames[None])[0].numpy()


def pictures(path):
    return [frame() for frame in read_frames(path, "decoded")]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return make_video(tmp_path_factory.mktemp("video") / "P01_11.mp4", duration_s=2.0)


def of_video(video_id, spans):
    return [(video_id, *span) for span in spans]


def test_a_clip_has_the_published_frames_of_its_video(tmp_path, checkpoint, video):
    files = make_shard(tmp_path, checkpoint, {"P01_11": video}, of_video("P01_11", EPIC))
    vectors, index = embed(files)
    images = pictures(video)
    assert list(vectors) == ["a", "b", "c"] and set(index["status"]) == {"ok"}
    for key, _, _, start, stop in EPIC:
        chosen = [images[max(n - 1, 0)] for n in frame_indices(4, start, stop)]
        np.testing.assert_allclose(vectors[key], plain(checkpoint, chosen), atol=1e-5)


def test_a_clip_without_frame_numbers_has_those_of_its_times_at_30_hz(tmp_path, checkpoint):
    path = make_video(tmp_path / "v.mp4", fps="60", audio_codec=None)
    files = make_shard(tmp_path, checkpoint, {"v": path}, [("v", "a", 0.51, 1.3, None, None)])
    vectors, _ = embed(files)
    chosen = [pictures(path)[2 * (n - 1)] for n in frame_indices(4, 15, 39)]
    np.testing.assert_allclose(vectors["a"], plain(checkpoint, chosen), atol=1e-5)


def test_published_numbers_of_another_frame_rate_mean_times(tmp_path, checkpoint):
    path = make_video(tmp_path / "v.mp4", fps="10", duration_s=8.0)
    files = make_shard(tmp_path, checkpoint, {"v": path}, [("v", "a", 2.0, 7.0, 100, 350)])
    vectors, _ = embed(files)
    chosen = [pictures(path)[round((n - 1) / 5)] for n in frame_indices(4, 100, 350)]
    np.testing.assert_allclose(vectors["a"], plain(checkpoint, chosen), atol=1e-5)


PLACES = ("P01/rgb_frames/P01_11", "rgb_frames/P01_11", "P01_11", "P01/rgb_frames/P01_11.tar")


@pytest.mark.parametrize("place", PLACES)
def test_images_give_what_they_show(tmp_path, checkpoint, place):
    source = tmp_path / "frames" / place
    folder = tmp_path / "images" if source.suffix else source
    folder.mkdir(parents=True)
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", folder / "frame_%010d.jpg")
    if source.suffix:
        source.parent.mkdir(parents=True)
        pack_tar(folder, source, "P01_11/")
    clips = of_video("P01_11", EPIC)
    files = make_shard(tmp_path, checkpoint, {"P01_11": None}, clips)
    vectors, index = embed(files, frames=tmp_path / "frames")
    assert set(index["status"]) == {"ok"}
    for key, _, _, start, stop in EPIC:
        names = [f"frame_{max(n, 1):010d}.jpg" for n in frame_indices(4, start, stop)]
        images = [np.asarray(Image.open(folder / name)) for name in names]
        np.testing.assert_allclose(vectors[key], plain(checkpoint, images), atol=1e-5)


def test_a_damaged_image_costs_the_clips_that_show_it(tmp_path, checkpoint):
    folder = tmp_path / "frames" / "P01" / "rgb_frames" / "P01_11"
    folder.mkdir(parents=True)
    run_ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", folder / "frame_%010d.jpg")
    spoilt = folder / f"frame_{frame_indices(4, 10, 30)[1]:010d}.jpg"
    spoilt.write_bytes(b"no image")
    files = make_shard(tmp_path, checkpoint, {"P01_11": None}, of_video("P01_11", EPIC))
    vectors, index = embed(files, frames=tmp_path / "frames")
    assert list(vectors) == ["b", "c"]
    assert index.loc["a", "status"] == "unreadable" and spoilt.name in index.loc["a", "message"]
    spoilt.unlink()
    _, index = embed(files, frames=tmp_path / "frames")
    assert index["status"].to_list() == ["unreadable", "ok", "ok"]


def test_chunks_are_read_on_the_timeline_of_the_recording(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setattr("avlib.extractors.egovlp.sources.CHUNK_S", 2)
    parts = [make_video(tmp_path / f"{n}.mp4", fps="30", duration_s=2.0 - 0.1 * n) for n in (0, 1)]
    clips = [("u", "a", 1.7, 2.4, None, None), ("u", "b", 2.5, 3.8, None, None)]
    clips += [("u", "c", 3.95, 4.2, None, None), ("u", "d", 0.5, 1.0, None, None)]
    videos = {f"u#{n}": path for n, path in enumerate(parts)}
    vectors, index = embed(make_shard(tmp_path, checkpoint, videos, clips))
    images = [*pictures(parts[0]), *pictures(parts[1])]
    assert len(images) == 60 + 57
    assert index["status"].to_list() == ["ok", "ok", "missing_video", "ok"]
    assert "u#2" in index.loc["c", "message"]
    for _, key, start_s, stop_s, *_ in (clips[0], clips[1], clips[3]):
        numbers = frame_indices(4, int(start_s * 30), int(stop_s * 30))
        chosen = [images[min(n - 1, 116)] for n in numbers]
        np.testing.assert_allclose(vectors[key], plain(checkpoint, chosen), atol=1e-5)


def test_a_clip_that_cannot_be_seen_says_why_and_costs_no_other(tmp_path, checkpoint, video):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes()[:3000])
    sound = make_video(tmp_path / "s.mp4")
    run_ffmpeg("-i", sound, "-vn", tmp_path / "sound.m4a")
    videos = {"v": video, "gone": None, "broken": broken, "sound": tmp_path / "sound.m4a"}
    clips = [
        ("v", "ok", 0.4, 1.2, 10, 30),
        ("v", "beyond", 1.5, 4.0, 37, 100),
        ("v", "outside", 2.5, 3.0, 62, 75),
        ("v", "empty", 0.0, 0.01, None, None),
        ("gone", "missing", 0.4, 1.2, 10, 30),
        ("broken", "broken", 0.4, 1.2, 10, 30),
        ("sound", "sound", 0.4, 1.2, None, None),
        ("other", "of another shard", 0.4, 1.2, 10, 30),
    ]
    vectors, index = embed(make_shard(tmp_path, checkpoint, videos, clips))
    assert list(vectors) == ["ok", "beyond"]
    assert index["status"].to_dict() == {
        **{"ok": "ok", "beyond": "ok", "outside": "outside", "empty": "empty"},
        **{"missing": "missing_video", "broken": "unreadable", "sound": "unreadable"},
    }
    assert "reaches 2 s beyond the end" in index.loc["beyond", "message"]
    assert "begins 0.5 s after the end" in index.loc["outside", "message"]
    chosen = [pictures(video)[min(n - 1, 49)] for n in frame_indices(4, 37, 100)]
    np.testing.assert_allclose(vectors["beyond"], plain(checkpoint, chosen), atol=1e-5)


def test_a_video_without_sound_is_seen(tmp_path, checkpoint):
    path = make_video(tmp_path / "v.mp4", audio_codec=None)
    vectors, _ = embed(make_shard(tmp_path, checkpoint, {"v": path}, of_video("v", EPIC)))
    assert list(vectors) == ["a", "b", "c"]


def test_bytes_depend_neither_on_shards_nor_on_other_clips_nor_on_the_past(
    tmp_path, checkpoint, video
):
    other = make_video(tmp_path / "w.mp4", fps="30")
    videos = {"v": video, "w": other}
    clips = of_video("v", EPIC) + [("w", f"w{key}", *span) for key, *span in EPIC]
    files = make_shard(tmp_path / "both", checkpoint, videos, clips)
    vectors, _ = embed(files)
    first = files.target.read_bytes(), files.index.read_bytes()
    for name in videos:
        of_it = [clip for clip in clips if clip[0] == name][::-1]
        alone, _ = embed(make_shard(tmp_path / name, checkpoint, {name: videos[name]}, of_it))
        assert alone and all(np.array_equal(vectors[key], alone[key]) for key in alone)
    embed(files)
    assert (files.target.read_bytes(), files.index.read_bytes()) == first


def test_what_has_not_changed_is_not_read_again(tmp_path, checkpoint, video, monkeypatch):
    files = make_shard(tmp_path, checkpoint, {"v": video}, of_video("v", EPIC))
    embed(files)
    read = []
    monkeypatch.setattr(
        "avlib.extractors.egovlp.sources.read_clips",
        lambda files, places: read.extend(places) or reading.read_clips(files, places),
    )
    embed(files)
    assert not read
    changed = [EPIC[0], ("b", 0.0, 0.4, 0, 10), EPIC[2]]
    make_shard(tmp_path, checkpoint, {"v": video}, of_video("v", changed))
    embed(files)
    assert len(read) == 1
    embed(files, num_frames=3)
    assert len(read) == 4


def test_a_video_is_decoded_once_however_its_clips_are_ordered(
    tmp_path, checkpoint, video, monkeypatch
):
    videos = {"v": video, "w": make_video(tmp_path / "w.mp4")}
    mixed = [(name, f"{name}{key}", *span) for key, *span in EPIC[::-1] for name in videos]
    decoded = []
    monkeypatch.setattr(
        reading,
        "read_frames",
        lambda path, *rest, **named: decoded.append(path) or read_frames(path, *rest, **named),
    )
    vectors, _ = embed(make_shard(tmp_path, checkpoint, videos, mixed))
    assert decoded == list(videos.values())
    assert list(vectors) == [clip[1] for clip in mixed]


def test_memory_is_bounded_where_many_clips_overlap(tmp_path, checkpoint, video, monkeypatch):
    clips = [(f"c{n}", 0.02 * n, 1.9 - 0.02 * n, 1 + n, 48 - n) for n in range(12)]
    files = make_shard(tmp_path, checkpoint, {"v": video}, of_video("v", clips))
    vectors, _ = embed(files)
    files.previous.unlink()
    monkeypatch.setattr(reading, "OPEN_CLIPS", 3)
    places = [[reading.Place(0, n), reading.Place(0, 40 - n)] for n in range(12)]
    passes = reading._passes(places)
    assert sorted(n for members in passes for n in members) == list(range(12))
    assert [len(members) for members in passes] == [3, 3, 3, 3]
    again, _ = embed(files)
    assert all(np.array_equal(vectors[key], again[key]) for key in vectors)


def text_files(folder, checkpoint, texts):
    rows = [(f"e{n}", "original", text) for n, text in enumerate(texts)]
    names = [column.name for column in TEXTS.columns]
    write_table(pd.DataFrame(rows, columns=names), folder / "texts.parquet", TEXTS)
    write_word_tokenizer(folder / "tokenizer", WORDS)
    texts_at, tokenizer = folder / "texts.parquet", folder / "tokenizer"
    return TextFiles(texts_at, "original", checkpoint, tokenizer, folder / "texts.h5")


def test_each_distinct_text_is_embedded_once_and_cut_to_what_fits(tmp_path, checkpoint):
    texts = ["open the door", "Open the tap", "open the door", "close " * 20]
    embed_texts(text_files(tmp_path, checkpoint, texts), SETTINGS)
    rows = read_embeddings(tmp_path / "texts.h5")
    assert list(rows.keys) == [texts[0], texts[1], texts[3]]
    ids = [[2, 5, 6, 7, 3], [2, 5, 6, 9, 3], [2, 8, 8, 8, 8, 8, 8, 3]]
    network = load_egovlp(checkpoint, 4)
    for tokens, vector in zip(ids, rows.vectors, strict=True):
        row = torch.tensor([tokens])
        with torch.inference_mode():
            expected = network.text_embeddings(row, torch.ones_like(row))[0]
        np.testing.assert_allclose(vector, expected, atol=1e-6)


def test_a_missing_vocabulary_is_named(tmp_path, checkpoint):
    files = text_files(tmp_path, checkpoint, ["open the door"])
    (tmp_path / "tokenizer" / "vocab.txt").unlink()
    with pytest.raises(DataError, match=r"tokenizer: no vocab\.txt"):
        embed_texts(files, SETTINGS)


def test_weights_that_do_not_fit_are_refused_before_any_clip(tmp_path, video):
    torch.save({"state_dict": {"a": torch.ones(2)}}, tmp_path / "a.pth")
    files = make_shard(tmp_path, tmp_path / "a.pth", {"v": video}, of_video("v", EPIC))
    with pytest.raises(CheckpointError, match=r"a\.pth does not fit: missing"):
        embed(files)
    with pytest.raises(CheckpointError, match=r"a\.pth does not fit: missing"):
        check_weights(tmp_path / "a.pth", tmp_path / "report.json")


def test_the_report_on_weights_says_what_they_are(tmp_path, checkpoint):
    check_weights(checkpoint, tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["structure"] == asdict(replace(NARROW, frames=4))
