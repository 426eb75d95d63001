"""Labelled soundtracks as data set of audio images: every clip of a soundtrack is an item.

Source: the published training on Kinetics-600, where each clip of 0.96 s has its video's label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.seeds import generator
from avlib.soundtracks.mel import N_FRAMES, N_MELS
from avlib.soundtracks.recipes import ImageAugmentation
from avlib.training.events import LabelledEvents
from avlib.training.spec_augment import mask_batch_with_mean

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ImageFiles:
    """The audio images of a study.

    Attributes:
        packs: HDF5 files of images.
        indices: tables of kind AUDIO_IMAGES, of the same soundtracks.
    """

    packs: Sequence[Path]
    indices: Sequence[Path]


class AudioImages(Protocol):
    """The audio images of videos."""

    def __contains__(self, video_id: str) -> bool:
        """Say whether a video has an entry."""

    def __getitem__(self, video_id: str) -> Any:
        """Return a video's images (clips, N_MELS, N_FRAMES), or what is indexed like them."""

    def origin(self, video_id: str) -> str:
        """Return the fingerprint of what the images were made from; empty if it is unknown."""


def audible_clips(images: Any) -> NDArray[np.int64]:
    """Return the numbers of the images (K, N_MELS, N_FRAMES) that are not wholly silent.

    A silent image has one value throughout, whatever is 0 dB. If all are silent, the first one
    is returned, so that every soundtrack with an image has a clip.
    """
    is_audible = np.array([np.ptp(images[clip]) > 0 for clip in range(len(images))], dtype=bool)
    is_audible[:1] |= not is_audible.any()
    return np.flatnonzero(is_audible)


