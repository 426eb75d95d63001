"""Which files a study has: a folder searched, or ids looked up in one."""

import logging
import os
import unicodedata
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from avlib.errors import ConfigError

logger = logging.getLogger(__name__)

# fmt: off
VIDEO_SUFFIXES = {
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov",
    ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv",
}
# fmt: on
SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
HDF5_SUFFIXES = {".hdf5", ".h5"}


@dataclass(frozen=True, order=True, slots=True)
class Video:
    """A video of a study.

    Attributes:
        path: its file; None where none was found for the id.
        sound: a file that stands in for the video's own sound.
    """

    video_id: str
    split: str
    path: str | None
    sound: str | None = None


def find_videos(folder: Path) -> list[str]:
    """Return the paths of all video files in a folder and its subfolders, sorted.

    Links are followed, each real folder once. Hidden files are left out.

    Raises:
        ConfigError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise ConfigError(f"videos: {folder} is not a folder")
    return find_files(folder, VIDEO_SUFFIXES)


def find_files(folder: Path, suffixes: Container[str]) -> list[str]:
    """Return the paths of all files with one of `suffixes`, found as `find_videos` finds videos."""
    return sorted(_walk(folder, suffixes, seen=set()))


def _walk(folder: Path, suffixes: Container[str], seen: set[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        logger.warning("%s is not searched: %s", folder, error.strerror)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _walk(Path(entry.path), suffixes, seen)
        elif Path(entry.name).suffix.lower() in suffixes:
            yield entry.path


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def folder_videos(folder: Path, split: str) -> list[Video]:
    """Return every video file below `folder`; the id is the file's name without its suffix."""
    return sorted(Video(_video_id(path), split, path) for path in find_videos(folder))


def named_videos(folder: Path, splits: Iterable[tuple[str, str]]) -> list[Video]:
    """Return the file of each (video_id, split), looked up by name in `folder`.

    An id with several files yields them all; one without a file yields a path of None.
    """
    by_id: dict[str, list[str]] = {}
    for path in find_videos(folder):
        by_id.setdefault(_video_id(path), []).append(path)
    return sorted(
        (
            Video(video_id, split, path)
            for video_id, split in splits
            for path in by_id.get(unicodedata.normalize("NFC", video_id), [None])
        ),
        key=lambda video: (video.video_id, video.split, video.path or ""),
    )


def is_hdf5(path: str | Path) -> bool:
    """Say whether a configured source of sound is one HDF5 file of all videos."""
    return Path(path).suffix.lower() in HDF5_SUFFIXES


def sound_files(source: Path) -> dict[str, str]:
    """Return the path of each id in a folder of sound files or in an HDF5 file.

    Raises:
        ConfigError: if the source does not exist or is of another kind.
    """
    if is_hdf5(source) and source.is_file():
        import h5py  # not needed to plan the jobs of other studies

        try:
            with h5py.File(source, "r") as file:
                return dict.fromkeys(file, str(source))
        except OSError as error:
            raise ConfigError(f"sound: {source} is no readable HDF5 file ({error})") from error
    if not source.is_dir():
        raise ConfigError(f"sound: {source} is neither a folder nor an HDF5 file")
    paths = [
        str(path)
        for path in sorted(source.iterdir(), reverse=True)
        if path.suffix.lower() in SOUND_SUFFIXES and not path.name.startswith(".")
    ]
    return {_video_id(path): path for path in paths}


def _video_id(path: str) -> str:
    """Return a file's id, readable even where the name is not UTF-8."""
    stem = Path(path).name.removesuffix(Path(path).suffix)
    return unicodedata.normalize("NFC", readable(stem))


def readable(path: str) -> str:
    """Return a path as text, with the odd bytes of names that are not UTF-8 escaped."""
    if path.isascii():  # said at once, and true of most
        return path
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def is_safe_id(video_id: str) -> bool:
    """Say whether an id can name a file and a data set without leaving its folder."""
    return (
        video_id not in {"", ".", ".."}
        and not set(video_id) & set("/\\\0\n\r")
        and len(os.fsencode(video_id)) <= 240
    )
