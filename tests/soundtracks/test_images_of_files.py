"""From files of many kinds through the packs of sound to audio images."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from media_files import cut_off, make_video

from avlib.io.tables import read_table
from avlib.media import ffmpeg
from avlib.media.probe import probe_shard
from avlib.media.scan import scan
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
from avlib.media.tables import MANIFEST
from avlib.media.videos import Video
from avlib.soundtracks.image_packs import ImageShardFiles, pack_audio_images
from avlib.soundtracks.images import audio_images
from avlib.soundtracks.mel import Mel
from avlib.soundtracks.tables import AUDIO_IMAGES

RATE = 44_100
SOUNDS = {  # name: rate and channels
    "one.wav": (22_050, 1),
    "two.wav": (48_000, 2),
    "six.wav": (48_000, 6),
    "one.flac": (48_000, 1),
    "two.flac": (22_050, 2),
    "six.flac": (22_050, 6),
    "one.ogg": (48_000, 1),
    "two.ogg": (22_050, 2),
    "six.ogg": (48_000, 6),
    "one.mp3": (22_050, 1),
    "two.mp3": (48_000, 2),
}
VIDEOS = {"one.mp4": (22_050, 1), "two.mp4": (48_000, 2), "six.mp4": (48_000, 6)}
BAD = {
    "soundless.mp4": "no_audio",
    "text.wav": "unreadable",
    "cut.wav": "truncated",
    "cut.mp4": "truncated",
    "nothing.ogg": "no_audio",
    "empty.mp3": "empty",
    "short.wav": "too_short",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two seconds of noise in files of all kinds, and their packs."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    for name, (rate, channels) in SOUNDS.items():
        soundfile.write(folder / name, 0.1 * rng.standard_normal((2 * rate, channels)), rate)
    for name, (rate, channels) in VIDEOS.items():
        make_video(folder / name, channels=channels, sample_rate=rate)
    make_video(folder / "soundless.mp4", audio_codec=None)
    for name in ("cut.wav", "cut.mp4"):
        cut_off(folder / f"two{Path(name).suffix}", folder / name, 0.7)
    (folder / "text.wav").write_text("<html>")
    (folder / "empty.mp3").touch()
    soundfile.write(folder / "nothing.ogg", np.zeros((0, 1)), RATE)
    soundfile.write(folder / "short.wav", 0.1 * rng.standard_normal(int(0.95 * RATE)), RATE)
    pack(folder)
    return folder


def pack(folder):
    names = [*SOUNDS, *VIDEOS, *BAD]
    paths = {name: str(folder / name) for name in names}
    sounds = {name: None if name.endswith(".mp4") else path for name, path in paths.items()}
    videos = [Video(name, "test", paths[name], sounds[name]) for name in names]
    scan(videos, shards=1, folder=folder / "lists")
    probe_shard(folder / "lists" / "0.json", folder / "probe.parquet")
    pack_waveforms(
        videos=folder / "lists" / "0.json",
        manifest=folder / "probe.parquet",
        settings=SoundSettings(RATE, "ffmpeg", "own"),
        previous=folder / "cache" / "sound.h5",
        pack_target=folder / "sound.h5",
        manifest_target=folder / "sound.parquet",
    )
    files = ImageShardFiles(
        manifest=folder / "sound.parquet",
        sounds=folder / "sound.h5",
        previous=folder / "cache" / "images.h5",
        pack=folder / "images.h5",
        index=folder / "images.parquet",
    )
    pack_audio_images(files, mel=Mel())


@pytest.mark.parametrize("name", [*SOUNDS, *VIDEOS])
def test_images_are_those_of_what_the_command_writes(folder, name):
    rate, channels = (SOUNDS | VIDEOS)[name]
    kept = min(channels, 2)
    blocks = ffmpeg.command_waveform(folder / name, sample_rate=RATE, channels=kept)
    expected = np.concatenate(list(blocks)).reshape(-1, kept)
    with h5py.File(folder / "sound.h5") as sounds, h5py.File(folder / "images.h5") as images:
        assert sounds[name].dtype == np.int16
        assert sounds[name].attrs["rate_hz"] == RATE
        np.testing.assert_array_equal(sounds[name], expected)
        parts = audio_images(expected, sample_rate=RATE)
        np.testing.assert_array_equal(images[name], np.concatenate(list(parts)))
        assert images[name].shape == (2, 64, 96)
    row = read_table(folder / "sound.parquet", MANIFEST).set_index("video_id").loc[name]
    assert (row["audio_rate_hz"], row["audio_channels"]) == (rate, channels)
    assert row["audio_duration_s"] == len(expected) / RATE


def test_bad_files_are_named_and_the_others_have_images(folder):
    index = read_table(folder / "images.parquet", AUDIO_IMAGES).set_index("video_id")
    good = dict.fromkeys([*SOUNDS, *VIDEOS], "ok")
    assert index["status"].to_dict() == good | BAD
    assert index.loc[list(good), "clips"].eq(2).all()
    assert index.loc[list(BAD), "clips"].eq(0).all()
    assert index.loc[list(BAD), "message"].ne("").all()


def test_packing_again_gives_the_same_bytes(folder):
    names = ("sound.h5", "images.h5")
    first = [(folder / name).read_bytes() for name in names]
    pack(folder)
    assert [(folder / name).read_bytes() for name in names] == first
    for name in names:
        (folder / "cache" / name).unlink()
    pack(folder)
    assert [(folder / name).read_bytes() for name in names] == first
