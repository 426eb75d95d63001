import faulthandler
import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
from media_files import cut_off, damage, make_video

from avlib.io.packs import WaveformStore
from avlib.io.tables import read_table
from avlib.media import decode, ffmpeg, isolation, sound_packs
from avlib.media.probe import probe_shard
from avlib.media.scan import scan
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
from avlib.media.tables import MANIFEST
from avlib.media.videos import Video, folder_videos, sound_files

SETTINGS = SoundSettings(16_000, "ffmpeg")


def pack(videos, folder, settings=SETTINGS):
    """Run the stages of one shard; return its manifest by id."""
    scan(videos, shards=1, folder=folder / "lists")
    probe_shard(folder / "lists" / "0.json", folder / "probe.parquet")
    pack_waveforms(
        videos=folder / "lists" / "0.json",
        manifest=folder / "probe.parquet",
        settings=settings,
        previous=folder / "previous.h5",
        pack_target=folder / "pack.h5",
        manifest_target=folder / "manifest.parquet",
    )
    return read_table(folder / "manifest.parquet", MANIFEST).set_index("video_id")


def of_the_command(path, settings, channels=1):
    """Return the sound of a file as a pack holds it, from a process of its own."""
    rate = settings.sample_rate
    blocks = list(ffmpeg.command_waveform(path, sample_rate=rate, channels=channels))
    samples = np.concatenate(blocks)
    if settings.channels == "own":
        return samples.reshape(-1, channels)
    return samples.astype(np.float32) / 32_768


@pytest.fixture
def folder(tmp_path):
    """Two good videos, and four that are not."""
    source = tmp_path / "videos"
    make_video(source / "-good.mp4")
    make_video(source / "sub" / "gööd 2.MKV", audio_codec="flac", channels=1)
    make_video(source / "silent.mp4", audio_codec=None)
    cut_off(source / "-good.mp4", source / "cut.mp4", 0.5)
    (source / "empty.mp4").touch()
    (source / "text.mp4").write_text("no video")
    return tmp_path


def test_good_videos_are_packed_and_the_manifest_tells_of_the_rest(folder):
    manifest = pack(folder_videos(folder / "videos", "test"), folder)
    assert manifest["status"].to_dict() == {
        "-good": "ok",
        "gööd 2": "ok",
        "silent": "no_audio",
        "cut": "truncated",
        "empty": "empty",
        "text": "unreadable",
    }
    with h5py.File(folder / "pack.h5") as file:
        assert set(file) == {"-good", "gööd 2"}
        assert file["-good"].chunks is None
        assert file["-good"].dtype == np.float32
        assert file["-good"].attrs["rate_hz"] == 16_000
        assert file["-good"].attrs["source_hash"] == manifest["content_hash"]["-good"]


def test_samples_are_those_of_the_command(folder):
    pack(folder_videos(folder / "videos", "test"), folder)
    with WaveformStore([folder / "pack.h5"], sample_rate=16_000) as store:
        waveform = store.read("-good", 0, store.n_samples("-good"))
    expected = of_the_command(folder / "videos" / "-good.mp4", SETTINGS)
    np.testing.assert_array_equal(waveform, expected)


def test_the_same_videos_give_the_same_bytes(folder):
    pack(folder_videos(folder / "videos", "test"), folder)
    first = (folder / "pack.h5").read_bytes()
    for name in ("pack.h5", "previous.h5"):
        (folder / name).unlink()
    pack(folder_videos(folder / "videos", "test"), folder)
    assert (folder / "pack.h5").read_bytes() == first


def test_only_changed_videos_are_decoded_again(folder, monkeypatch):
    pack(folder_videos(folder / "videos", "test"), folder)
    first = (folder / "pack.h5").read_bytes()
    (folder / "pack.h5").unlink()
    decoded = []
    monkeypatch.setattr(sound_packs, "short_sounds", lambda files, *_: decoded.extend(files) or {})
    monkeypatch.setattr(sound_packs, "pack_sound", lambda *_, **__: None)
    pack(folder_videos(folder / "videos", "test"), folder)
    assert decoded == []
    assert (folder / "pack.h5").read_bytes() == first
    make_video(folder / "videos" / "-good.mp4", duration_s=1.5)
    pack(folder_videos(folder / "videos", "test"), folder)
    assert decoded == ["-good"]


@pytest.mark.parametrize("limit", ["LONGEST_TOGETHER_S", "LARGEST_TOGETHER", "SHORT_BYTES"])
def test_files_that_are_decoded_alone_give_the_bytes_of_those_decoded_together(
    folder, monkeypatch, limit
):
    pack(folder_videos(folder / "videos", "test"), folder)
    together = (folder / "pack.h5").read_bytes()
    (folder / "previous.h5").unlink()
    monkeypatch.setattr(sound_packs, limit, 0)
    pack(folder_videos(folder / "videos", "test"), folder)
    assert (folder / "pack.h5").read_bytes() == together


