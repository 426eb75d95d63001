"""Stage pack_frames: small frames of one shard of videos at a low rate, to train on."""

import hashlib
import logging
import math
from collections.abc import Container, Iterator, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np

from avlib.errors import DataError
from avlib.io.atomic import atomic_path, keep_copy
from avlib.io.provenance import code_fingerprint
from avlib.io.tables import read_table
from avlib.media.frame_sources import is_frame_source
from avlib.media.frames import Frame, frame_numbers, read_frames
from avlib.media.scan import video_paths
from avlib.media.sound_packs import open_previous
from avlib.media.tables import MANIFEST
from avlib.progress import progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FramePackSettings:
    """How frames enter the packs.

    Attributes:
        rate_fps: frames a second.
        short_side: pixels of the shorter side; the other one keeps the proportions.
    """

    rate_fps: int
    short_side: int


def pack_frames(
    *, videos: Path, manifest: Path, settings: FramePackSettings, previous: Path, pack_target: Path
) -> None:
    """Pack small frames of a shard's usable videos, each as one data set (N, H, W, 3).

    A video whose frames cannot be read is left out with a warning. Only one frame at a time is
    in memory.

    Args:
        videos: the shard's list of videos, as `scan` writes it.
        manifest: their manifest.
        settings: rate and size.
        previous: copy of the shard's last pack; what has not changed is taken from it.
        pack_target: HDF5 file to write.
    """
    rows = read_table(manifest, MANIFEST)
    usable = rows[rows["status"] == "ok"].drop_duplicates("video_id")
    paths = video_paths([videos])
    with (
        atomic_path(pack_target) as partial,
        h5py.File(partial, "w") as pack,
        open_previous(previous) as old,
    ):
        pack.attrs["rate_fps"] = settings.rate_fps
        listed = usable.itertuples(index=False)
        for video in progress(listed, "packing frames", "videos", total=len(usable)):
            _pack_or_reuse(pack, old, video, paths, settings)
    keep_copy(pack_target, previous)


def _pack_or_reuse(
    pack: h5py.File,
    old: h5py.File | None,
    video: Any,
    paths: Mapping[tuple[str, str], Path],
    settings: FramePackSettings,
) -> None:
    """Add the frames of a video, a row of the manifest, to the pack if they can be read."""
    name, key = video.video_id, _key(video.content_hash, settings)
    if old is not None and name in old and old[name].attrs["key"] == key:
        small_frames = iter(old[name])
    else:
        small_frames = _sample(paths[video.video_id, video.split], video.fps, settings)
    try:
        _write_frames(pack, name, small_frames)
    except DataError as error:
        logger.warning("%s is not trained on: %s", name, error)
        if name in pack:
            del pack[name]
    else:
        pack[name].attrs["key"] = key


def _key(content_hash: str, settings: FramePackSettings) -> str:
    """Return a fingerprint of everything that a video's small frames depend on."""
    made_by = (code_fingerprint("avlib.media.frame_packs"), av.__version__, cv2.__version__)
    return hashlib.sha256(repr((astuple(settings), content_hash, made_by)).encode()).hexdigest()


def _sample(path: Path, fps: float, settings: FramePackSettings) -> Iterator[Frame]:
    """Yield the small frames of a video: number k is made of the one shown at k / rate.

    Args:
        path: of the video, or of a folder or tar of its frames.
        fps: frames a second, by the manifest; of a video they are measured again.
        settings: rate and size.

    Raises:
        DataError: if the video has no frame that can be read, or no rate is known.
    """
    numbers = None if is_frame_source(path) else frame_numbers(path)
    rate = fps if numbers is None else numbers.rate
    if not rate > 0:
        raise DataError(f"{path}: no frame rate is known; give the table of the videos")
    ratio = settings.rate_fps / rate
    size, sampled = None, _Sampled(ratio)
    with closing(read_frames(path, "decoded", numbers, wanted=sampled)) as frames:
        for number, frame in enumerate(frames):
            if repeats := sampled.repeats(number):
                image = frame()
                size = size or _small_size(image, settings.short_side)
                small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
                yield from [small.astype(np.uint8, copy=False)] * repeats
    if size is None:
        raise DataError(f"{path}: none of its frames can be decoded")


@dataclass(frozen=True)
class _Sampled(Container[int]):
    """The frames that become small ones.

    Attributes:
        ratio: small frames for each frame.
    """

    ratio: float

    def repeats(self, number: int) -> int:
        """Return how many small frames are made of a frame."""
        return math.ceil((number + 1) * self.ratio) - math.ceil(number * self.ratio)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.repeats(number) > 0


def _small_size(image: Frame, short_side: int) -> tuple[int, int]:
    """Return the width and height of a video's small frames, all like the first."""
    height, width = image.shape[:2]
    scale = short_side / min(height, width)
    return round(scale * width), round(scale * height)


def _write_frames(pack: h5py.File, video_id: str, small_frames: Iterator[Frame]) -> None:
    frames = None
    for number, image in enumerate(small_frames):
        if frames is None:
            shape = image.shape
            frames = pack.create_dataset(
                video_id, (0, *shape), np.uint8, maxshape=(None, *shape), chunks=(1, *shape)
            )
        frames.resize(number + 1, axis=0)
        frames[number] = image
