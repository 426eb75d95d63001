"""Labelled events as short clips of pictures."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.extractors.omnivore.clip_augment import ClipAugmentation, augment_clip
from avlib.extractors.omnivore.clips import omnivore_frames, omnivore_picture
from avlib.extractors.pictures import normalise
from avlib.training.events import LabelledEvents

if TYPE_CHECKING:
    import pandas as pd

    from avlib.io.packs import FrameStore


class VisualEvents(LabelledEvents):
    """The events of one split whose video has pictures; an input is (3, T, crop, crop).

    Args:
        events: as in `LabelledEvents`.
        frames: pictures of the videos.
        heads: as in `LabelledEvents`.
        clip_s: length of one input of the network, in seconds.
        num_frames: pictures T of one input.
        crop: their width and height in pixels.
        augmentation: what happens to the crops.
    """

    def __init__(
        self,
        events: "pd.DataFrame",
        frames: "FrameStore",
        *,
        heads: Sequence[str],
        clip_s: float,
        num_frames: int,
        crop: int,
        augmentation: ClipAugmentation,
    ) -> None:
        super().__init__(
            events,
            {v: frames.n_frames(v) for v in set(events.video_id) if v in frames},
            rate=frames.rate_fps,
            heads=heads,
            clip_ticks=round(frames.rate_fps * clip_s),
        )
        self.frames, self.num_frames, self.crop_size = frames, num_frames, crop
        self.augmentation = augmentation

    def clip(self, index: int, first: float) -> Tensor:
        """Return the middles of the pictures from a frame on, as features are extracted."""
        pictures = self._pictures(index, first)
        middles = np.stack([omnivore_picture(picture, self.crop_size) for picture in pictures])
        return _as_input(middles)

    def augmented_clip(self, index: int, first: float, rng: np.random.Generator) -> Tensor:
        """Return the augmented pictures from a frame on."""
        pictures = self._pictures(index, first)
        return _as_input(augment_clip(pictures, self.crop_size, rng, self.augmentation))

    def video_fingerprint(self, video_id: str) -> bytes:
        """Return number and origin of a video's frames, and the middle one."""
        length = self.frames.n_frames(video_id)
        picture = self.frames.read(video_id, [length // 2])
        return repr((length, self.frames.origin(video_id))).encode() + picture.tobytes()

    def _pictures(self, index: int, first: float) -> NDArray[np.uint8]:
        """Return the pictures (T, H, W, 3) of the clip that begins at frame `first`."""
        last = min(int(first) + self.clip_ticks, self.stops[index])
        # The published rule takes clips one frame early, which matters at a low rate.
        numbers = omnivore_frames([int(first) + 1], [last + 1], num_frames=self.num_frames)
        return self.frames.read(self.video_ids[index], numbers[0].tolist())


def _as_input(pictures: NDArray[np.uint8] | NDArray[np.float32]) -> Tensor:
    """Return pictures (T, H, W, 3) of 0 to 255 as the network takes them: (3, T, H, W)."""
    return normalise(torch.from_numpy(pictures)[None])[0]