@pytest.mark.parametrize(
    ("settings", "together"),
    [(SETTINGS, ["-good"]), (SoundSettings(16_000, "ffmpeg", "own", bits=32), [])],
)
def test_what_is_too_much_sound_for_one_call_is_not_decoded_twice(
    folder, monkeypatch, settings, together
):
    monkeypatch.setattr(sound_packs, "SHORT_BYTES", 4 * 16_000 * 2)  # two seconds of one channel
    make_video(folder / "videos" / "long.mp4", duration_s=4.5)
    (folder / "videos" / "sub" / "gööd 2.MKV").unlink()
    decoded = []
    monkeypatch.setattr(sound_packs, "short_sounds", lambda files, *_: decoded.extend(files) or {})
    assert (
        pack(folder_videos(folder / "videos", "test"), folder, settings)["status"]["long"] == "ok"
    )
    assert decoded == together


def test_audio_that_takes_the_place_of_its_own_file_is_decoded_again(tmp_path):
    tone = np.sin(np.arange(44_100) / 20).astype(np.float32) / 4
    path = str(tmp_path / "a.wav")
    soundfile.write(path, tone, 44_100, "FLOAT")

    def samples(folder, sound):
        pack([Video("a", "test", path, sound)], folder)
        with h5py.File(folder / "pack.h5") as file:
            return file["a"][:]

    own, other = samples(tmp_path, None), samples(tmp_path, path)
    assert not np.array_equal(own, other)
    np.testing.assert_array_equal(other, samples(tmp_path / "fresh", path))


def test_more_sound_than_a_video_lasts_is_packed_whole(folder, monkeypatch):
    monkeypatch.setattr("avlib.media.sound_sources.SHORT_BYTES", 10_000)
    monkeypatch.setattr("avlib.media.sound_sources.SENT_SAMPLES", 1_000)
    monkeypatch.setattr("avlib.media.decode.HELD_BYTES", 20_000)  # the rest lies in a file
    pack(folder_videos(folder / "videos", "test"), folder)
    with WaveformStore([folder / "pack.h5"], sample_rate=16_000) as waveforms:
        expected = of_the_command(folder / "videos" / "-good.mp4", SETTINGS)
        np.testing.assert_array_equal(waveforms.read("-good", 0, 10**9), expected)


