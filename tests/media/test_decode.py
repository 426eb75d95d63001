from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from media_files import damage, make_video, run_ffmpeg

from avlib.errors import DataError
from avlib.media import decode, ffmpeg
from avlib.media.isolation import Worker

CONTAINERS = [
    ("a.mp4", "aac", "mpeg4", 44_100),
    ("a.mov", "pcm_s16le", "mpeg4", 48_000),
    ("a.mov", "alac", "mpeg4", 22_050),
    ("a.mkv", "libmp3lame", "mpeg4", 44_100),
    ("a.mkv", "flac", "mpeg4", 48_000),
    ("a.avi", "libmp3lame", "mpeg4", 22_050),
    ("a.webm", "libopus", "libvpx", 48_000),
    ("a.webm", "libvorbis", "libvpx", 44_100),
    ("a.mpg", "mp2", "mpeg2video", 44_100),
    ("a.ts", "aac", "mpeg2video", 48_000),
    ("a.mp4", "ac3", "mpeg4", 48_000),
    ("a.mp4", "libmp3lame", "mpeg4", 44_100),
]


@pytest.fixture
def worker():
    with Worker() as worker:
        yield worker


def command(path: Path, sample_rate: int, channels: int = 1) -> np.ndarray:
    blocks = list(ffmpeg.command_waveform(path, sample_rate=sample_rate, channels=channels))
    return np.concatenate([np.zeros(0, np.int16), *blocks])


def extracted(path: Path, sample_rate: int, channels: int = 1) -> np.ndarray:
    samples, found_rate = decode.gathered(decode.waveform_blocks(path, sample_rate, channels))
    assert (found_rate, samples.shape[1]) == (sample_rate, channels)
    return samples.ravel()


def in_process(path: Path, sample_rate: int) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate(list(decode._decode_in_process(container, sample_rate, channels=1)))


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("name", "codec", "video_codec", "rate"), CONTAINERS)
def test_samples_are_those_of_the_command(tmp_path, name, codec, video_codec, rate, channels):
    if channels == 6 and codec in {"libmp3lame", "mp2"}:
        pytest.skip("the codec has no 5.1")
    path = make_video(
        tmp_path / name,
        channels=channels,
        sample_rate=rate,
        audio_codec=codec,
        video_codec=video_codec,
    )
    for sample_rate in (16_000, 24_000):
        np.testing.assert_array_equal(extracted(path, sample_rate), command(path, sample_rate))
    np.testing.assert_array_equal(extracted(path, 44_100, 2), command(path, 44_100, 2))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_samples_of_sound_files_are_those_of_the_command(tmp_path, suffix, rate, channels):
    times = np.arange(rate) / rate
    sound = 0.3 * np.sin(2 * np.pi * 440 * times[:, None] * np.arange(1, channels + 1))
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, sound, rate)
    expected = command(path, 44_100, channels)
    samples, _ = decode.gathered(decode.waveform_blocks(path, 44_100, None))
    assert samples.shape[1] == channels
    assert samples.tobytes() == expected.tobytes()
    assert len(expected) > 40_000 * channels


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "pcm_s24le"), ("a.mkv", "libopus")]
)
def test_samples_of_32_bits_are_those_of_the_command(tmp_path, name, codec, channels):
    path = make_video(tmp_path / name, channels=channels, audio_codec=codec)
    blocks = list(ffmpeg.command_waveform(path, sample_rate=48_000, channels=1, bits=32))
    found = list(decode.waveform_blocks(path, 48_000, 1, 32))[1:]
    assert np.array_equal(np.concatenate(found), np.concatenate(blocks))


def test_samples_of_32_bits_are_those_of_16_bits_before_rounding(tmp_path):
    path = make_video(tmp_path / "a.mp4", channels=2)
    rounded, exact = (
        np.concatenate(list(decode.waveform_blocks(path, 48_000, 1, bits))[1:]) / 2.0 ** (bits - 1)
        for bits in (16, 32)
    )
    difference = np.abs(rounded - exact)
    assert 0 < difference.max() <= 2.0**-16 + 2.0**-24


@pytest.mark.skipif(
    not decode.agrees_with_command(), reason="the ffmpeg command is another release"
)
@pytest.mark.parametrize("codec", ["aac", "pcm_s16le", "alac"])
def test_usual_mp4_and_mov_files_are_decoded_in_process(tmp_path, codec):
    path = make_video(tmp_path / "a.mov", audio_codec=codec)
    np.testing.assert_array_equal(in_process(path, 16_000), command(path, 16_000))


@pytest.mark.parametrize(
    "edit",
    [
        ("-ss", "0.7"),
        ("-ss", "0.5", "-t", "0.733"),
        ("-movflags", "+frag_keyframe+empty_moov"),
        ("-movflags", "+faststart"),
    ],
)
def test_edited_and_fragmented_mp4_agree_with_the_command(tmp_path, edit):
    source = make_video(tmp_path / "source.mp4")
    path = tmp_path / "edited.mp4"
    before, after = (edit, ()) if edit[0] == "-ss" else ((), edit)
    run_ffmpeg(*before, "-i", source, "-c", "copy", *after, path)
    np.testing.assert_array_equal(extracted(path, 16_000), command(path, 16_000))


