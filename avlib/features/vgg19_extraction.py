"""Stage extract_vgg19: VGG-19 features of one shard's videos, a row of maps for each interval.

The intervals of a video divide it into equal parts, whatever their times say; AVE's are its ten
seconds.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from avlib.device import resolve_device
from avlib.errors import DataError
from avlib.features.extraction import Features, ShardFiles, Video, extract_videos
from avlib.features.vgg19 import channels, load_vgg19, sampled_frames, second_maps, untrained_vgg19
from avlib.features.visual_extraction import video_paths
from avlib.io.checkpoints import file_hash
from avlib.io.provenance import code_fingerprint
from avlib.media import ffmpeg
from avlib.media.frames import FrameMode, read_frames
from avlib.models.vgg19 import MAP_SIZE, VGG19

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Vgg19Settings:
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        frames: the way to the frames of a video; the published features are from decoded ones.
        seed: of random weights.
        dtype: precision of the network.
        device: where it runs.
        allow_tf32: whether a GPU may round factors of products to 10 bits.
    """

    frames: FrameMode
    seed: int
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    allow_tf32: bool = False


def extract_vgg19_shard(files: ShardFiles, settings: Vgg19Settings) -> None:
    """Write the VGG-19 features of every usable video of a shard, and their index.

    A video whose picture cannot be decoded is left out; the index says why. There is one view.

    Args:
        files: inputs and outputs; the sources are lists of videos, as `scan` writes them.
        settings: what decides the bytes.

    Raises:
        CheckpointError: if the weights do not fit the network.
    """
    cv2.setNumThreads(1)
    extractor = Vgg19Extractor(files.checkpoint, settings, video_paths(files.sources))
    extract_videos(files, extractor, dict.fromkeys(("train", "val", "test"), 1))


class Vgg19Extractor:
    """Makes the features of videos.

    Args:
        checkpoint: weights, which are read when the first video needs them; None for random ones.
        settings: what decides the bytes.
        paths: file of each (video_id, split).
    """

    def __init__(
        self,
        checkpoint: Path | None,
        settings: Vgg19Settings,
        paths: Mapping[tuple[str, str], Path],
    ) -> None:
        self._checkpoint, self._settings, self._paths = checkpoint, settings, paths
        self._device = resolve_device(settings.device)
        is_jpeg = settings.frames == "jpeg"
        self.made_by = (
            astuple(settings),
            file_hash(checkpoint) if checkpoint else "untrained",
            code_fingerprint("avlib.features.vgg19", "avlib.media.frames"),
            self._device,
            ffmpeg.version(ffmpeg.binary()) if is_jpeg else av.ffmpeg_version_info,
        )
        torch.backends.cuda.matmul.allow_tf32 = settings.allow_tf32
        torch.backends.cudnn.allow_tf32 = settings.allow_tf32

    @cached_property
    def _network(self) -> VGG19:
        if self._checkpoint is None:
            logger.warning("random weights: these features carry nothing learned")
            network = untrained_vgg19(self._settings.seed)
        else:
            network = load_vgg19(self._checkpoint)
        return network.to(self._device, getattr(torch, self._settings.dtype))

    def content(self, video: Video) -> Iterator[bytes]:
        """Yield the hash of a video's content."""
        yield video.content_hash.encode()

    def extract(self, video: Video, rows: pd.DataFrame, views: int) -> Features:
        """Return the maps of a video's intervals: (intervals, 1, MAP_SIZE, MAP_SIZE, C)."""
        shape = (len(rows), views, MAP_SIZE, MAP_SIZE, channels(self._network))
        path = self._paths[video.video_id, video.split]
        return Features(shape, self._blocks(path, len(rows)), lambda: 0)

    def _blocks(self, path: Path, seconds: int) -> Iterator[NDArray[np.float32]]:
        """Yield all maps of a video at once.

        Its frames are read twice, as it takes their number to tell which ones are sampled.
        """
        with closing(read_frames(path, self._settings.frames)) as frames:
            n_frames = sum(1 for _ in frames)
        if not n_frames:
            raise DataError(f"{path}: none of its frames can be decoded")
        with closing(read_frames(path, self._settings.frames)) as frames:
            yield second_maps(self._network, frames, sampled_frames(n_frames, seconds))
