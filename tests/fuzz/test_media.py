"""Damaged media files: each is used or left out with a status, and stops nothing."""

import random
import subprocess
import zlib
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import imageio_ffmpeg
import numpy as np
import pytest
from fuzz_children import Limits, check, read_all
from media_files import make_video, run_ffmpeg
from mutations import mutate, write_number

from avlib.errors import DataError
from avlib.extractors.interval_shards import IntervalRule, make_shard_intervals
from avlib.extractors.tables import INTERVALS
from avlib.io.tables import read_table
from avlib.media.frame_packs import FramePackSettings, pack_frames
from avlib.media.frames import read_frames
from avlib.media.probe import probe_shard
from avlib.media.scan import scan
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
from avlib.media.tables import MANIFEST
from avlib.media.videos import Video

N_FILES = 500
SEED = 20
PICTURE = "picture.mp4"  # the video whose audio is replaced by a damaged file
SETTINGS = [
    SoundSettings(16_000, "ffmpeg"),
    SoundSettings(24_000, "soxr"),
    SoundSettings(44_100, "ffmpeg", "own"),
]
INTERVAL_S, HOP_S = 1.1, 0.2
# Seconds after which a length is compared with what the ffmpeg command decodes; clips last 1.5 s.
DOUBTFUL_S = 6.0
TOLERANCE = 10  # times the decoded length

# Name, codecs and options of videos; codec and options of recordings.
VIDEOS = {
    "h264.mp4": ("libx264", "aac", "-movflags", "+faststart"),
    "mpeg4.mp4": ("mpeg4", "aac"),
    "fragments.mp4": ("libx264", "aac", "-movflags", "frag_keyframe+empty_moov"),
    "h264.mov": ("libx264", "pcm_s16le"),
    "flac.mkv": ("libx264", "flac"),
    "vp9.webm": ("libvpx-vp9", "libopus", "-cpu-used", "8", "-deadline", "realtime"),
    "mpeg4.avi": ("mpeg4", "libmp3lame"),
    "h264.ts": ("libx264", "aac"),
    "h264.flv": ("libx264", "aac"),
}
SOUNDS = {
    "lame.mp3": ("libmp3lame",),
    "int16.wav": ("pcm_s16le",),
    "float.wav": ("pcm_f32le",),
    "plain.flac": ("flac",),
    "vorbis.ogg": ("libvorbis",),
    "aac.m4a": ("aac",),
    "plain.opus": ("libopus",),
    "int16.aiff": ("pcm_s16be",),
}
# Names before numbers: sizes, counts, times and rates of MP4, RIFF, Matroska, AIFF and FLAC.
FIELDS = [
    *(b"mvhd", b"tkhd", b"mdhd", b"elst", b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"stsd"),
    *(b"avc1", b"mp4a", b"trex", b"tfhd", b"tfdt", b"trun", b"mfhd", b"moov", b"mdat", b"esds"),
    *(b"RIFF", b"avih", b"strh", b"strf", b"idx1", b"fmt ", b"fact", b"data", b"movi"),
    *(b"\x2a\xd7\xb1", b"\x44\x89", b"\x23\xe3\x83", b"\xb5", b"\x1f\x43\xb6\x75", b"\xe7"),
    *(b"COMM", b"SSND", b"fLaC", b"Xing", b"Info", b"OggS", b"OpusHead", b"vorbis", b"onMetaData"),
    *(b"duration", b"framerate", b"audiosamplerate"),
]


def make_clips(folder: Path) -> list[Path]:
    """Write a clip of each format."""
    for name, (video, audio, *options) in VIDEOS.items():
        make_video(
            folder / name,
            duration_s=1.5,
            audio_codec=audio,
            video_codec=video,
            sample_rate=48_000,
            options=tuple(options),
        )
    for name, (codec, *options) in SOUNDS.items():
        tone = "sine=f=440:r=48000:d=1.5,aformat=channel_layouts=stereo"
        run_ffmpeg("-f", "lavfi", "-i", tone, "-c:a", codec, *options, folder / name)
    return [folder / name for name in (*VIDEOS, *SOUNDS)]


