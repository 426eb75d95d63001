"""Where the frames of videos are that come as images, found by id, and their fingerprint.

EPIC-KITCHENS-100 is distributed like this, and the published extraction of TIM's features reads
them from folders of one level less. `avlib.media.frame_images` reads them.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
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
    places = (expected_folder(folder, video_id).parent, folder / "rgb_frames", folder)
    paths = [place / video_id for place in places]
    tars = [place / f"{video_id}{TAR_SUFFIX}" for place in places]
    return next((p for p in paths if p.is_dir()), next((t for t in tars if t.is_file()), None))


def expected_folder(folder: Path, video_id: str) -> Path:
    """Return where the frames of a video lie as published."""
    return folder / video_id.partition("_")[0] / "rgb_frames" / video_id


def has_frames(source: Path) -> bool:
    """Say whether there is a frame in a folder; a tar is not opened, and taken to have some."""
    return source.is_file() or next(_names(source), None) is not None


def _names(folder: Path) -> Iterator[str]:
    """Yield the names of the images of a folder; none of one that may not be read."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries if FILE_NAME.fullmatch(entry.name))
    except OSError:
        return


def sources_fingerprint(folder: Path, video_ids: Iterable[str]) -> str:
    """Return a digest that changes when frames of videos are added, removed or exchanged.

    It takes no image's content: there are a hundred thousand of a video. An image that is written
    over in place is not noticed.

    Args:
        folder: of all videos.
        video_ids: their ids.
    """
    digest = hashlib.sha256()
    for video_id in sorted(set(video_ids)):
        place = frame_source(folder, video_id)
        if place is not None:
            state = place.stat()
            count = state.st_size if place.is_file() else sum(1 for _ in _names(place))
            found = (video_id, str(place), count, state.st_mtime_ns)
            digest.update(repr(found).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:32]


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