@pytest.mark.parametrize(("name", "codec"), [("a.mov", "alac"), ("a.mp4", "flac")])
@pytest.mark.parametrize("edit", [("-ss", "1.3", "-t", "0.5"), ("-ss", "0.4"), ("-t", "1.23")])
def test_edit_lists_of_lossless_sound_agree_with_the_command(tmp_path, name, codec, edit):
    source = make_video(tmp_path / name, audio_codec=codec, options=("-g", "100"))
    path = tmp_path / f"edited{source.suffix}"
    run_ffmpeg(*edit, "-i", source, "-c", "copy", path)
    assert len(extracted(path, 16_000)) > 0
    np.testing.assert_array_equal(extracted(path, 16_000), command(path, 16_000))


def joined(folder, name, codec, parts):
    """Write files of a second, each of a number of channels and a rate, and join them."""
    path = folder / name
    with path.open("wb") as whole:
        for number, (channels, rate) in enumerate(parts):
            part = folder / f"{number}{path.suffix}"
            make = make_video if path.suffix == ".ts" else make_sound
            make(part, duration_s=1, channels=channels, sample_rate=rate, audio_codec=codec)
            whole.write(part.read_bytes())
    return path


def make_sound(path, *, duration_s, channels, sample_rate, audio_codec):
    source = path.with_suffix(".mkv")
    make_video(source, duration_s=duration_s, channels=channels, sample_rate=sample_rate)
    run_ffmpeg("-i", source, "-vn", "-c:a", audio_codec, path)


CHANGES = [
    ("a.mp3", "libmp3lame", [(2, 44_100), (1, 44_100)]),
    ("a.mp3", "libmp3lame", [(1, 44_100), (2, 48_000)]),
    ("a.mp3", "libmp3lame", [(2, 44_100), (1, 22_050)]),
    ("a.mp2", "mp2", [(1, 44_100), (2, 44_100)]),
    ("a.aac", "aac", [(2, 44_100), (1, 44_100), (2, 44_100)]),
    ("a.aac", "aac", [(6, 44_100), (2, 44_100)]),
    ("a.aac", "aac", [(2, 44_100), (2, 22_050)]),
    ("a.ts", "aac", [(1, 44_100), (2, 44_100)]),
    ("a.ts", "aac", [(2, 44_100), (1, 44_100)]),
    ("a.ts", "ac3", [(2, 48_000), (6, 48_000)]),
    ("a.flac", "flac", [(1, 44_100), (2, 48_000)]),
    ("a.ogg", "libvorbis", [(1, 44_100), (2, 48_000)]),
    ("a.opus", "libopus", [(2, 48_000), (1, 48_000)]),
]


@pytest.mark.parametrize(("name", "codec", "parts"), CHANGES)
def test_sound_whose_channels_or_rate_change_agrees_with_the_command(
    tmp_path, worker, name, codec, parts
):
    path = joined(tmp_path, name, codec, parts)
    mono, stereo = command(path, 16_000), command(path, 44_100, 2)
    if path.suffix not in {".ogg", ".opus"}:  # the command may take the second part for damage
        assert len(mono) > 0.95 * 16_000 * len(parts)
        assert np.abs(mono[-8_000:-1_000]).max() > 1_000
    # In a process of its own, as the queue of PyAV would end this one.
    for expected, rate, channels in ((mono, 16_000, 1), (stereo, 44_100, 2)):
        blocks = worker.items(decode.waveform_blocks, path, rate, channels)
        samples, _ = decode.gathered(blocks)
        np.testing.assert_array_equal(samples.ravel(), expected)
    with decode.decoded_together({"a": path}, 16_000, tmp_path, worker) as together:
        if together:
            np.testing.assert_array_equal(np.concatenate([*together["a"].blocks]), mono)
    raw, rate = decode.read_channels(path)
    assert (raw.shape[1], rate) in {(n, hz) for n, _ in parts for _, hz in parts}
    np.testing.assert_array_equal(raw.ravel(), command(path, rate, raw.shape[1]))


def test_sound_that_starts_late_agrees_with_the_command(tmp_path):
    source = make_video(tmp_path / "source.mp4")
    path = tmp_path / "late.mp4"
    late = ("-itsoffset", "0.5", "-i", source)
    run_ffmpeg("-i", source, *late, "-map", "0:v", "-map", "1:a", "-c", "copy", path)
    np.testing.assert_array_equal(extracted(path, 24_000), command(path, 24_000))


def test_stereo_becomes_the_mean_of_its_channels(tmp_path):
    path = tmp_path / "a.wav"
    left_only = "aevalsrc=0.5*sin(2*PI*440*t)|0:d=1:s=16000"
    run_ffmpeg("-f", "lavfi", "-i", left_only, "-c:a", "pcm_s16le", path)
    assert abs(int(extracted(path, 16_000).max()) - 0.25 * 32_768) < 8


