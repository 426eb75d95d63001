import struct

import h5py
import numpy as np
import pytest
import soundfile
from media_files import make_video, run_ffmpeg

from avlib.errors import DataError
from avlib.media.isolation import Worker
from avlib.media.sound_sources import SoundSettings, pack_sound

RATE = 16_000
TONE = np.sin(np.arange(3 * RATE) / 9) / 2
SUBSTITUTE = {"settings": SoundSettings(RATE, "soxr"), "is_substitute": True}
OWN = {"settings": SoundSettings(RATE, "ffmpeg", "own"), "is_substitute": False}
MONO = {"settings": SoundSettings(RATE, "ffmpeg"), "is_substitute": False}


def packed(path, folder, *, settings, is_substitute):
    """Return the waveform of a file as a pack holds it, and the number of replaced samples."""
    with Worker() as worker, h5py.File(folder / "pack.h5", "w") as pack:
        pack_sound(pack, "a", path, settings, folder, worker, is_substitute=is_substitute)
        if "a" not in pack:
            return np.zeros(0), 0
        return pack["a"][:], int(pack["a"].attrs.get("replaced_samples", 0))


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "tone.wav", TONE, RATE)
    return tmp_path / "tone.wav"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.flac", ["-c:a", "flac"]),
        ("a.m4a", ["-c:a", "aac"]),
        ("a.opus", ["-c:a", "libopus"]),
        ("a.aiff", []),
        ("a.ogg", ["-c:a", "libvorbis"]),
        ("oggflac.ogg", ["-c:a", "flac"]),
        ("named.mp3", ["-c:a", "aac", "-f", "adts"]),
        ("a.mp3", ["-c:a", "libmp3lame"]),
        ("a.mka", ["-c:a", "pcm_s24le"]),
    ],
)
def test_sound_files_of_any_format_stand_in_for_audio(tmp_path, wav, name, codec):
    run_ffmpeg("-i", wav, *codec, tmp_path / name)
    waveform, _ = packed(tmp_path / name, tmp_path, **SUBSTITUTE)
    assert len(waveform) == pytest.approx(3 * RATE, abs=0.1 * RATE)
    assert np.sqrt(np.mean(waveform**2)) == pytest.approx(np.sqrt(1 / 8), rel=0.1)


def test_lossless_files_give_the_same_samples_either_way(tmp_path, wav):
    run_ffmpeg("-i", wav, tmp_path / "a.flac")
    by_library, _ = packed(tmp_path / "a.flac", tmp_path, **SUBSTITUTE)
    by_ffmpeg, _ = packed(tmp_path / "a.flac", tmp_path, **MONO)
    np.testing.assert_array_equal(by_library, by_ffmpeg)


def test_a_flac_file_of_unknown_length(tmp_path, wav):
    with (tmp_path / "a.flac").open("wb") as file:
        run_ffmpeg("-i", wav, tmp_path / "whole.flac")
        content = bytearray((tmp_path / "whole.flac").read_bytes())
        content[21] &= 0xF0
        content[22:26] = bytes(4)  # STREAMINFO: total samples, 36 bits
        file.write(content)
    assert len(packed(tmp_path / "a.flac", tmp_path, **SUBSTITUTE)[0]) == 3 * RATE


@pytest.mark.parametrize("announced", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_file_whose_header_has_another_size(tmp_path, wav, announced):
    content = bytearray(wav.read_bytes())
    content[40:44] = struct.pack("<I", announced)
    wav.write_bytes(content)
    assert len(packed(wav, tmp_path, **SUBSTITUTE)[0]) == 3 * RATE


@pytest.mark.parametrize("n_streams", [2, 3])
def test_joined_ogg_streams_are_read_to_the_end(tmp_path, wav, n_streams):
    run_ffmpeg("-i", wav, "-c:a", "libvorbis", tmp_path / "one.ogg")
    one = (tmp_path / "one.ogg").read_bytes()
    (tmp_path / "a.ogg").write_bytes(n_streams * one)
    waveform, _ = packed(tmp_path / "a.ogg", tmp_path, **SUBSTITUTE)
    assert len(waveform) == pytest.approx(n_streams * 3 * RATE, abs=0.1 * RATE)


@pytest.mark.parametrize("announced", [100_000, 10])
def test_an_mp3_file_whose_header_announces_another_length(tmp_path, wav, announced):
    run_ffmpeg("-i", wav, "-c:a", "libmp3lame", tmp_path / "a.mp3")
    content = bytearray((tmp_path / "a.mp3").read_bytes())
    place = max(content.find(b"Xing"), content.find(b"Info"))
    content[place + 8 : place + 12] = struct.pack(">I", announced)
    (tmp_path / "a.mp3").write_bytes(content)
    waveform, _ = packed(tmp_path / "a.mp3", tmp_path, **SUBSTITUTE)
    assert len(waveform) == pytest.approx(3 * RATE, abs=0.1 * RATE)


@pytest.mark.parametrize("how", [SUBSTITUTE, OWN, MONO], ids=["substitute", "own", "mono"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "FLOAT"), ("a.aiff", "DOUBLE")])
def test_samples_that_are_no_numbers_are_replaced_and_counted(tmp_path, how, value, name, subtype):
    samples = np.stack([TONE, TONE], axis=1)
    samples[5000, 1] = samples[7000] = 0
    soundfile.write(tmp_path / f"whole_{name}", samples, RATE, subtype)
    samples[5000, 1] = samples[7000] = value
    soundfile.write(tmp_path / name, samples, RATE, subtype)
    waveform, n_replaced = packed(tmp_path / name, tmp_path, **how)
    assert n_replaced == 2
    np.testing.assert_array_equal(waveform, packed(tmp_path / f"whole_{name}", tmp_path, **how)[0])


@pytest.mark.parametrize("how", [SUBSTITUTE, OWN, MONO], ids=["substitute", "own", "mono"])
def test_files_without_an_audio_stream_are_refused(tmp_path, how):
    make_video(tmp_path / "a.mp4", audio_codec=None)
    with pytest.raises(DataError, match=r"a\.mp4: .*no audio stream"):
        packed(tmp_path / "a.mp4", tmp_path, **how)


@pytest.mark.parametrize("rate", [1, 8, 99])
def test_rates_that_are_none_of_audio_are_refused(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", TONE[:3000], rate)
    with pytest.raises(DataError, match=f"a sample rate of {rate} Hz is no rate of audio"):
        packed(tmp_path / "a.wav", tmp_path, **SUBSTITUTE)
