"""Labelled events as spectrograms: random crops for training, fixed views for evaluation.

Source: Kazakos et al., ICASSP 2021, and the training of EPIC-SOUNDS (Huh et al., ICASSP 2023).
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from avlib.features.log_mel import log_mel
from avlib.features.spec_augment import augment
from avlib.seeds import generator

if TYPE_CHECKING:
    import pandas as pd

    from avlib.io.packs import WaveformStore


class SoundEvents:
    """The events of one split whose video has sound.

    Args:
        events: columns event_id, video_id, start_s, stop_s and `heads`.
        waveforms: sound of the videos; events of other videos, and those that begin after the
            end of the sound, are left out and counted. Others end with the sound at the latest.
        heads: columns with the class number, one for each classifier of the network.
        clip_s: length of one input of the network, in seconds.
        n_frames: frames of one input; shorter spectrograms repeat their last frame.
        specaug: augmentation of the crops.
        truncates_samples: whether seconds become samples by cutting rather than by rounding.
    """

    def __init__(
        self,
        events: "pd.DataFrame",
        waveforms: "WaveformStore",
        *,
        heads: Sequence[str],
        clip_s: float,
        n_frames: int,
        specaug: Literal["reference", "standard"],
        truncates_samples: bool = False,
    ) -> None:
        rate = waveforms.sample_rate
        to_samples = int if truncates_samples else round
        lengths = {v: waveforms.n_samples(v) for v in set(events.video_id) if v in waveforms}
        starts = [to_samples(s * rate) for s in events.start_s]
        has_sound = np.array(
            [start < lengths.get(v, 0) for v, start in zip(events.video_id, starts, strict=True)],
            dtype=bool,
        )
        self.n_without_sound = int((~has_sound).sum())
        events = events[has_sound]
        self.waveforms, self.n_frames, self.specaug = waveforms, n_frames, specaug
        self.clip_samples = round(rate * clip_s)
        self.event_ids: list[str] = events.event_id.tolist()
        self.video_ids: list[str] = events.video_id.tolist()
        self.starts = [to_samples(s * rate) for s in events.start_s]
        self.stops = [
            min(to_samples(s * rate), lengths[v])
            for v, s in zip(events.video_id, events.stop_s, strict=True)
        ]
        self.labels = events[list(heads)].to_numpy(np.int64)  # (N, heads)

    def __len__(self) -> int:
        return len(self.event_ids)

    def crop_batches(
        self, seed: int, purpose: str, epoch: int, *, batch_size: int, steps: range
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented random crops (B, 1, T, F) and their labels (B, heads).

        The events follow each other in one random order after another. Orders, crops and
        augmentations depend on the seed, `purpose` and `epoch` alone, so that a step is the same
        whichever `steps` are asked for.
        """
        turns = math.ceil(steps.stop * batch_size / len(self))
        orders = [generator(seed, purpose, epoch, t).permutation(len(self)) for t in range(turns)]
        row = [(turn, int(index)) for turn, order in enumerate(orders) for index in order]
        for step in steps:
            batch = row[step * batch_size : (step + 1) * batch_size]
            keys = [(seed, purpose, epoch, turn, self.event_ids[i]) for turn, i in batch]
            crops = [self.crop(i, generator(*key)) for (_, i), key in zip(batch, keys, strict=True)]
            yield torch.stack(crops), torch.from_numpy(self.labels[[i for _, i in batch]])

    def view_batches(self, views: int, batch_size: int) -> Iterator[tuple[list[int], Tensor]]:
        """Yield event numbers and spectrograms (B, 1, T, F) of all views of all events.

        The views of an event are spread evenly over it; all views of an event that is not longer
        than a clip are the same, and only one is given.
        """
        items = [(i, o) for i in range(len(self)) for o in self.view_offsets(i, views)]
        for first in range(0, len(items), batch_size):
            batch = items[first : first + batch_size]
            clips = [self._spectrogram(i, self.starts[i] + offset)[None] for i, offset in batch]
            yield [i for i, _ in batch], torch.stack(clips)

    def crop(self, index: int, rng: np.random.Generator) -> Tensor:
        """Return the augmented spectrogram of a random part of an event: (1, T, F)."""
        first = self.starts[index] + rng.uniform(0, self._spare_samples(index))
        return augment(self._spectrogram(index, first), rng, self.specaug)[None]

    def view_offsets(self, index: int, views: int) -> list[float]:
        """Return where the different views of an event begin, in samples from its start."""
        return np.unique(np.linspace(0, self._spare_samples(index), views)).tolist()

    def fingerprint(self) -> Iterator[bytes]:
        """Yield what tells these events from others; of the sound, its length and origin.

        Where a pack does not note what a waveform was made from, a second of it has to do.
        """
        yield repr((self.event_ids, self.video_ids, self.starts, self.stops)).encode()
        yield self.labels.tobytes()
        for video_id in sorted(set(self.video_ids)):
            length = self.waveforms.n_samples(video_id)
            middle = length // 2
            second = self.waveforms.read(video_id, middle, middle + self.waveforms.sample_rate)
            yield length.to_bytes(8, "little") + second.tobytes()
            yield self.waveforms.origin(video_id).encode()

    def _spare_samples(self, index: int) -> int:
        """Return by how much an event is longer than a clip."""
        return max(self.stops[index] - self.starts[index] - self.clip_samples, 0)

    def _spectrogram(self, index: int, first: float) -> Tensor:
        """Return (T, F) from sample `first` on, the last frame repeated where sound is missing.

        The published clip is one sample shorter than its nominal length.
        """
        last = min(int(first + self.clip_samples - 1), self.stops[index])
        waveform = self.waveforms.read(self.video_ids[index], int(first), last)
        spectrogram = log_mel(torch.from_numpy(waveform), sample_rate=self.waveforms.sample_rate)
        return spectrogram[torch.arange(self.n_frames).clamp(max=len(spectrogram) - 1)]
