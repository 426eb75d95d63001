"""The folder that a batch of new files is worked on in: their decoded sound, and what is made."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from avlib.media.probe import probe_shard
from avlib.media.scan import scan, shard_list
from avlib.media.sound_packs import pack_waveforms
from avlib.media.sound_sources import SoundSettings
from avlib.media.videos import Video
from avlib.memory import return_memory

WORK = ".work"  # a fixed name: what a killed run left is removed by the next one


@contextmanager
def working_folder(target: Path) -> Iterator[Path]:
    """Yield a folder in `target` that is not there yet; it is removed at the end."""
    work = target / WORK
    shutil.rmtree(work, ignore_errors=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def video_list(work: Path) -> Path:
    """Return the list of the files that `probe_files` was given."""
    return shard_list(work / "videos", 0)


def probe_files(videos: Sequence[Video], work: Path) -> Path:
    """List files in a working folder and probe them; return their table of kind MANIFEST."""
    scan(videos, shards=1, folder=work / "videos")
    probe_shard(video_list(work), _probed(work))
    return _probed(work)


def pack_sound(work: Path, sound: Mapping[str, Any]) -> Path:
    """Return the pack of waveforms of files, beside their manifest; made where it is not.

    Args:
        work: folder that `probe_files` wrote to.
        sound: settings of the waveforms, of which the packs of a folder differ in the rate alone.
    """
    settings = SoundSettings(**sound)
    pack = work / f"audio/{settings.sample_rate}.h5"
    if not pack.is_file():
        pack_waveforms(
            videos=video_list(work),
            manifest=_probed(work),
            settings=settings,
            previous=work / f"previous/{settings.sample_rate}.h5",
            pack_target=pack,
            manifest_target=pack.with_suffix(".parquet"),
        )
        return_memory()
    return pack


def _probed(work: Path) -> Path:
    return work / "probe.parquet"


def length_s(manifest: pd.DataFrame) -> "pd.Series[float]":
    """Return the length of each file: that of its picture, else that of its sound."""
    return manifest["duration_s"].fillna(manifest["audio_duration_s"])
