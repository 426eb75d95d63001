"""What the training loop sees of Auditory SlowFast: labelled events as spectrograms, and steps.

Source: Kazakos et al., ICASSP 2021, and the training of EPIC-SOUNDS (Huh et al., ICASSP 2023).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from avlib.extractors.auditory_slowfast.batch_norm import train_mode, update_precise_statistics
from avlib.extractors.auditory_slowfast.log_mel import log_mel
from avlib.extractors.auditory_slowfast.recipes import AsfRecipe
from avlib.extractors.auditory_slowfast.steps import build_optimizer, train_step
from avlib.prefetch import prefetched
from avlib.training.event_recognition import EventRecognition
from avlib.training.events import LabelledEvents
from avlib.training.spec_augment import augment

if TYPE_CHECKING:
    import pandas as pd

    from avlib.io.packs import WaveformStore


class SoundEvents(LabelledEvents):
    """The events of one split whose video has audio; an input is (1, T, F).

    Args:
        events: as in `LabelledEvents`.
        waveforms: audio of the videos.
        heads: as in `LabelledEvents`.
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
        super().__init__(
            events,
            {v: waveforms.n_samples(v) for v in set(events.video_id) if v in waveforms},
            rate=waveforms.sample_rate,
            heads=heads,
            clip_ticks=round(waveforms.sample_rate * clip_s),
            truncates=truncates_samples,
        )
        self.waveforms, self.n_frames, self.specaug = waveforms, n_frames, specaug

    def clip(self, index: int, first: float) -> Tensor:
        """Return the spectrogram from a sample on: (1, T, F)."""
        return self._spectrogram(index, first)[None]

    def augmented_clip(self, index: int, first: float, rng: np.random.Generator) -> Tensor:
        """Return the augmented spectrogram from a sample on: (1, T, F)."""
        return augment(self._spectrogram(index, first), rng, self.specaug)[None]

    def video_fingerprint(self, video_id: str) -> bytes:
        """Return length and origin of a video's audio.

        Where a pack does not note what a waveform was made from, a second of it has to do.
        """
        length = self.waveforms.n_samples(video_id)
        middle = length // 2
        second = self.waveforms.read(video_id, middle, middle + self.waveforms.sample_rate)
        return repr((length, self.waveforms.origin(video_id))).encode() + second.tobytes()

    def _spectrogram(self, index: int, first: float) -> Tensor:
        """Return (T, F) from sample `first` on, the last frame repeated where audio is missing.

        The published clip is one sample shorter than its nominal length.
        """
        last = min(int(first + self.clip_ticks - 1), self.stops[index])
        waveform = self.waveforms.read(self.video_ids[index], int(first), last)
        spectrogram = log_mel(torch.from_numpy(waveform), sample_rate=self.waveforms.sample_rate)
        return spectrogram[torch.arange(self.n_frames).clamp(max=len(spectrogram) - 1)]


class SoundRecognition(EventRecognition):
    """What `avlib.training.loop.fit` trains: the network, on the events of two splits."""

    title = "Auditory SlowFast"

    def __init__(
        self,
        model: nn.Module,
        recipe: AsfRecipe,
        *,
        splits: Mapping[str, LabelledEvents],
        seed: int,
    ) -> None:
        super().__init__(
            model,
            build_optimizer(model, recipe.schedule.base_rate),
            recipe,
            splits=splits,
            seed=seed,
        )
        self.precise_steps = min(self.steps, recipe.precise_batches)

    def train_step(self, batch: tuple[Tensor, Tensor]) -> float:
        """Update the network once and return the loss."""
        train_mode(self.model)
        spectrograms, labels = (x.to(self.device) for x in batch)
        return train_step(self.model, self.optimizer, spectrograms, labels)

    def validate(self, epoch: int, check: Callable[[], None]) -> tuple[float, dict[str, Any]]:
        """Make the statistics of the batch norms precise, and evaluate.

        Statistics matter in evaluation only, so other epochs do without.
        """
        train_mode(self.model)
        update_precise_statistics(self.model, self._precise_batches(epoch, check))
        return super().validate(epoch, check)

    def _precise_batches(self, epoch: int, check: Callable[[], None]) -> Iterator[Tensor]:
        steps = range(self.precise_steps)
        for spectrograms, _ in prefetched(
            self.training.crop_batches(
                self.seed, "precise", epoch, batch_size=self.batch_size, steps=steps
            )
        ):
            yield spectrograms.to(self.device)
            check()
