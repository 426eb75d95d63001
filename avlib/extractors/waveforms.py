"""What all extractors of the intervals of a recording have in common."""

from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd

from avlib.device import resolve_device
from avlib.extractors.extraction import NetworkSettings, UsableVideo
from avlib.extractors.intervals import interval_samples
from avlib.extractors.weights import allow_tf32
from avlib.io.hashes import file_hash
from avlib.io.packs import BLOCK_SAMPLES, Waveform, WaveformStore
from avlib.io.provenance import code_fingerprint

Settings = TypeVar("Settings", bound=NetworkSettings)


class WaveformExtractor(Generic[Settings]):
    """Base of the extractors of waveforms: all but the network and its input.

    Args:
        checkpoint: weights, which are read when the first video needs them; None for random ones.
        settings: what decides the bytes.
        waveforms: audio of the videos, at the rate that the network takes.

    Attributes:
        module: of the extractor; its code decides the bytes.
    """

    module: ClassVar[str]

    def __init__(
        self, checkpoint: Path | None, settings: Settings, waveforms: WaveformStore
    ) -> None:
        self._checkpoint, self._settings, self._waveforms = checkpoint, settings, waveforms
        self._device = resolve_device(settings.device)
        allow_tf32(settings.allow_tf32)
        self.made_by = (
            astuple(settings),
            file_hash(checkpoint) if checkpoint else "untrained",
            code_fingerprint(self.module),
            self._device,
        )

    def content(self, video: UsableVideo) -> Iterator[bytes]:
        """Yield a video's waveform, nothing where it has none."""
        if video.video_id not in self._waveforms:
            return
        waveform = self._waveforms[video.video_id]
        for first in range(0, len(waveform), BLOCK_SAMPLES):
            yield np.asarray(waveform[first : first + BLOCK_SAMPLES]).tobytes()


def count_padded(waveform: Waveform, rows: pd.DataFrame, sample_rate: int) -> int:
    """Return how many intervals begin at or after the end of a waveform, in silence alone."""
    spans = zip(rows["start_s"], rows["stop_s"], strict=True)
    starts = (interval_samples(*span, sample_rate=sample_rate)[0] for span in spans)
    return sum(start >= len(waveform) for start in starts)