def test_names_that_look_like_options_or_protocols_are_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-i.mp4", "a:b.mp4", "ö ä.mp4"):
        make_video(tmp_path / "source.mp4").rename(name)
        np.testing.assert_array_equal(extracted(Path(name), 16_000), command(Path(name), 16_000))


def test_a_file_that_ffmpeg_cannot_read_is_named(tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(DataError, match=r"noise\.mp4: ffmpeg failed"):
        extracted(path, 16_000)


def test_damaged_sound_gives_what_the_command_gives(tmp_path):
    source = damage(make_video(tmp_path / "a.mkv", audio_codec="libmp3lame"))
    np.testing.assert_array_equal(extracted(source, 16_000), command(source, 16_000))


def test_real_recordings_agree_with_the_command(shared_data):
    paths = sorted((shared_data / "real_clips").glob("*/*.mp4"))
    paths += [shared_data / "clips" / name for name in ("test.avi", "v_GGSY1Qvo990.mp4")]
    for path in paths:
        if path.name != "bikes_000001.mp4":  # has no sound
            np.testing.assert_array_equal(extracted(path, 16_000), command(path, 16_000), path.name)


def test_of_several_sound_streams_the_command_chooses(tmp_path):
    mono = make_video(tmp_path / "mono.mp4", channels=1, sample_rate=16_000)
    stereo = make_video(tmp_path / "stereo.mp4", channels=2)
    path = tmp_path / "both.mkv"
    inputs = ("-i", mono, "-i", stereo)
    maps = ("-map", "0:v", "-map", "0:a", "-map", "1:a", "-disposition:a:1", "default")
    run_ffmpeg(*inputs, *maps, "-c", "copy", path)
    np.testing.assert_array_equal(extracted(path, 16_000), command(path, 16_000))


def test_a_gap_in_the_sound_of_an_mp4_agrees_with_the_command(tmp_path):
    gap = ("-af", "aselect='not(between(t,0.6,1.1))'")
    source = make_video(tmp_path / "source.mkv", audio_codec="pcm_s16le")
    path = tmp_path / "gap.mp4"
    run_ffmpeg("-i", source, "-c:v", "copy", "-c:a", "aac", *gap, path)
    np.testing.assert_array_equal(extracted(path, 16_000), command(path, 16_000))


@pytest.mark.parametrize("channels", [1, 2, None])
def test_several_files_by_one_process_give_the_samples_of_each_by_its_own(
    tmp_path, worker, channels
):
    own = {"-i.mp4": 2, "ö ä.MKV": 2, "a:b.mkv": 1}
    files = {
        "-i.mp4": make_video(tmp_path / "-i.mp4"),
        "ö ä.MKV": make_video(tmp_path / "ö ä.MKV", audio_codec="flac", channels=6),
        "a:b.mkv": make_video(tmp_path / "a:b.mkv", audio_codec="libopus", channels=1),
    }
    with decode.decoded_together(files, 16_000, tmp_path, worker, channels) as together:
        for name, path in files.items():
            kept = channels or own[name]
            samples = np.concatenate([*together[name].blocks])
            np.testing.assert_array_equal(samples, command(path, 16_000, kept))
            assert together[name].n_samples == len(samples) // kept > 30_000
            assert together[name].start.channels == kept
    assert {path.name for path in tmp_path.iterdir()} == set(files)


def test_files_that_do_not_go_together_are_left_to_processes_of_their_own(tmp_path, worker):
    good = make_video(tmp_path / "good.mp4")
    two_streams = tmp_path / "two.mkv"
    run_ffmpeg("-i", good, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", two_streams)
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    for bad in (two_streams, text):
        files = {"good": good, "bad": bad}
        with decode.decoded_together(files, 16_000, tmp_path, worker) as together:
            assert set(together) == {"good"}
    damaged = damage(make_video(tmp_path / "damaged.mkv", audio_codec="libmp3lame"))
    with decode.decoded_together(
        {"good": good, "bad": damaged}, 16_000, tmp_path, worker
    ) as together:
        assert together == {}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exec sleep 100", r"a\.mp4: ffmpeg got no further in 1 s"),
        ("touch 1.jpg; kill -SEGV $$", r"a\.mp4: ffmpeg died of SIGSEGV"),
    ],
)
def test_a_command_that_hangs_or_dies_is_an_error(tmp_path, monkeypatch, script, message):
    command = tmp_path / "ffmpeg"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    (tmp_path / "frames").mkdir()
    monkeypatch.setattr(ffmpeg, "binary", lambda: str(command))
    monkeypatch.setattr(ffmpeg, "STALL_S", 1.0)
    with pytest.raises(DataError, match=message):
        ffmpeg.write_jpeg_frames(tmp_path / "a.mp4", tmp_path / "frames")