def damage_file(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return a file cut off, changed anywhere or in its header or index, or joined to another."""
    match chance.randrange(6):
        case 0:
            return content[: chance.randrange(len(content))]
        case 1:
            return mutate(content, [other], chance)
        case 2:
            place = chance.choice((64, 512, 4096))
            return mutate(content[:place], [other], chance) + content[place:]
        case 3:  # where MP4 and Matroska may have their index
            place = max(0, len(content) - chance.choice((64, 512, 4096)))
            return content[:place] + mutate(content[place:], [other], chance)
        case 4:
            return write_field(content, chance)
        case _:
            end, start = chance.choice(
                ((len(content), 0), (chance.randrange(len(content)), chance.randrange(len(other))))
            )
            return content[:end] + other[start:]


def write_field(content: bytes, chance: random.Random) -> bytes:
    """Write an extreme number behind the name of a field of the header or the index."""
    field = chance.choice([field for field in FIELDS if field in content] or [b""])
    place = content.find(field) + len(field)
    numbers = bytearray(content[place : place + 40])
    write_number(numbers, (), chance)
    return content[:place] + numbers + content[place + 40 :]


def use(path: Path) -> str | None:
    """Do with a file what the workflow does with it, as a video and as a sound file.

    Returns:
        None if both are used, or why one is not.
    """
    number = zlib.crc32(path.name.encode())
    with TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        videos = [
            Video("video", "test", str(path)),
            Video("sound", "test", str(path.parent / PICTURE), str(path)),
        ]
        settings = SETTINGS[number % len(SETTINGS)]
        _run_stages(videos, settings, folder)
        rows = read_table(folder / "manifest.parquet", MANIFEST)
        assert len(rows) == len(videos)
        for row in rows.itertuples():
            assert "\n" not in row.message
            assert row.message or row.status == "ok"
        used = rows[rows["status"] == "ok"]
        _check_lengths(used, settings, folder, path)
        if number % 4 == 0 and "video" in set(used["video_id"]):
            _read_some_frames(path)
        left_out = rows[rows["status"] != "ok"]
        return None if left_out.empty else "/".join(sorted(set(left_out["status"])))


def _run_stages(videos: list[Video], settings: SoundSettings, folder: Path) -> None:
    scan(videos, shards=1, folder=folder)
    probe_shard(folder / "0.json", folder / "probe.parquet")
    pack_waveforms(
        videos=folder / "0.json",
        manifest=folder / "probe.parquet",
        settings=settings,
        previous=folder / "previous.h5",
        pack_target=folder / "audio.h5",
        manifest_target=folder / "packed.parquet",
    )
    make_shard_intervals(
        manifest=folder / "packed.parquet",
        published=None,
        rule=IntervalRule(interval_s=INTERVAL_S, hop_s=HOP_S, seconds=None),
        intervals_target=folder / "intervals.parquet",
        manifest_target=folder / "manifest.parquet",
    )
    pack_frames(
        videos=folder / "0.json",
        manifest=folder / "manifest.parquet",
        settings=FramePackSettings(8, 32),
        previous=folder / "previous_frames.h5",
        pack_target=folder / "frames.h5",
    )


def _check_lengths(used, settings: SoundSettings, folder: Path, path: Path) -> None:
    """Check that what is used is finite and not much longer than what the command decodes."""
    intervals = read_table(folder / "intervals.parquet", INTERVALS)["video_id"].value_counts()
    with h5py.File(folder / "audio.h5") as pack, h5py.File(folder / "frames.h5") as frames:
        for row in used.itertuples():
            waveform = pack[row.video_id]
            assert len(waveform) == round(row.audio_duration_s * settings.sample_rate)
            assert np.isfinite(waveform[:]).all()
            longest_s = max(row.audio_duration_s, intervals[row.video_id] * HOP_S)
            if row.video_id in frames:
                longest_s = max(longest_s, len(frames[row.video_id]) / 8)
            if row.duration_s == row.duration_s:
                longest_s = max(longest_s, row.duration_s)
            if longest_s > DOUBTFUL_S:
                decoded_s = _decoded_s(path)
                assert longest_s <= TOLERANCE * decoded_s, f"{longest_s} s, {decoded_s} s decoded"


def _decoded_s(path: Path) -> float:
    """Return the seconds of the longer of audio and video that the command decodes."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-i", path, "-f", "null", "-"]
    complaints = subprocess.run(command, capture_output=True, check=False).stderr.decode("latin1")
    times = [line.split("time=")[-1][:11] for line in complaints.splitlines() if "time=" in line]
    hours, minutes, seconds = (float(part) for part in times[-1].split(":"))
    return 3600 * hours + 60 * minutes + seconds


def _read_some_frames(path: Path) -> None:
    for mode in ("decoded", "jpeg"):
        try:
            with closing(read_frames(path, mode)) as frames:
                for frame in islice(frames, 3):
                    assert frame().shape[2] == 3
        except DataError:
            pass


@pytest.mark.slow
def test_damaged_media_files_are_used_or_left_out(tmp_path, record_property):
    clips = make_clips(tmp_path / "clips")
    contents = [path.read_bytes() for path in clips]
    folder = tmp_path / "damaged"
    make_video(folder / PICTURE, duration_s=1.5, audio_codec=None)
    chance, files = random.Random(SEED), []
    for number in range(N_FILES):
        clip = number % len(clips)
        other = chance.choice((contents[clip], chance.choice(contents)))
        files.append(folder / f"{number}_{clips[clip].name}")
        files[-1].write_bytes(damage_file(contents[clip], other, chance))
    check(
        read_all("media", files, "fuzz.test_media:use", Limits(file_s=60, cpu_s=1200)),
        record_property,
    )
