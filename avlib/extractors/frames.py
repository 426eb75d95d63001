"""What all extractors of video frames have in common."""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.device import resolve_device
from avlib.extractors.extraction import NetworkSettings, UsableVideo
from avlib.extractors.weights import allow_tf32
from avlib.io.hashes import file_hash
from avlib.io.provenance import code_fingerprint
from avlib.media import ffmpeg
from avlib.media.frames import FrameMode

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB in [0, 1]
STD = (0.229, 0.224, 0.225)


def normalise(clips: Tensor) -> Tensor:
    """Return clips as the network takes them.

    Shape:
        clips: (B, T, H, W, 3), RGB of 8 bits.
        returns: (B, 3, T, H, W), float32, mean 0 and deviation 1 over natural images.
    """
    mean, std = (torch.tensor(v, device=clips.device).view(3, 1, 1, 1) for v in (MEAN, STD))
    channels_first = clips.permute(0, 4, 1, 2, 3)
    normal = channels_first.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    return normal.div_(255).sub_(mean).div_(std)


def unit_range(image: NDArray[np.uint8]) -> Tensor:
    """Return a frame (H, W, 3) as (3, H, W) in [0, 1]."""
    channels_first = image.transpose(2, 0, 1).copy()  # in order, and ours to write to
    return torch.from_numpy(channels_first).float().div(255)


@dataclass(frozen=True, kw_only=True)
class FrameSettings(NetworkSettings):
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        frames: the way to the frames of a video; the published features of VGG-19 are from
            decoded ones, those of the others from JPEG files.
    """

    frames: FrameMode


Settings = TypeVar("Settings", bound=FrameSettings)


class FrameExtractor(Generic[Settings]):
    """Base of the extractors of video frames: all but the network and its input.

    Args:
        checkpoint: weights, which are read when the first video needs them; None for random ones.
        settings: what decides the bytes.
        paths: file of each (video_id, split).

    Attributes:
        module: of the extractor; its code decides the bytes.
        libraries: versions of the packages whose images the network sees.
    """

    module: ClassVar[str]
    libraries: ClassVar[tuple[str, ...]] = (cv2.__version__,)

    def __init__(
        self,
        checkpoint: Path | None,
        settings: Settings,
        paths: Mapping[tuple[str, str], Path],
    ) -> None:
        self._checkpoint, self._settings, self._paths = checkpoint, settings, paths
        self._device = resolve_device(settings.device)
        is_jpeg = settings.frames == "jpeg"
        self.made_by = (
            astuple(settings),
            file_hash(checkpoint) if checkpoint else "untrained",
            code_fingerprint(self.module),
            self._device,
            ffmpeg.version(ffmpeg.binary()) if is_jpeg else av.ffmpeg_version_info,
            self.libraries,
        )
        allow_tf32(settings.allow_tf32)

    def content(self, video: UsableVideo) -> Iterator[bytes]:
        """Yield the hash of a video's content."""
        yield video.content_hash.encode()
