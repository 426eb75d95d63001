"""Feature files: one `<split>/<video_id>.npy` a video, and the index of a shard.

The files are no outputs of their own in the workflow, their index is. A journal beside them says
which file was made from what, so that a killed or repeated run does only what is missing.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.errors import DataError, NoAudioError, NoFramesError
from avlib.extractors.rounds import Rounds
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.atomic import atomic_path, naming_full_disk
from avlib.io.hashes import file_hash
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.progress import progress, progress_in_parts

logger = logging.getLogger(__name__)

MANY_FEATURES = 2000  # of a video, whose extraction shows progress of its own


# Status of a file that has no features as it lacks what the network sees.
ABSENT: Mapping[type[DataError], str] = {NoAudioError: "no_audio", NoFramesError: "no_frames"}


class Journal:
    """Which feature files exist and from what they were made: one JSON line a file.

    It is only ever appended to while a stage runs; torn lines are ignored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        text = path.read_text("ascii", errors="replace") if path.exists() else ""
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self.entries[entry["path"]] = entry
            except (ValueError, TypeError, KeyError):
                continue

    def add(self, entry: dict[str, Any]) -> None:
        """Record a file that is on disk, or why there is none."""
        self.entries[entry["path"]] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with naming_full_disk(self.path), self.path.open("a", encoding="ascii") as file:
            file.write(f"\n{json.dumps(entry)}\n")  # the first line end closes a torn line

    def keep_only(self, paths: set[str], folder: Path) -> None:
        """Remove the files that are no longer wanted, and their lines."""
        for path in self.entries.keys() - paths:
            (folder / path).unlink(missing_ok=True)
        self.entries = {path: self.entries[path] for path in sorted(self.entries.keys() & paths)}
        with atomic_path(self.path) as partial:
            lines = [json.dumps(entry) + "\n" for entry in self.entries.values()]
            partial.write_text("".join(lines), encoding="ascii")


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """What decides the bytes of any network's features, beside its input and its weights.

    Attributes:
        seed: of random weights and augmented views.
        dtype: precision of the network.
        device: where it runs.
        allow_tf32: whether a GPU may round factors of products to 10 bits.
    """

    seed: int
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    allow_tf32: bool = False


@dataclass(frozen=True)
class ShardFiles:
    """What a shard's extraction reads and writes.

    Attributes:
        sources: packs of waveforms, or lists of videos, as the extractor needs them.
        manifests: the videos.
        intervals: their interval tables.
        checkpoint: weights; None for random ones.
        folder: where `<split>/<video_id>.npy` go.
        journal: which of them exist.
        index: table to write.
        frames: folder of frames that several extractors of a job share; None: each has its own.
        rounds: videos that several extractors of a job go through together; None: this one alone.
    """

    sources: Sequence[Path]
    manifests: Sequence[Path]
    intervals: Sequence[Path]
    checkpoint: Path | None
    folder: Path
    journal: Path
    index: Path
    frames: Path | None = None
    rounds: Rounds | None = None


class UsableVideo(NamedTuple):
    """A video of the manifest."""

    video_id: str
    split: str
    content_hash: str


class FeatureArray(NamedTuple):
    """The features of a video, on their way to its file.

    Attributes:
        shape: of the whole array: intervals, views, then the axes of a feature; or rows and
            channels, where there are no views.
        blocks: successive parts of it.
        padded_intervals: how many intervals begin after the end of what the video has; to be
            called after the last block.
    """

    shape: tuple[int, ...]
    blocks: Iterator[NDArray[np.float32]]
    padded_intervals: Callable[[], int]


class FeatureJob(NamedTuple):
    """A feature file that a stage writes.

    Attributes:
        video: whose features it holds.
        path: of the file below the extractor's folder.
        key: digest of everything that they are made from and by.
        extract: makes them; may raise a DataError, as the blocks may.
    """

    video: UsableVideo
    path: str
    key: str
    extract: Callable[[], FeatureArray]


class FeatureMaker(Protocol):
    """An extractor, as `extract_videos` uses it."""

    @property
    def made_by(self) -> tuple[object, ...]:
        """Everything that decides the bytes, beside the video and its intervals."""

    def content(self, video: UsableVideo) -> Iterator[bytes]:
        """Yield the content that identifies a video, in any number of parts."""

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the features of a video's intervals.

        The blocks may raise a DataError: the video cannot be used, and its message says why.
        """


def extract_videos(files: ShardFiles, extractor: FeatureMaker, views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard, and their index.

    Args:
        files: inputs and outputs.
        extractor: makes the features; weights are best read when the first features are made.
        views: views of each interval, by split.
    """
    manifest = pd.concat([read_table(path, MANIFEST) for path in files.manifests])
    videos = usable_videos(manifest)
    tables = pd.concat([read_table(path, INTERVALS) for path in files.intervals])
    intervals = dict(list(tables.groupby("video_id")))

    def jobs() -> Iterator[FeatureJob]:
        for video in videos:
            rows, n_views = intervals[video.video_id], views[video.split]
            key = _key(extractor, video, rows, n_views)
            path = f"{video.split}/{video.video_id}.npy"
            yield FeatureJob(video, path, key, partial(extractor.extract, video, rows, n_views))

    write_features(files, jobs(), len(videos))


