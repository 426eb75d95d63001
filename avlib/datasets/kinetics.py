"""Kinetics-600 as zhaojw1998/SoundtrackClassification has it: names, lists and their matching.

Videos are called `v_<id>_<start>_<stop>` with ids of 11 characters and seconds of six digits. The
published soundtracks lost trailing 4s of their names, and follow the order of a Windows folder.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple
from unicodedata import normalize

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.text_tables import read_lines

KEY = re.compile(r"v_.{11}_\d{6}")  # of the names of a video and of its soundtrack
VIDEO_LINE = re.compile(r"(?P<path>.*?)(?: (?P<frames>[0-9]+) (?P<class_id>[0-9]+))?")
_DIGITS = 18  # of a number, which then fits 64 bits
VIDEO_SUFFIX, SOUND_SUFFIX = ".mp4", ".wav"


class Match(NamedTuple):
    """Which video each soundtrack belongs to.

    Attributes:
        video: (soundtracks,) int32, position of the video; -1 without one.
        unmatched_soundtracks: positions of soundtracks without a video.
        unmatched_videos: positions of videos without a soundtrack.
    """

    video: NDArray[np.int32]
    unmatched_soundtracks: list[int]
    unmatched_videos: list[int]


def read_class_names(path: Path) -> list[str]:
    """Return the names of the classes in a list of lines `<number><tab><name>`, by number.

    Raises:
        DataError: naming the line, if the numbers are not 0, 1, ... or a name occurs twice.
    """
    names: list[str] = []
    lines = read_lines(path)
    found = re.match(r"\s*\d+\s*([\t,;])", lines[0]) if lines else None
    delimiter = found[1] if found else "\t"
    for line, text in enumerate(lines, start=1):
        number, _, name = (part.strip() for part in normalize("NFC", text).partition(delimiter))
        if number != str(len(names)) or not name or name in names:
            raise DataError(
                f"{path}: line {line} is {text[:80]!r}, expected {len(names)}, a tab and a new name"
            )
        names.append(name)
    return names


def read_video_list(path: Path) -> pd.DataFrame:
    """Return the videos of a list of lines `<folder>/<class>/<name>[ <frames> <class number>]`.

    Args:
        path: text file, which may be compressed with gzip.

    Returns:
        columns `label`, `name`, `frames` and `class_id`; the last two are empty where the lines
        hold paths alone.

    Raises:
        DataError: naming the line, if a path has no class folder.
    """
    rows = []
    for line, text in enumerate(read_lines(path), start=1):
        found = VIDEO_LINE.fullmatch(text)
        assert found is not None  # it fits any text
        if max(len(found[name] or "") for name in ("frames", "class_id")) > _DIGITS:
            raise DataError(f"{path}: line {line} is {text[:80]!r}, expected frames and a class")
        label, name = _class_and_name(found["path"], path, line)
        rows.append((label, name, found["frames"], found["class_id"]))
    table = pd.DataFrame(rows, columns=["label", "name", "frames", "class_id"])
    return table.astype({"frames": "Int64", "class_id": "Int64"})


def read_soundtrack_list(path: Path) -> pd.DataFrame:
    r"""Return the soundtracks of a list of lines `...\<class>\<name>.wav`.

    Args:
        path: text file, which may be compressed with gzip; its paths are of Windows or not.

    Returns:
        columns `label` and `name`, the file's name with its suffix.

    Raises:
        DataError: naming the line, if a path has no class folder.
    """
    rows = [
        _class_and_name(text, path, line) for line, text in enumerate(read_lines(path), start=1)
    ]
    return pd.DataFrame(rows, columns=["label", "name"])


def _class_and_name(text: str, path: Path, line: int) -> tuple[str, str]:
    parts = PureWindowsPath(text).parts  # which knows both kinds of slashes
    if len(parts) < 2 or parts[-2].endswith(("\\", "/")):
        raise DataError(f"{path}: line {line} is {text[:80]!r}, expected a path <class>/<name>")
    return parts[-2], parts[-1]


def match_key(name: str) -> str:
    """Return the key by which a video and its soundtrack are matched.

    That is the part up to the start, which the loss of trailing 4s spares; of a name that is not
    of Kinetics it is the whole name, without a suffix of a sound or video file.
    """
    found = KEY.match(name)
    return found[0] if found else name.removesuffix(SOUND_SUFFIX).removesuffix(VIDEO_SUFFIX)


def soundtrack_name(video_name: str) -> str:
    """Return the name that the published extraction gave the soundtrack of a video.

    It strips the characters `.`, `m`, `p` and `4` from the end of `<name>.mp4`, so trailing 4s of
    the name go as well.
    """
    return (video_name + VIDEO_SUFFIX).rstrip("".join(set(VIDEO_SUFFIX))) + SOUND_SUFFIX


def image_prefix(soundtrack: str) -> str:
    """Return how the published names of a soundtrack's images begin, before `_<number>.npy`.

    The characters `.`, `w`, `a` and `v` are stripped from both ends of the name with its suffix.
    """
    return soundtrack.strip("".join(set(SOUND_SUFFIX)))


def windows_order(paths: Sequence[tuple[str, ...]]) -> list[int]:
    """Return the positions of paths, given in parts, in the order of a Windows folder listing."""
    return sorted(range(len(paths)), key=lambda i: tuple(part.upper() for part in paths[i]))


def match_soundtracks(videos: Sequence[str], soundtracks: Sequence[str]) -> Match:
    """Match soundtracks to videos by name; of several videos with one key the first counts.

    Args:
        videos: names of the videos.
        soundtracks: names of the soundtracks, whole or damaged, with or without suffix.
    """
    position: dict[str, int] = {}
    for number, name in enumerate(videos):
        position.setdefault(match_key(name), number)
    index = np.array([position.get(match_key(name), -1) for name in soundtracks], np.int32)
    return Match(index, np.flatnonzero(index < 0).tolist(), unmatched(index, len(videos)))


def unmatched(index: NDArray[np.int32], n_videos: int) -> list[int]:
    """Return the positions of videos that no soundtrack was matched to."""
    return np.setdiff1d(np.arange(n_videos), index).tolist()