def test_a_broken_previous_pack_is_not_needed(folder):
    (folder / "previous.h5").write_bytes(b"\x89HDF torn")
    assert (pack(folder_videos(folder / "videos", "test"), folder)["status"] == "ok").sum() == 2


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Put an ffmpeg of another release on the PATH; yield how often it has decoded something."""
    starts = tmp_path / "starts"
    starts.touch()
    script = tmp_path / "bin" / "ffmpeg"
    script.parent.mkdir()
    is_asked = '[ "$1" = -version ]'
    script.write_text(
        f'#!/bin/sh\n{is_asked} || echo >> "{starts}"\nexec "{ffmpeg.binary()}" "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=":")
    monkeypatch.setattr("avlib.media.decode.AGREEING_RELEASES", set())
    ffmpeg.binary.cache_clear()
    yield lambda: len(starts.read_text())
    ffmpeg.binary.cache_clear()


def test_samples_of_32_bits_are_packed_unquantised(tmp_path):
    path = make_video(tmp_path / "videos" / "a.mp4", channels=2)
    pack(
        folder_videos(tmp_path / "videos", "test"),
        tmp_path,
        SoundSettings(48_000, "ffmpeg", bits=32),
    )
    blocks = ffmpeg.command_waveform(path, sample_rate=48_000, channels=1, bits=32)
    expected = np.concatenate(list(blocks)) * 2.0**-31
    with WaveformStore([tmp_path / "pack.h5"], sample_rate=48_000) as store:
        found = store.read("a", 0, store.n_samples("a"))
    assert np.array_equal(found, expected.astype(np.float32))
    assert not np.array_equal(found * 32_768, np.round(found * 32_768))


@pytest.mark.parametrize("settings", [SETTINGS, SoundSettings(44_100, "ffmpeg", "own")])
def test_where_the_command_decodes_one_process_decodes_several_files(tmp_path, counted, settings):
    for number in range(20):
        make_video(tmp_path / "videos" / f"{number}.mkv", duration_s=0.5, channels=1 + number % 2)
    before = counted()
    manifest = pack(folder_videos(tmp_path / "videos", "test"), tmp_path, settings)
    assert counted() == before + 2
    assert set(manifest["status"]) == {"ok"}
    with h5py.File(tmp_path / "pack.h5") as file:
        for video_id, path in manifest["path"].items():
            channels = 1 if settings.channels == "mono" else 1 + int(video_id) % 2
            expected = of_the_command(path, settings, channels)
            np.testing.assert_array_equal(file[video_id], expected)
    make_video(tmp_path / "videos" / "21.mkv", duration_s=0.5)
    before = counted()
    pack(folder_videos(tmp_path / "videos", "test"), tmp_path, settings)
    assert counted() == before + 1


@pytest.mark.usefixtures("counted")
def test_damaged_sound_among_other_files_gives_what_the_command_gives(folder):
    damage(make_video(folder / "videos" / "damaged.mkv", audio_codec="libmp3lame"))
    manifest = pack(folder_videos(folder / "videos", "test"), folder)
    assert set(manifest.index[manifest["status"] == "ok"]) == {"-good", "gööd 2", "damaged"}
    with h5py.File(folder / "pack.h5") as file:
        for video_id in file:
            expected = of_the_command(manifest["path"][video_id], SETTINGS)
            np.testing.assert_array_equal(file[video_id], expected)


@pytest.mark.usefixtures("counted")
def test_a_path_that_the_command_cannot_take_stops_nothing(tmp_path):
    good = make_video(tmp_path / "videos" / "good.mp4")
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "videos") + b"/\xff"))
    odd.mkdir()
    shutil.copy(good, odd / "b.mp4")
    manifest = pack(folder_videos(tmp_path / "videos", "test"), tmp_path)
    assert manifest["status"].to_dict() == {"good": "ok", "b": "unreadable"}
    assert r"\xff/b.mp4: the path is not UTF-8; rename it" in manifest["message"]["b"]


def test_wav_files_stand_in_for_the_sound(folder):
    tone = np.sin(np.arange(48_000) / 20).astype(np.float32) / 4
    (folder / "wavs").mkdir()
    soundfile.write(folder / "wavs" / "silent.wav", np.stack([tone, tone], axis=1), 48_000)
    sounds = sound_files(folder / "wavs")
    videos = folder_videos(folder / "videos", "test")
    videos = [Video(v.video_id, v.split, v.path, sounds.get(v.video_id)) for v in videos]
    manifest = pack(videos, folder, SoundSettings(24_000, "soxr"))
    assert manifest["status"]["silent"] == "ok"
    assert manifest["audio_duration_s"]["silent"] == 1.0


def test_an_official_hdf5_file_is_used_in_place(tmp_path):
    samples = (np.arange(24_000) % 100).astype(np.int16)
    with h5py.File(tmp_path / "EPIC_audio.hdf5", "w") as file:
        file["P01_01"] = samples.astype(np.float32) / 32_768
        file["P01_02"] = samples
    paths = sound_files(tmp_path / "EPIC_audio.hdf5")
    videos = [Video(video_id, "train", path, path) for video_id, path in paths.items()]
    manifest = pack(videos, tmp_path, SoundSettings(24_000, "ffmpeg"))
    assert manifest["audio_duration_s"].to_list() == [1.0, 1.0]
    assert (tmp_path / "pack.h5").stat().st_size < 20_000
    with WaveformStore([tmp_path / "pack.h5"], sample_rate=24_000) as store:
        first, second = (store.read(name, 10, 500) for name in ("P01_01", "P01_02"))
    np.testing.assert_array_equal(first, second)


def test_an_hdf5_file_of_another_rate_than_its_video_lasts_is_refused(tmp_path):
    video = str(make_video(tmp_path / "videos" / "a.mp4"))
    with h5py.File(tmp_path / "audio.hdf5", "w") as file:
        file["a"] = np.zeros(48_000, np.float32)  # 2 s at 24 kHz
    videos = [Video("a", "train", video, str(tmp_path / "audio.hdf5"))]
    assert pack(videos, tmp_path, SoundSettings(24_000, "ffmpeg"))["status"]["a"] == "ok"
    manifest = pack(videos, tmp_path, SoundSettings(48_000, "ffmpeg"))
    assert manifest["status"]["a"] == "unreadable"
    assert "lasts 1.0 s at 48000 Hz, its video 2.0 s" in manifest["message"]["a"]


def test_a_pack_of_own_channels_holds_what_the_command_writes(tmp_path):
    make_video(tmp_path / "videos/five.mkv", channels=6, audio_codec="flac")
    make_video(tmp_path / "videos/two.mp4")
    soundfile.write(tmp_path / "one.ogg", np.sin(np.arange(16_000) / 9) / 4, 8_000)
    (tmp_path / "broken.mp3").write_bytes(bytes(3000))
    videos = folder_videos(tmp_path / "videos", "test")
    for name in ("one.ogg", "broken.mp3"):
        path = str(tmp_path / name)
        videos.append(Video(name[:-4], "test", path, path))
    settings = SoundSettings(44_100, "ffmpeg", "own")
    manifest = pack(videos, tmp_path, settings)
    assert manifest["status"].to_dict() == {
        "broken": "unreadable",
        "five": "ok",
        "one": "ok",
        "two": "ok",
    }
    first = (tmp_path / "pack.h5").read_bytes()
    with h5py.File(tmp_path / "pack.h5") as file:
        for video_id, channels in (("five", 2), ("two", 2), ("one", 1)):
            path = next(tmp_path.rglob(f"{video_id}.*"))
            expected = of_the_command(path, settings, channels)
            assert file[video_id].dtype == np.int16
            np.testing.assert_array_equal(file[video_id], expected)
            assert manifest["audio_duration_s"][video_id] == len(expected) / 44_100
    pack(videos, tmp_path, settings)  # from the last pack
    assert (tmp_path / "pack.h5").read_bytes() == first


@pytest.mark.parametrize("settings", [SETTINGS, SoundSettings(24_000, "soxr")])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.opus", "a.flac", "a.aiff", "a.ogg"])
def test_sound_files_among_the_videos_are_decoded_as_videos_are(tmp_path, name, settings):
    options = ("-vn",) if name != "a.ogg" else ("-vn", "-c:a", "libvorbis")
    codec = {"a.wav": "pcm_s16le", "a.mp3": "libmp3lame", "a.aiff": "pcm_s16be"}.get(name, "aac")
    codec = {"a.opus": "libopus", "a.flac": "flac", "a.ogg": "libvorbis"}.get(name, codec)
    rate = 48_000 if name == "a.opus" else 44_100
    path = make_video(
        tmp_path / "videos" / name, audio_codec=codec, options=options, sample_rate=rate
    )
    manifest = pack(folder_videos(tmp_path / "videos", "test"), tmp_path, settings)
    assert manifest["status"]["a"] == "ok"
    assert manifest["audio_duration_s"]["a"] == pytest.approx(2, abs=0.06)
    assert np.isnan(manifest["fps"]["a"])
    if settings.resampler == "ffmpeg":
        with h5py.File(tmp_path / "pack.h5") as file:
            np.testing.assert_array_equal(file["a"], of_the_command(path, settings))


def waveform_blocks_of_a_faulty_decoder(path, *args):
    """Decode as usual, but die or hang at some files."""
    faulthandler.disable()  # pytest has it print
    yield decode.Start(16_000, 1)
    yield np.ones(300_000, np.int16)
    if path.stem == "dies":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif path.stem == "hangs":
        time.sleep(1_000)
    yield from decode.waveform_blocks(path, *args)


@pytest.mark.skipif(not isolation.FORKS, reason="another process does not know the faulty decoder")
@pytest.mark.parametrize("bad", [["dies"], ["dies", "hangs"]])
def test_a_decoder_that_dies_or_hangs_costs_one_file(folder, monkeypatch, bad):
    pack(folder_videos(folder / "videos", "test"), folder)
    expected = (folder / "pack.h5").read_bytes()
    (folder / "previous.h5").unlink()
    for name in bad:
        make_video(folder / "videos" / f"{name}.mp4", duration_s=0.5)
    faulty = waveform_blocks_of_a_faulty_decoder
    monkeypatch.setattr("avlib.media.sound_sources.waveform_blocks", faulty)
    monkeypatch.setattr(sound_packs, "Worker", partial(isolation.Worker, stall_s=3.0))
    # What takes the place of the first process is to be faulty as well.
    monkeypatch.setattr(isolation, "_spawn", isolation._fork)
    manifest = pack(folder_videos(folder / "videos", "test"), folder)
    assert set(manifest.index[manifest["status"] == "ok"]) == {"-good", "gööd 2"}
    assert manifest.loc[bad, "status"].tolist() == ["unreadable"] * len(bad)
    assert "dies.mp4: the decoder died of SIGSEGV; replace" in manifest["message"]["dies"]
    if "hangs" in bad:
        assert "hangs.mp4: decoding got no further in 3 s; replace" in manifest["message"]["hangs"]
    assert (folder / "pack.h5").read_bytes() == expected
    assert not [path for path in folder.iterdir() if path.name.startswith("tmp")]
