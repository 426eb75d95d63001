"""Published images of recordings: `frame_%010d.jpg` from 1, a folder a recording."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from avlib.media.frame_sources import FILE_NAME, frame_source


def image_folder(folder: Path, recording: str) -> Path | None:
    """Return the folder of images of a recording; None without, or where they are in a tar.

    Args:
        folder: of all recordings.
        recording: its id.
    """
    found = frame_source(folder, recording)
    return found if found is not None and found.is_dir() else None


def expected_folder(folder: Path, recording: str) -> Path:
    """Return where the images of a recording lie in the published layout."""
    return folder / recording.partition("_")[0] / "rgb_frames" / recording


def image_numbers(folder: Path) -> Iterator[int]:
    """Yield the numbers of the images of a recording, of a folder that may not be read none."""
    try:
        with os.scandir(folder) as entries:
            yield from (int(found[1]) for e in entries if (found := FILE_NAME.fullmatch(e.name)))
    except OSError:
        return


def images_fingerprint(folder: Path, recordings: Iterable[str]) -> str:
    """Return a digest that changes when images of recordings are added, removed or exchanged.

    It takes no image's content: there are a hundred thousand of a recording. An image that is
    written over in place is not noticed.

    Args:
        folder: of all recordings.
        recordings: their ids.
    """
    digest = hashlib.sha256()
    for recording in sorted(set(recordings)):
        place = image_folder(folder, recording)
        if place is not None:
            count = sum(1 for _ in image_numbers(place))
            state = (recording, str(place), count, place.stat().st_mtime_ns)
            digest.update(repr(state).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:32]
