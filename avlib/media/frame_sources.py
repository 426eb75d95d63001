"""Where the frames of videos are that come as images, found by id, and their fingerprint.

EPIC-KITCHENS-100 is distributed like this, and the published extraction of TIM's features reads
them from folders of one level less. `avlib.media.frame_images` reads them.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from avlib.media.videos import is_safe_id

FILE_NAME = re.compile(r"frame_(\d{10})\.jpg", re.ASCII)  # from 1
TAR_SUFFIX = ".tar"
LARGEST = 64 << 20  # bytes of an image; one of EPIC has 20 KB


def is_frame_source(path: Path) -> bool:
    """Say whether a path is a folder or a tar, and not a video file."""
    return path.suffix.lower() == TAR_SUFFIX or path.is_dir()


def frame_sources(folder: Path, video_ids: Iterable[str]) -> dict[str, str]:
    """Return where the frames of each video are: a folder, or else a tar.

    A video such as P01_11 of the participant P01 is looked up as `P01/rgb_frames/P01_11`, as
    published, `rgb_frames/P01_11` and `P01_11`. A video without frames has no entry.
    """
    found = ((v, frame_source(folder, v)) for v in dict.fromkeys(video_ids))
    return {video_id: str(path) for video_id, path in found if path is not None}


def frame_source(folder: Path, video_id: str) -> Path | None:
    """Return where the frames of a video are; see `frame_sources`."""
    if not is_safe_id(video_id):
        return None
    participant = video_id.partition("_")[0]
    places = (folder / participant / "rgb_frames", folder / "rgb_frames", folder)
    paths = [place / video_id for place in places]
    tars = [place / f"{video_id}{TAR_SUFFIX}" for place in places]
    return next((p for p in paths if p.is_dir()), next((t for t in tars if t.is_file()), None))


def folder_hash(folder: Path) -> str:
    """Return a fingerprint of the images of a folder: names, sizes, and three of them whole.

    Raises:
        OSError: if the folder or one of the three cannot be read.
    """
    files = file_sizes(folder)
    digest = hashlib.sha256(repr(files).encode())
    for place in sorted({0, len(files) // 2, len(files) - 1}) if files else ():
        with (folder / files[place][0]).open("rb") as file:
            digest.update(file.read(LARGEST))
    return digest.hexdigest()[:32]


def file_sizes(folder: Path) -> list[tuple[str, int]]:
    """Return name and size of each image of a folder, by name."""
    states = ((e.name, e.stat()) for e in os.scandir(folder) if FILE_NAME.fullmatch(e.name))
    return sorted((name, state.st_size) for name, state in states if stat.S_ISREG(state.st_mode))
