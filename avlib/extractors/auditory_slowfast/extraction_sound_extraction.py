"""Stage extract_features: Auditory SlowFast features of one shard, from its packs of waveforms."""

import logging
from collections.abc import Iterator
from dataclasses import astuple
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from avlib.device import resolve_device
from avlib.extractors.auditory_slowfast.extraction import (
    ExtractionSettings,
    FeatureExtractor,
    check_preset,
    load_network,
    untrained_network,
)
from avlib.extractors.extraction import Features, ShardFiles, Video, extract_videos
from avlib.extractors.intervals import interval_samples
from avlib.io.checkpoints import file_hash
from avlib.io.packs import WaveformStore
from avlib.io.provenance import code_fingerprint

logger = logging.getLogger(__name__)

BLOCK_SAMPLES = 1 << 20


def extract_sound_shard(
    files: ShardFiles, settings: ExtractionSettings, *, views: dict[str, int]
) -> None:
    """Write the Auditory SlowFast features of every usable video of a shard, and their index.

    Args:
        files: inputs and outputs; the sources are packs.
        settings: what decides the bytes.
        views: views of each interval, by split.

    Raises:
        CheckpointError: if the weights do not fit the network or the preset.
    """
    with WaveformStore(files.sources, sample_rate=settings.values.sample_rate) as waveforms:
        extract_videos(files, SoundExtractor(files.checkpoint, settings, waveforms), views)


class SoundExtractor:
    """Makes the features of videos whose waveforms are in a store.

    Args:
        checkpoint: weights, which are read when the first video needs them; None for random ones.
        settings: what decides the bytes.
        waveforms: sound at the preset's rate.
    """

    def __init__(
        self, checkpoint: Path | None, settings: ExtractionSettings, waveforms: WaveformStore
    ) -> None:
        self._checkpoint, self._settings, self._waveforms = checkpoint, settings, waveforms
        self.made_by = (
            astuple(settings),
            file_hash(checkpoint) if checkpoint else "untrained",
            code_fingerprint("avlib.extractors.auditory_slowfast.extraction_sound_extraction"),
            resolve_device(settings.device),
        )

    @cached_property
    def _network(self) -> FeatureExtractor:
        if self._checkpoint is None:
            logger.warning("random weights: these features carry nothing learned")
            network = untrained_network(self._settings.seed)
        else:
            network = load_network(self._checkpoint)
            check_preset(network, self._checkpoint, self._settings.preset)
        return FeatureExtractor(network, self._settings)

    def content(self, video: Video) -> Iterator[bytes]:
        """Yield a video's waveform."""
        waveform = self._waveforms[video.video_id]
        for first in range(0, len(waveform), BLOCK_SAMPLES):
            yield np.asarray(waveform[first : first + BLOCK_SAMPLES]).tobytes()

    def extract(self, video: Video, rows: pd.DataFrame, views: int) -> Features:
        """Return the features of a video's intervals."""
        waveform, network = self._waveforms[video.video_id], self._network
        rate = network.sample_rate
        starts = [
            interval_samples(start_s, stop_s, sample_rate=rate)[0]
            for start_s, stop_s in zip(rows["start_s"], rows["stop_s"], strict=True)
        ]
        return Features(
            (len(rows), views, network.channels),
            network.blocks(waveform, rows, views),
            lambda: sum(start >= len(waveform) for start in starts),
        )
