"""Labelled soundtracks as audio images: every clip of a soundtrack is an item.

Source: the published training on Kinetics-600, where each clip of 0.96 s has its video's label.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from avlib.features.spec_augment import mask_with_mean
from avlib.seeds import generator
from avlib.training.labelled_events import LabelledEvents
from avlib.training.soundtrack_recipes import ImageAugmentation

if TYPE_CHECKING:
    import pandas as pd


class AudioImages(Protocol):
    """The audio images of videos."""

    def __contains__(self, video_id: str) -> bool:
        """Say whether a video has an entry."""

    def __getitem__(self, video_id: str) -> Any:
        """Return a video's images (clips, N_MELS, IMAGE_FRAMES), or what is read as they are."""

    def origin(self, video_id: str) -> str:
        """Return the key of what the images were made from; empty if it is not known."""


class SoundtrackEvents(LabelledEvents):
    """The soundtracks of one split that have a clip; an input is (N_MELS, IMAGE_FRAMES).

    Args:
        soundtracks: columns video_id and `heads`; the whole soundtrack is an event.
        images: audio images of the videos.
        heads: as in `LabelledEvents`.
        augmentation: of the images that are learned; None leaves them alone.
    """

    def __init__(
        self,
        soundtracks: "pd.DataFrame",
        images: AudioImages,
        *,
        heads: Sequence[str],
        augmentation: ImageAugmentation | None,
    ) -> None:
        clips = {v: len(images[v]) for v in soundtracks.video_id if v in images}
        spans = {"start_s": 0, "stop_s": [clips.get(v, 0) for v in soundtracks.video_id]}
        super().__init__(
            soundtracks.assign(event_id=soundtracks.video_id, **spans),
            clips,
            rate=1,
            heads=heads,
            clip_ticks=1,
        )
        self.images, self.augmentation = images, augmentation
        self._ends = np.cumsum(self.stops, dtype=np.int64)  # clips up to the end of each event

    @property
    def n_clips(self) -> int:
        """Number of clips of all events."""
        return int(self._ends[-1]) if len(self) else 0

    def clip(self, index: int, first: float) -> Tensor:
        """Return an image by its number in the video: (N_MELS, IMAGE_FRAMES)."""
        image = self.images[self.video_ids[index]][int(first)]
        return torch.from_numpy(np.array(image, dtype=np.float32))

    def augmented_clip(self, index: int, first: float, rng: np.random.Generator) -> Tensor:
        """Return an image by its number in the video, augmented: (N_MELS, IMAGE_FRAMES)."""
        image, how = self.clip(index, first), self.augmentation
        if how is None:
            return image
        shift = int(rng.integers(-how.shift_frames, how.shift_frames + 1))
        moved = image.roll(shift, dims=1)
        bands, frames = (how.masks, how.mask_bands), (how.masks, how.mask_frames)
        mask_with_mean(moved.numpy(), rng, bands=bands, frames=frames)
        return moved

    def video_fingerprint(self, video_id: str) -> bytes:
        """Return number and origin of a video's images; the middle one where no origin is noted."""
        images, origin = self.images[video_id], self.images.origin(video_id)
        told = repr((len(images), origin)).encode()
        return told if origin else told + np.asarray(images[len(images) // 2]).tobytes()

    def view_offsets(self, index: int, views: int) -> list[float]:
        """Return the numbers of all clips of an event, whatever `views` says."""
        return list(range(self.stops[index]))

    def clip_batches(
        self, seed: int, epoch: int, *, batch_size: int, steps: range
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented images (B, N_MELS, IMAGE_FRAMES) and their labels (B,).

        An epoch has every clip once, in random order; its last batch may be smaller. Order and
        augmentation depend on the seed and the epoch alone, so that a step is the same whichever
        `steps` are asked for.
        """
        order = generator(seed, "train", epoch).permutation(self.n_clips)
        for step in steps:
            clips = order[step * batch_size : (step + 1) * batch_size]
            events = np.searchsorted(self._ends, clips, side="right")  # (B,)
            images = [self._item(*pair, seed, epoch) for pair in zip(clips, events, strict=True)]
            yield torch.stack(images), torch.from_numpy(self.labels[events, 0])

    def _item(self, clip: int, event: int, seed: int, epoch: int) -> Tensor:
        """Return a clip by its number among all, augmented."""
        first = int(self._ends[event - 1]) if event else 0
        number = int(clip) - first
        rng = generator(seed, "augment", epoch, self.event_ids[event], number)
        return self.augmented_clip(event, number, rng)
