"""What embeds the clips of a shard, by the networks that hear; the smallest ones of their kind."""

import numpy as np
import pytest
from tiny_clips import (
    RATE,
    SETTINGS,
    clip_files,
    noise,
    save_ase,
    save_clap,
    text_files,
    write_clips,
    write_shard,
)

from avlib.errors import DataError
from avlib.extractors.registry import EXTRACTORS
from avlib.extractors.tables import EMBEDDED_CLIPS
from avlib.extractors.wavcaps.encoder import AseSounds
from avlib.io.embeddings import WHOLE, read_embeddings
from avlib.io.tables import read_table

NAMES = ("ase_audiocaps", "clap_clips")
CLIPS = [  # id, recording, start and stop in seconds
    ("short", "a", 0.5, 1.25),
    ("long", "a", 1.0, 12.5),
    ("cut", "b", 1.5, 3.0),
    ("silent", "b", 0.0, 1.0),
    ("same", "b", 0.1, 0.9),
]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    ase, clap = save_ase(folder / "ase.pt"), save_clap(folder / "clap.pt")
    return {"ase_audiocaps": ase, "clap_clips": clap}


def sounds():
    b = noise(2.0, 1)
    b[:RATE] = 0
    return {"a": noise(13.0), "b": b}


def embed(name, files, **settings):
    EXTRACTORS[name].embed_clips(files, SETTINGS | {"crop_seeds": (0, 1)} | settings)
    index = read_table(files.index, EMBEDDED_CLIPS).set_index("event_id")
    return read_embeddings(files.target), index


def by_row(embeddings):
    rows = zip(embeddings.keys, embeddings.crops.tolist(), strict=True)
    return dict(zip(rows, embeddings.vectors, strict=True))