def cut_frames(images: Any, start: int, length: int = N_FRAMES) -> NDArray[np.float32]:
    """Return `length` frames of a soundtrack: (N_MELS, length).

    The soundtrack is repeated in a circle: its start follows its end.

    Args:
        images: (K, N_MELS, N_FRAMES), one after the other.
        start: first frame, counted over all images.
        length: number of frames.
    """
    number, offset = divmod(start, N_FRAMES)
    stop = -(-(start + length) // N_FRAMES)
    parts = [images[n % len(images)] for n in range(number, stop)]
    frames = np.concatenate(parts, axis=1, dtype=np.float32)
    return frames[:, offset : offset + length]


def shift_bands(image: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    """Return an image (N_MELS, T) with all bands `shift` higher; the band at the edge repeats."""
    return image[np.clip(np.arange(len(image)) - shift, 0, len(image) - 1)]


def window_starts(images: Any, *, drops_silence: bool, half_steps: bool) -> NDArray[np.int64]:
    """Return the first frames of the windows that are scored, for `cut_frames`.

    Args:
        images: (K, N_MELS, N_FRAMES).
        drops_silence: whether only `audible_clips` are scored.
        half_steps: whether windows half way between two images are added, if not silent.
    """
    numbers = audible_clips(images) if drops_silence else np.arange(len(images))
    starts = numbers * N_FRAMES
    if not half_steps:
        return starts
    between = [s for s in starts + N_FRAMES // 2 if np.ptp(cut_frames(images, int(s))) > 0]
    return np.sort(np.concatenate([starts, np.array(between, dtype=np.int64)]))


class SoundtrackEvents(LabelledEvents):
    """The soundtracks of one split that have a clip; an input is (N_MELS, N_FRAMES).

    Args:
        soundtracks: columns video_id and `heads`; the whole soundtrack is an event.
        images: audio images of the videos.
        heads: as in `LabelledEvents`.
        augmentation: of training images; None leaves them unchanged.
        drops_silence: whether only `audible_clips` are items.
    """

    def __init__(
        self,
        soundtracks: "pd.DataFrame",
        images: AudioImages,
        *,
        heads: Sequence[str],
        augmentation: ImageAugmentation | None,
        drops_silence: bool = False,
    ) -> None:
        choose = audible_clips if drops_silence else _all_clips
        numbers = {v: choose(images[v]) for v in soundtracks.video_id if v in images}
        clips = {v: len(chosen) for v, chosen in numbers.items()}
        spans = {"start_s": 0, "stop_s": [clips.get(v, 0) for v in soundtracks.video_id]}
        super().__init__(
            soundtracks.assign(event_id=soundtracks.video_id, **spans),
            clips,
            rate=1,
            heads=heads,
            clip_ticks=1,
        )
        self.images, self.augmentation = images, augmentation
        self._clips = [numbers[v] for v in self.video_ids]  # their numbers among the images
        self._ends = np.cumsum(self.stops, dtype=np.int64)  # (events,) of clips, cumulative

    def n_items(self, together: int) -> int:
        """Return the number of clips in an epoch of groups of `together`: about all clips."""
        return -(-self.n_clips // together) * together

    @property
    def n_clips(self) -> int:
        """Number of clips of all events."""
        return int(self._ends[-1]) if len(self) else 0

    def band_statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and deviation in dB of each band over all clips: (N_MELS,) twice."""
        sums, squares = np.zeros(N_MELS), np.zeros(N_MELS)
        for index, numbers in enumerate(self._clips):
            for number in numbers:
                image = self._cut(index, number).astype(np.float64)
                sums += image.sum(axis=1)
                squares += (image**2).sum(axis=1)
        n_values = self.n_clips * N_FRAMES
        mean = sums / n_values
        deviation = np.sqrt(np.maximum(squares / n_values - mean**2, 0))
        return torch.from_numpy(mean), torch.from_numpy(deviation)

    def clip(self, index: int, first: float) -> Tensor:
        """Return an image by its number in the video: (N_MELS, N_FRAMES)."""
        image = self.images[self.video_ids[index]][int(first)]
        return torch.from_numpy(np.array(image, dtype=np.float32))

    def augmented_clip(self, index: int, first: float, rng: np.random.Generator) -> Tensor:
        """Return an image by its number in the video, augmented: (N_MELS, N_FRAMES)."""
        return torch.from_numpy(self._augmented([(index, int(first))], rng)[0])

    def _augmented(
        self, items: Sequence[tuple[int, int]], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Return the images of pairs of event and number, augmented: (B, N_MELS, N_FRAMES)."""
        how = self.augmentation
        if how is None:
            return np.stack([self._cut(*item) for item in items])
        n = len(items)
        shifts = rng.integers(-how.shift_frames, how.shift_frames + 1, n).tolist()
        lengths = (N_FRAMES * np.exp(rng.uniform(-how.stretch, how.stretch, n))).round()
        pitches = rng.integers(-how.shift_bands, how.shift_bands + 1, n).tolist()
        drawn = zip(items, shifts, lengths.astype(int).tolist(), pitches, strict=True)
        images = np.stack(
            [
                shift_bands(self._stretched(*item, shift, length), pitch)
                for item, shift, length, pitch in drawn
            ]
        )
        bands, frames = (how.masks, how.mask_bands), (how.masks, how.mask_frames)
        mask_batch_with_mean(images, rng, bands=bands, frames=frames)
        return images

    def _stretched(self, index: int, number: int, shift: int, length: int) -> NDArray[np.float32]:
        """Return `length` frames, centred `shift` after an image's centre, resized to an image.

        Where they are silent, the image itself is returned.
        """
        start = shift + (N_FRAMES - length) // 2
        moved = self._cut(index, number, start, length)
        if moved.max() == moved.min():
            return self._cut(index, number)
        size = (N_FRAMES, N_MELS)
        return cv2.resize(moved, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]

    def _cut(
        self, index: int, number: int, start: int = 0, length: int = N_FRAMES
    ) -> NDArray[np.float32]:
        """Return frames from `start` frames after an image's first on: (N_MELS, length)."""
        images = self.images[self.video_ids[index]]
        return cut_frames(images, number * N_FRAMES + start, length)

    def video_fingerprint(self, video_id: str) -> bytes:
        """Return number and origin of a video's images; the middle one if the origin is unknown."""
        images, origin = self.images[video_id], self.images.origin(video_id)
        known = repr((len(images), origin)).encode()
        return known if origin else known + np.asarray(images[len(images) // 2]).tobytes()

    def view_offsets(self, index: int, views: int) -> list[float]:
        """Return the numbers of all clips of an event; `views` is not used."""
        return self._clips[index].tolist()

    def clip_batches(
        self, seed: int, epoch: int, *, batch_size: int, steps: range, together: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented images (B, N_MELS, N_FRAMES) and their labels (B,).

        An epoch has every clip once, in random order, or `n_items` as groups of `together` clips of
        one soundtrack, side by side. Its last batch may be smaller. Order and augmentation depend
        on the seed and the epoch alone, so that a step is the same whatever `steps` are requested.
        """
        rng = generator(seed, "train", epoch)
        order = rng.permutation(self.n_clips) if together == 1 else self._groups(together, rng)
        for step in steps:
            clips = order[step * batch_size : (step + 1) * batch_size]
            events = np.searchsorted(self._ends, clips, side="right")  # (B,)
            items = [self._item(*pair) for pair in zip(clips, events, strict=True)]
            images = self._augmented(items, generator(seed, "augment", epoch, step))
            yield torch.from_numpy(images), torch.from_numpy(self.labels[events, 0])

    def _groups(self, together: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return numbers of clips, in groups of `together` of one soundtrack, in random order.

        The soundtracks are permuted again for each pass over them. A clip is repeated in a group
        if its soundtrack has fewer than `together`.
        """
        n_groups = self.n_items(together) // together
        turns = -(-n_groups // len(self))
        row = np.concatenate([rng.permutation(len(self)) for _ in range(turns)])[:n_groups]
        groups = []
        for event in row:
            last = self._ends[event]
            own = rng.permutation(np.arange(last - len(self._clips[event]), last))
            groups.append(np.resize(own, together))
        return np.concatenate(groups)

    def _item(self, clip: int, event: int) -> tuple[int, int]:
        """Return the event and the image's number in it, by a clip's number among all clips."""
        first = self._ends[event - 1] if event else 0
        return int(event), int(self._clips[event][clip - first])


def _all_clips(images: Any) -> NDArray[np.int64]:
    return np.arange(len(images))
