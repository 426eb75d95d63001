"""Which media files a study has: all of a folder, or those of given ids."""

import logging
import os
import unicodedata
from collections import Counter
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
SOUND_SUFFIXES = {
    ".aac", ".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma",
}
# fmt: on
MEDIA_SUFFIXES = VIDEO_SUFFIXES | SOUND_SUFFIXES
HDF5_SUFFIXES = {".hdf5", ".h5"}


@dataclass(frozen=True, order=True, slots=True)
class Video:
    """A video or recording of a study.

    Attributes:
        path: its file, or the folder or tar of its frames as images; None where none was found
            for the id.
        sound: a file whose audio is used in place of the video's own.
        fps: frames per second, where the path is of images, which do not say it.
    """

    video_id: str
    split: str
    path: str | None
    sound: str | None = None
    fps: float | None = None


def find_media(folder: Path, *, includes_sounds: bool = True) -> list[str]:
    """Return the paths of all video and sound files in a folder and its subfolders, sorted.

    Links are followed, each real folder once. Hidden files are not found. A sound file is found
    only if no video has the same id, as it is then most likely the extracted audio of the video.

    Args:
        folder: the folder.
        includes_sounds: whether sound files are found at all.

    Raises:
        ConfigError: if the folder does not exist.
    """
    if not folder.is_dir():
        raise ConfigError(f"videos: {folder} is not a folder")
    videos = find_files(folder, VIDEO_SUFFIXES)
    if not includes_sounds:
        return videos
    ids = {video_id_of(path) for path in videos}
    sounds = find_files(folder, SOUND_SUFFIXES)
    return sorted([*videos, *(path for path in sounds if video_id_of(path) not in ids)])


def find_files(folder: Path, suffixes: Container[str] | None) -> list[str]:
    """Return the paths of all files with one of `suffixes`, or all, found as by `find_media`."""
    return sorted(_walk(folder, suffixes, seen=set()))


def count_passed_over(folder: Path, used: Iterable[Video]) -> dict[str, int]:
    """Return the number of files in a folder that no video of a study is made from.

    Args:
        folder: searched as by `find_media`; if it does not exist, nothing is counted.
        used: the videos of the study.

    Returns:
        numbers by suffix in lower case, the most frequent first; `no suffix` for files without.
    """
    if not folder.is_dir():
        return {}
    known = {path for video in used for path in (video.path, video.sound)}
    others = (path for path in find_files(folder, None) if path not in known)
    suffixes = (readable(Path(path).suffix.lower()) or "no suffix" for path in others)
    return dict(Counter(suffixes).most_common())


def _walk(folder: Path, suffixes: Container[str] | None, seen: set[str]) -> Iterator[str]:
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
        elif suffixes is None or Path(entry.name).suffix.lower() in suffixes:
            yield entry.path


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def folder_videos(folder: Path, split: str) -> list[Video]:
    """Return every media file below `folder`; the id is the file's name without its suffix."""
    return sorted(Video(video_id_of(path), split, path) for path in find_media(folder))


def named_videos(
    folder: Path, splits: Iterable[tuple[str, str]], *, includes_sounds: bool = False
) -> list[Video]:
    """Return the file of each (video_id, split), looked up by name in `folder`.

    An id with several files yields them all; one without a file yields a path of None.

    Args:
        folder: searched with its subfolders.
        splits: the ids, each with its split.
        includes_sounds: whether an id without a video may have a sound file.
    """
    by_id: dict[str, list[str]] = {}
    for path in find_media(folder, includes_sounds=includes_sounds):
        by_id.setdefault(video_id_of(path), []).append(path)
    return sorted(
        (
            Video(video_id, split, path)
            for video_id, split in splits
            for path in by_id.get(unicodedata.normalize("NFC", video_id), [None])
        ),
        key=lambda video: (video.video_id, video.split, video.path or ""),
    )


def is_hdf5(path: str | Path) -> bool:
    """Say whether a path has the suffix of an HDF5 file."""
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
    return {video_id_of(path): path for path in paths}


def video_id_of(path: str) -> str:
    """Return a file's id, readable even where the name is not UTF-8."""
    stem = Path(path).name.removesuffix(Path(path).suffix)
    return unicodedata.normalize("NFC", readable(stem))


def readable(path: str) -> str:
    """Return a path as text; bytes of names that are not UTF-8 are escaped."""
    if path.isascii():  # quick to find, and true of most
        return path
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def is_safe_id(video_id: str) -> bool:
    """Say whether an id can be the name of a file and of a data set, and stay in its folder."""
    return (
        video_id not in {"", ".", ".."}
        and not set(video_id) & set("/\\\0\n\r")
        and len(os.fsencode(video_id)) <= 240
    )
