"""Seconds of real files through both networks, at their size but with random weights."""

import csv

import numpy as np
import pytest
from media_files import cut_off, make_video, run_ffmpeg

from avlib.extractors.efficientnet_lite.weights import untrained_efficientnet_lite0
from avlib.extractors.yamnet.front_end import Recording
from avlib.extractors.yamnet.inference import YamNetModel
from avlib.extractors.yamnet.weights import load_yamnet, untrained_yamnet
from avlib.io.tables import read_table
from avlib.io.weights import save_weights
from avlib.media.decode import Start
from avlib.media.probe import probe_shard
from avlib.media.scan import scan
from avlib.media.sound_sources import SoundSettings, sound_blocks
from avlib.media.tables import MANIFEST
from avlib.media.videos import folder_videos
from avlib.tagging import legs, seconds
from avlib.tagging.archive import Archive
from avlib.tagging.class_networks import place
from avlib.tagging.leg_files import LegFiles
from avlib.tagging.scores import encoded
from avlib.tagging.seconds import SecondsFiles, score_seconds

SETTINGS = {"seed": 0, "dtype": "float32", "device": "cpu", "allow_tf32": False}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A working directory with random weights and six files, good and bad."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "weights").mkdir()
    for name, network in (
        ("yamnet", untrained_yamnet(0)),
        ("efficientnet_lite0", untrained_efficientnet_lite0(0)),
    ):
        save_weights(folder / "weights" / f"{name}.safetensors", network.state_dict(), {})
    with (folder / "weights" / "yamnet_class_map.csv").open("w", newline="") as file:
        rows = [[k, f"/m/{k}", f"sound {k}"] for k in range(521)]
        csv.writer(file).writerows([["index", "mid", "display_name"], *rows])
    videos = folder / "videos"
    make_video(videos / "-both.mp4", duration_s=3)
    make_video(videos / "silent.mp4", duration_s=2, audio_codec=None)
    make_video(videos / "half.mkv", duration_s=1.6, fps="12")
    run_ffmpeg("-i", videos / "-both.mp4", "-vn", "-t", "2.3", videos / "heard.wav")
    (videos / "text.mp4").write_text("no video")
    cut_off(videos / "-both.mp4", videos / "cut.mp4", 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        score(folder)
        yield folder


def made_by(folder):
    """Return the files of both legs."""
    return {
        "sound": LegFiles("yamnet", folder / "weights" / "yamnet.safetensors"),
        "picture": LegFiles(
            "efficientnet_lite0", folder / "weights" / "efficientnet_lite0.safetensors"
        ),
    }


def score(folder):
    """Run the stages of one shard."""
    scan(folder_videos(folder / "videos", "test"), shards=1, folder=folder / "lists")
    probe_shard(folder / "lists" / "0.json", folder / "probe.parquet")
    files = SecondsFiles(
        videos=folder / "lists" / "0.json",
        manifest=folder / "probe.parquet",
        legs=made_by(folder),
        cache=folder / "names",
        previous=folder / "previous.h5",
        pack=folder / "seconds" / "0.h5",
        found=folder / "seconds" / "0.parquet",
    )
    score_seconds(files, SETTINGS, 1)


def test_every_usable_file_has_its_seconds_and_legs(checkout):
    with Archive(checkout) as archive:
        lengths = dict(zip(archive.video_ids, archive.seconds.tolist(), strict=True))
        assert lengths == {"-both": 3, "half": 2, "heard": 2, "silent": 2}
        found = {video.video_id: set(video.scores) for video in archive.videos()}
        both = {"sound", "picture"}
        assert found == {"-both": both, "half": both, "heard": {"sound"}, "silent": {"picture"}}
        assert archive.legs["sound"].classes[:2] == ("sound 0", "sound 1")
        assert "tench" in archive.legs["picture"].classes
        assert archive.embeddings("picture", 0, 3).any(axis=1).all()


def test_what_cannot_be_used_keeps_its_status(checkout):
    rows = read_table(checkout / "seconds" / "0.parquet", MANIFEST).set_index("video_id")
    assert rows["status"].to_dict() == {
        "-both": "ok",
        "cut": "truncated",
        "half": "ok",
        "heard": "ok",
        "silent": "ok",
        "text": "unreadable",
    }
    assert "download it again" in rows["message"]["cut"]


def test_scores_of_sound_are_those_of_the_whole_waveform(checkout):
    path = checkout / "videos" / "-both.mp4"
    sound = SoundSettings(16_000, "soxr")
    blocks = sound_blocks(path, sound, checkout, is_substitute=False)
    waveform = np.concatenate([block for block in blocks if not isinstance(block, Start)])
    network = load_yamnet(checkout / "weights" / "yamnet.safetensors")
    model = YamNetModel(network, *place(seconds.NetworkSettings(**SETTINGS)))
    spans = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]
    blocks = list(model.blocks(Recording(waveform, 16_000), spans))
    with Archive(checkout) as archive:
        first = int(archive.firsts[archive.numbers["-both"]])
        np.testing.assert_array_equal(
            archive.scores("sound", first, first + 3),
            encoded(np.concatenate([block.scores for block in blocks])),
        )


def test_parts_of_sound_are_the_same_however_long_they_are(checkout, monkeypatch):
    settings = seconds.NetworkSettings(**SETTINGS)
    leg = legs.open_sound(made_by(checkout)["sound"], settings, checkout / "names")
    path, found = checkout / "videos" / "-both.mp4", []
    for at_once in (1, 2, 32):
        monkeypatch.setattr(legs, "SECONDS_AT_ONCE", at_once)
        blocks = list(leg.blocks(path, 5, checkout, is_substitute=False))
        assert sum(len(block.probabilities) for block in blocks) == 5  # two of them in silence
        found.append(np.concatenate([block.embeddings for block in blocks]))
    np.testing.assert_allclose(found[0], found[2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], found[2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[2][3], found[2][4], rtol=1e-5)


def test_only_what_changed_is_decoded_again_and_the_bytes_are_the_same(checkout, monkeypatch):
    pack = checkout / "seconds" / "0.h5"
    before, decoded = pack.read_bytes(), []
    original = legs.PictureLeg.blocks

    def counted(self, path, *args):
        decoded.append(path.name)
        return original(self, path, *args)

    monkeypatch.setattr(legs.PictureLeg, "blocks", counted)
    score(checkout)
    assert (decoded, pack.read_bytes()) == ([], before)
    make_video(checkout / "videos" / "new.mp4", duration_s=1)
    score(checkout)
    assert decoded == ["new.mp4"]
    with Archive(checkout) as archive:
        assert archive.video_ids == ["-both", "half", "heard", "new", "silent"]
    (checkout / "videos" / "new.mp4").unlink()
    score(checkout)
    assert pack.read_bytes() == before


def test_a_picture_that_breaks_leaves_the_sound(checkout, monkeypatch):
    def broken(self, path, *args):
        yield from ()
        raise seconds.DataError(f"{path}: none of its frames can be decoded")

    make_video(checkout / "videos" / "odd.mp4", duration_s=1)
    monkeypatch.setattr(legs.PictureLeg, "blocks", broken)
    score(checkout)
    rows = read_table(checkout / "seconds" / "0.parquet", MANIFEST).set_index("video_id")
    assert rows["status"]["odd"] == "ok"
    assert "its picture has no scores: " in rows["message"]["odd"]
    with Archive(checkout) as archive:
        assert not archive.is_there["picture"][archive.numbers["odd"]]
    monkeypatch.undo()
    (checkout / "videos" / "odd.mp4").unlink()