@pytest.fixture(scope="module", params=NAMES)
def shard(request, checkpoints, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shard")
    clips = write_clips(folder / "clips.parquet", CLIPS)
    written = write_shard(folder, sounds())
    files = clip_files(folder / request.param, clips, checkpoints[request.param], written)
    return request.param, files, *embed(request.param, files)


def test_each_clip_has_a_row_and_a_longer_one_a_row_a_crop(shard):
    _, _, embeddings, index = shard
    assert [*zip(embeddings.keys, embeddings.crops.tolist(), strict=True)] == [
        ("short", WHOLE),
        ("long", 0),
        ("long", 1),
        ("cut", WHOLE),
        ("silent", WHOLE),
        ("same", WHOLE),
    ]
    assert (index["status"] == "ok").all()
    assert index.index[index["is_cropped"]].tolist() == ["long"]
    np.testing.assert_allclose(np.linalg.norm(embeddings.vectors, axis=1), 1, atol=1e-5)
    first, second = embeddings.vectors[1:3]
    assert np.abs(first - second).max() > 1e-4


def test_silent_and_cut_clips_are_said(shard):
    _, _, _, index = shard
    assert index.index[index["is_silent"]].tolist() == ["silent", "same"]
    assert "1.000 s beyond the end" in index["message"]["cut"]
    assert (index["message"].drop("cut") == "").all()


def test_other_clips_shards_and_orders_change_no_bit(shard, tmp_path, checkpoints):
    name, _, embeddings, _ = shard
    clips = write_clips(tmp_path / "clips.parquet", [CLIPS[i] for i in (3, 1, 0, 2)])
    found = {}
    for video_id, waveform in sounds().items():
        written = write_shard(tmp_path / video_id, {video_id: waveform})
        files = clip_files(tmp_path / video_id, clips, checkpoints[name], written)
        found |= by_row(embed(name, files)[0])
    expected = by_row(embeddings)
    assert found.keys() == expected.keys() - {("same", WHOLE)}
    for row, vector in found.items():
        np.testing.assert_array_equal(vector, expected[row])


def test_only_what_changed_is_embedded_again(shard, tmp_path, checkpoints, monkeypatch):
    name, _, embeddings, _ = shard
    waveforms = sounds()
    written = write_shard(tmp_path, waveforms)
    clips = write_clips(tmp_path / "clips.parquet", CLIPS)
    files = clip_files(tmp_path, clips, checkpoints[name], written)
    embed(name, files)
    waveforms["a"][RATE // 2] += 0.5  # in the short clip
    write_shard(tmp_path, waveforms)
    encoder = type(_encoder(name, files))
    done = []
    embed_batch = encoder.embed
    monkeypatch.setattr(encoder, "embed", lambda self, x: done.append(1) or embed_batch(self, x))
    again, _ = embed(name, files, crop_seeds=(1, 2))
    assert len(done) == 2  # the short clip and a crop
    old, new = by_row(embeddings), by_row(again)
    assert new.keys() - old.keys() == {("long", 2)}
    assert [row for row in new.keys() & old.keys() if (new[row] != old[row]).any()] == [
        ("short", WHOLE)
    ]


def _encoder(name, files):
    from avlib.extractors.clap.clips import ClapClipSettings, ClapSounds
    from avlib.extractors.wavcaps.encoder import AseSettings

    if name == "clap_clips":
        return ClapSounds(files, ClapClipSettings(**SETTINGS))
    return AseSounds(files, AseSettings(**SETTINGS))


BAD = [
    ("no audio", "silent film", 0.0, 1.0),
    ("damaged", "damaged", 0.0, 1.0),
    ("missing", "missing", 0.0, 1.0),
    ("after", "a", 20.0, 21.0),
    ("empty", "a", 2.0, 2.0),
    ("backwards", "a", 3.0, 2.0),
    ("before", "a", -2.0, -1.0),
    ("good", "a", -1.0, 1.0),
    ("of another shard", "z", 0.0, 1.0),
]


def test_clips_that_cannot_be_used_are_named_and_left_out(tmp_path, checkpoints):
    clips = write_clips(tmp_path / "clips.parquet", BAD)
    statuses = {"silent film": "no_audio", "damaged": "truncated", "missing": "missing"}
    written = write_shard(tmp_path, {"a": noise(4)}, statuses)
    files = clip_files(tmp_path, clips, checkpoints["ase_audiocaps"], written)
    embeddings, index = embed("ase_audiocaps", files)
    assert index["status"].to_dict() == {
        "no audio": "no_audio",
        "damaged": "unreadable",
        "missing": "missing_video",
        "after": "outside",
        "empty": "empty",
        "backwards": "empty",
        "before": "empty",
        "good": "ok",
    }
    assert embeddings.keys == ["good"]
    assert (index["message"].drop("good") != "").all()


def test_a_clip_over_a_border_of_chunks_is_heard_on_the_timeline_of_the_recording(
    tmp_path, checkpoints
):
    whole = np.concatenate([np.zeros(598 * RATE, np.float32), noise(4)])
    clips = write_clips(tmp_path / "clips.parquet", [("x", "r", 599.25, 601.5)])
    files = [
        clip_files(tmp_path / name, clips, checkpoints["ase_audiocaps"], written)
        for name, written in (
            ("whole", write_shard(tmp_path / "1", {"r": whole})),
            (
                "chunks",
                write_shard(
                    tmp_path / "2", {"r#0": whole[: 600 * RATE], "r#1": whole[600 * RATE :]}
                ),
            ),
        )
    ]
    one, two = (embed("ase_audiocaps", f, left_s=1.0)[0] for f in files)
    np.testing.assert_array_equal(one.vectors, two.vectors)
    missing = write_shard(tmp_path / "3", {"r#0": whole[: 600 * RATE]}, {"r#1": "missing"})
    third = clip_files(tmp_path / "third", clips, checkpoints["ase_audiocaps"], missing)
    _, index = embed("ase_audiocaps", third)
    assert index["status"]["x"] == "missing_video" and "r#1" in index["message"]["x"]


def test_a_shard_without_clips_has_empty_files(tmp_path, checkpoints):
    clips = write_clips(tmp_path / "clips.parquet", CLIPS)
    written = write_shard(tmp_path, {"other": noise(1)})
    files = clip_files(tmp_path, clips, checkpoints["ase_audiocaps"], written)
    embeddings, index = embed("ase_audiocaps", files)
    assert embeddings.keys == [] and index.empty


TEXTS = [
    ("original", "open the door"),
    ("original", "close the doors."),
    ("llm", "a door creaks"),
    ("original", "open the door"),
    ("original", ""),
    ("original", "the " * 600),
]


@pytest.mark.parametrize("name", NAMES)
def test_each_distinct_text_is_embedded_once_and_alone(name, tmp_path, checkpoints):
    files = text_files(tmp_path, TEXTS, checkpoints[name])
    EXTRACTORS[name].embed_texts(files, SETTINGS)
    found = read_embeddings(files.target)
    assert found.keys == ["open the door", "close the doors.", "", "the " * 600]
    assert (found.crops == WHOLE).all()
    alone = text_files(tmp_path / "alone", [("llm", "open the door")], checkpoints[name], "llm")
    EXTRACTORS[name].embed_texts(alone, SETTINGS)
    np.testing.assert_array_equal(read_embeddings(alone.target).vectors[0], found.vectors[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_tokenizer_is_named(name, tmp_path, checkpoints):
    files = text_files(tmp_path, TEXTS, checkpoints[name])
    for path in files.tokenizer.iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"tokenizer: no vocab\.(json|txt)"):
        EXTRACTORS[name].embed_texts(files, SETTINGS)


def test_silence_of_two_clips_is_embedded_once(tmp_path, checkpoints, monkeypatch):
    rows = [(f"s{i}", "a", i, i + 1.0) for i in range(3)]
    clips = write_clips(tmp_path / "clips.parquet", rows)
    written = write_shard(tmp_path, {"a": np.zeros(5 * RATE, np.float32)})
    files = clip_files(tmp_path, clips, checkpoints["ase_audiocaps"], written)
    done = []
    embed_batch = AseSounds.embed
    monkeypatch.setattr(AseSounds, "embed", lambda self, x: done.append(1) or embed_batch(self, x))
    embeddings, index = embed("ase_audiocaps", files)
    assert len(done) == 1 and index["is_silent"].all()
    assert (embeddings.vectors == embeddings.vectors[0]).all()


def test_a_recording_whose_id_ends_like_that_of_a_chunk_has_its_clips(tmp_path, checkpoints):
    clips = write_clips(tmp_path / "clips.parquet", [("x", "clip#1", 0.0, 1.0)])
    shard = write_shard(tmp_path, {"clip#1": noise(2.0)})
    files = clip_files(tmp_path, clips, checkpoints["ase_audiocaps"], shard)
    embeddings, index = embed("ase_audiocaps", files)
    assert index.loc["x", "status"] == "ok"
    assert embeddings.keys == ["x"]
