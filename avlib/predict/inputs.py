"""The media files that a command names: files, and folders with all that is in them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from avlib.errors import DataError
from avlib.media.videos import Video, find_media, is_safe_id, readable, video_id_of
from avlib.predict.tables import LeftOut

SPLIT = "test"  # of new files: their features have one view
FILES_A_BATCH = 32
BYTES_A_BATCH = 1 << 30


def find_inputs(paths: Iterable[Path]) -> tuple[list[Video], list[LeftOut]]:
    """Return the files of a command in the order of their ids, and those with a name in use.

    The id of a file is its name without the suffix; the files of results are named after it.

    Args:
        paths: files, of any suffix, and folders, which are searched with their subfolders.

    Raises:
        DataError: if a path does not exist, or a folder holds no video or sound files.
    """
    found: dict[str, str] = {}
    left_out: list[LeftOut] = []
    for path in _files(paths):
        video_id = video_id_of(path)
        if not is_safe_id(video_id):
            reason = "the name cannot be that of a result; rename the file"
            left_out.append(LeftOut(readable(path), "invalid_id", reason))
        elif found.setdefault(video_id, path) != path:
            reason = f"{readable(found[video_id])} has the same name; rename one of the two"
            left_out.append(LeftOut(readable(path), "duplicate_id", reason))
    return sorted(Video(video_id, SPLIT, path) for video_id, path in found.items()), left_out


def _files(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        if path.is_dir():
            files = find_media(path)
            if not files:
                raise DataError(f"{path}: no video or sound file in the folder; name another one")
            yield from files
        elif path.exists():
            yield str(path)
        else:
            raise DataError(f"{path}: no such file or folder; correct the path")


def batches(videos: Sequence[Video], *, are_single: bool = False) -> Iterator[list[Video]]:
    """Yield files in batches, a large one alone: networks are loaded once a batch.

    Args:
        videos: the files.
        are_single: whether every file is alone.
    """
    most = 1 if are_single else FILES_A_BATCH
    batch: list[Video] = []
    n_bytes = 0
    for video in videos:
        size = Path(video.path or "").stat().st_size
        if batch and (len(batch) == most or n_bytes + size > BYTES_A_BATCH):
            yield batch
            batch, n_bytes = [], 0
        batch.append(video)
        n_bytes += size
    if batch:
        yield batch