def usable_videos(manifest: pd.DataFrame) -> list[UsableVideo]:
    """Return the videos of a manifest that are not left out, by id and split."""
    usable = manifest[manifest["status"] == "ok"].sort_values(["video_id", "split"])
    return list(map(UsableVideo._make, usable[list(UsableVideo._fields)].itertuples(index=False)))


def write_features(files: ShardFiles, jobs: Iterable[FeatureJob], total: int) -> None:
    """Write the features that are not there yet, and the index of all.

    Args:
        files: where they go.
        jobs: all files of the shard.
        total: number of jobs.
    """
    torch.set_num_threads(1)  # another number gives other last bits
    journal = Journal(files.journal)
    wanted: list[dict[str, Any]] = []
    for job in progress(jobs, "extracting features", "videos", total=total):
        entry, target = journal.entries.get(job.path), files.folder / job.path
        is_done = entry is not None and entry["key"] == job.key and _is_done(entry, target)
        with files.rounds.video(needs_frames=not is_done) if files.rounds else nullcontext():
            if entry is None or not is_done:
                video = job.video
                entry = {"video_id": video.video_id, "split": video.split, "path": job.path}
                entry |= {"key": job.key} | _extract(job, target)
                journal.add(entry)
        wanted.append(entry)
    journal.keep_only({entry["path"] for entry in wanted}, files.folder)
    write_table(_index(wanted), files.index, FEATURES)


def _is_done(entry: Mapping[str, Any], target: Path) -> bool:
    """Return whether a file is there, and still the one that was recorded.

    It may be another one: journals of other numbers of shards are about the same files, and a disk
    may lose what a file held.
    """
    return entry["status"] != "ok" or (
        target.is_file() and file_hash(target) == entry["content_hash"]
    )


def _extract(job: FeatureJob, target: Path) -> dict[str, Any]:
    """Write a video's features; return what the index says of them, or of why there are none."""
    try:
        features = job.extract()
        digest = write_npy(target, features.shape, _shown(features, job.video.video_id))
    except DataError as error:
        logger.warning("left out: %s: %s", job.video.video_id, error)
        target.unlink(missing_ok=True)  # it would be of another state of the video
        status = next((s for kind, s in ABSENT.items() if isinstance(error, kind)), "unreadable")
        return _result(status, str(error), (0, 0, 0), 0, "")
    shape = features.shape if len(features.shape) > 2 else (features.shape[0], 1, features.shape[1])
    return _result("ok", "", shape, features.padded_intervals(), digest)


def _shown(features: FeatureArray, video_id: str) -> Iterator[NDArray[np.float32]]:
    """Return the blocks of an array, with progress where there are many."""
    n_features = features.shape[0] * (features.shape[1] if len(features.shape) > 2 else 1)
    if n_features < MANY_FEATURES:
        return features.blocks
    return progress_in_parts(
        features.blocks, f"extracting {video_id}", "features", total=n_features, size=len
    )


def _result(
    status: str, message: str, shape: tuple[int, ...], padded: int, digest: str
) -> dict[str, Any]:
    return {
        "intervals": shape[0],
        "views": shape[1],
        "channels": shape[-1],
        "padded_intervals": padded,
        "content_hash": digest,
        "status": status,
        "message": message,
    }


def _index(entries: list[dict[str, Any]]) -> pd.DataFrame:
    columns = [column.name for column in FEATURES.columns]
    index = pd.DataFrame(entries, columns=[*columns, "key"])[columns]
    index.loc[index["status"] != "ok", "path"] = ""
    return index


def write_npy(target: Path, shape: tuple[int, ...], blocks: Iterator[NDArray[np.float32]]) -> str:
    """Write successive parts of a float32 array as one `.npy` file; return its SHA-256.

    Only a part at a time is in memory.
    """
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with atomic_path(target) as partial:
        with partial.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for block in blocks:
                file.write(np.ascontiguousarray(block, "<f4").data)
        return file_hash(partial)


def _key(extractor: FeatureMaker, video: UsableVideo, rows: pd.DataFrame, views: int) -> str:
    """Return a digest of everything that a video's features are made from and by."""
    digest = hashlib.sha256(repr((extractor.made_by, views)).encode())
    digest.update(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes())
    for part in extractor.content(video):
        digest.update(part)
    return digest.hexdigest()
