"""Fingerprints of the files on disk, by shard; they decide which shards are done again.

A file's content hash is computed once and kept with its size and modification time, so that a
later scan costs one `stat` a file, and a file that was only touched keeps its hash.
"""

import errno
import hashlib
import stat
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from avlib.io.atomic import write_json
from avlib.io.json_files import read_cached_json, read_json
from avlib.media.frame_sources import folder_hash, is_frame_source
from avlib.media.recordings import recording_of
from avlib.media.videos import SOUND_SUFFIXES, Video, count_passed_over, is_hdf5

SAMPLE_BYTES = 64 * 1024
THREADS = 16  # hashing waits for the disk


@dataclass(frozen=True, slots=True)
class ScannedVideo:
    """A video and the content hashes of its files; None where there is no readable file."""

    video_id: str
    split: str
    path: str | None
    sound: str | None = None
    content_hash: str | None = None
    sound_hash: str | None = None
    fps: float | None = None


def shard_of(video_id: str, shards: int) -> int:
    """Return the shard of a video; with `shards` a power of two, smaller counts nest in larger.

    The chunks of a recording are of one shard.
    """
    return int(hashlib.sha1(recording_of(video_id).encode()).hexdigest()[:8], 16) % shards


def content_hash(path: Path) -> str:
    """Return a fingerprint of a file: its size and its first, middle and last 64 KiB.

    Encoded videos are large, and an edit of one moves all that follows. Uncompressed audio can
    change in one place alone, so such files are read whole, and of an HDF5 file, which may have
    hundreds of gigabytes, the time of its last change counts; so it does of a tar of images. Of a
    folder of images the names and sizes of all count.

    Raises:
        OSError: if the file cannot be read.
    """
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        return folder_hash(path)
    if not stat.S_ISREG(state.st_mode):  # reading a pipe or a device may never end
        raise OSError(errno.EINVAL, "not a regular file")
    size = state.st_size
    digest = hashlib.sha256(str(size).encode())
    if is_hdf5(path) or is_frame_source(path):
        digest.update(str(state.st_mtime_ns).encode())
    with path.open("rb") as file:
        if path.suffix.lower() in SOUND_SUFFIXES:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
        for start in sorted({0, max(0, size // 2), max(0, size - SAMPLE_BYTES)}):
            file.seek(start)
            digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:32]


def scan(
    videos: Iterable[Video],
    *,
    shards: int,
    folder: Path,
    are_on_disk: bool = True,
    searched: Iterable[Path] = (),
) -> dict[int, str]:
    """Write the list of each shard's videos to `folder`; return the fingerprint of each shard.

    A list is rewritten only if it changes. Fingerprints do not depend on file times.

    Args:
        videos: of the study.
        shards: number of shards, a power of two.
        folder: where the lists are kept, and the number of files that were passed over.
        are_on_disk: False where the workflow renders the videos itself; fingerprints then do not
            depend on contents.
        searched: folders in which the videos were found; other files in them are counted.
    """
    videos = list(videos)
    _write_passed_over(folder, videos, searched)
    by_shard: dict[int, list[Video]] = {shard: [] for shard in range(shards)}
    for video in videos:
        by_shard[shard_of(video.video_id, shards)].append(video)
    with ThreadPoolExecutor(THREADS) as pool:
        return {
            shard: _scan_shard(members, folder, shard, pool if are_on_disk else None)
            for shard, members in by_shard.items()
        }


def shard_list(folder: Path, shard: int | str) -> Path:
    """Return the path of a shard's list of videos."""
    return folder / f"{shard}.json"


def passed_over_file(folder: Path) -> Path:
    """Return the path of the number of files by suffix that `scan` passed over."""
    return folder / "passed_over.json"


def _write_passed_over(folder: Path, videos: list[Video], searched: Iterable[Path]) -> None:
    total: Counter[str] = Counter()
    for place in searched:
        total.update(count_passed_over(place, videos))
    target, counts = passed_over_file(folder), dict(total)
    if counts != read_cached_json(target):
        write_json(target, counts)


def read_scan(source: Path) -> list[ScannedVideo]:
    """Return the videos of one shard's list.

    Raises:
        DataError: if it cannot be read; the next run writes it again.
    """
    return [ScannedVideo(**entry) for entry in read_json(source)]


def video_paths(lists: Iterable[Path]) -> dict[tuple[str, str], Path]:
    """Return the file of each (video_id, split) in lists of videos, as `scan` writes them."""
    # Of several files with one id the first is used, hence the reversed order.
    videos = [video for path in lists for video in reversed(read_scan(path))]
    return {(v.video_id, v.split): Path(v.path) for v in videos if v.path}


def fingerprint(videos: Iterable[ScannedVideo]) -> str:
    """Return a digest of the ids, splits, paths and contents of a shard's videos."""
    rows = (astuple(video) if video.fps else astuple(video)[:-1] for video in videos)
    lines = "\n".join(map(repr, rows))
    return hashlib.sha1(lines.encode("utf-8", "backslashreplace")).hexdigest()


def _scan_shard(
    members: list[Video], folder: Path, shard: int, pool: ThreadPoolExecutor | None
) -> str:
    known = _HashCache(folder / f"{shard}.hashes.json")
    paths = {path for video in members for path in (video.path, video.sound) if path}
    if pool is not None:
        list(pool.map(known.add, sorted(paths)))
        known.write()
    scanned = [
        ScannedVideo(
            **asdict(video),
            content_hash=known.get(video.path),
            sound_hash=known.get(video.sound),
        )
        for video in sorted(members, key=lambda v: (v.video_id, v.split, v.path or ""))
    ]
    target, entries = shard_list(folder, shard), [asdict(video) for video in scanned]
    if entries != read_cached_json(target):
        write_json(target, entries)
    return fingerprint(scanned)


class _HashCache:
    """Content hashes by path, size and modification time, kept in one file a shard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        content = read_cached_json(path)
        self.old: dict[str, Any] = content if isinstance(content, dict) else {}
        self.new: dict[str, list[int | str]] = {}

    def add(self, path: str) -> None:
        """Compute the hash of a file, or keep the known one if size and time are the same."""
        try:
            state = Path(path).stat()
            seen = [state.st_size, state.st_mtime_ns]
            match self.old.get(path):
                case [int(), int(), str(known)] as old if old[:2] == seen:
                    digest = known
                case _:
                    digest = content_hash(Path(path))
        except OSError:
            return
        self.new[path] = [*seen, digest]

    def get(self, path: str | None) -> str | None:
        """Return the hash of a file, None if it could not be read."""
        return str(self.new[path][2]) if path in self.new else None

    def write(self) -> None:
        """Keep the hashes of all paths that were added."""
        if self.new != self.old:
            write_json(self.path, self.new)
