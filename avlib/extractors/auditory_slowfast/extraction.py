"""Stage extract_features: the pooled Auditory SlowFast activations of every interval.

Source: Chalk et al., "TIM", CVPR 2024. One unit of work is a video: its intervals in order, each
with its views, in batches of a fixed size whose last one is padded by repetition. So the
bytes of a feature do not depend on shards, on other videos or on interruptions.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.device import resolve_device
from avlib.extractors.auditory_slowfast.log_mel import interval_log_mels
from avlib.extractors.auditory_slowfast.network import (
    AuditorySlowFast,
    feature_width,
    fold_batch_norm,
)
from avlib.extractors.auditory_slowfast.presets import PRESETS, Preset
from avlib.extractors.auditory_slowfast.views import view_slices
from avlib.extractors.auditory_slowfast.weights import (
    check_preset,
    load_network,
    untrained_network,
)
from avlib.extractors.extraction import (
    FeatureArray,
    NetworkSettings,
    ShardFiles,
    UsableVideo,
    extract_videos,
)
from avlib.extractors.waveforms import WaveformExtractor, count_padded
from avlib.extractors.weights import allow_tf32, load_or_draw, write_report
from avlib.io.packs import Waveform, WaveformStore
from avlib.prefetch import prefetched
from avlib.seeds import generator
from avlib.training.spec_augment import augment

BATCH_SIZE = 32

Item = tuple[Any, int, tuple[int, int]]  # row of the interval table, view, sample range


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings(NetworkSettings):
    """What decides the bytes of the features, beside the audio and the weights.

    Attributes:
        preset: name of the audio's rate and geometry.
        specaug: how spectrograms are masked in augmented views.
        mel_on_device: whether spectrograms are made where the network runs.
    """

    preset: str
    specaug: Literal["reference", "standard"]
    mel_on_device: bool = False

    @property
    def values(self) -> Preset:
        """The values of the preset."""
        return PRESETS[self.preset]


class FeatureExtractor:
    """The network ready for extraction, and the front end before it."""

    def __init__(self, network: AuditorySlowFast, settings: ExtractionSettings) -> None:
        self.settings = settings
        self.sample_rate = settings.values.sample_rate
        self.device = resolve_device(settings.device)
        self.dtype = getattr(torch, settings.dtype)
        self.channels = feature_width(network.s1.pathway0_stem.conv.out_channels)
        allow_tf32(settings.allow_tf32)
        self._network = fold_batch_norm(network).to(self.device, self.dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def blocks(
        self, waveform: Waveform, intervals: pd.DataFrame, views: int
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the features of a video's intervals in order.

        The spectrograms of a batch are computed while the network works on the batch before.

        Args:
            waveform: the video's audio at the preset's rate.
            intervals: the video's rows of the interval table.
            views: views of each interval; view 0 is not augmented.

        Yields:
            (at most BATCH_SIZE, channels): successive rows of the array [intervals * views,
            channels] in which the views of an interval follow each other.
        """
        items = (
            (interval, view, samples)
            for interval in intervals.itertuples(index=False)
            for view, samples in enumerate(
                view_slices(
                    interval.start_s, interval.stop_s, sample_rate=self.sample_rate, views=views
                )
            )
        )
        batches = iter(lambda: list(itertools.islice(items, BATCH_SIZE)), [])
        sized = ((len(batch), self._spectrograms(waveform, batch)) for batch in batches)
        for n_items, log_mels in prefetched(sized):
            yield self._features(log_mels)[:n_items]

    def _spectrograms(self, waveform: Waveform, batch: Sequence[Item]) -> Tensor:
        """Return the spectrograms of a batch, padded to its fixed size: (B, 1, T, F)."""
        log_mels = interval_log_mels(
            waveform,
            [samples for _, _, samples in batch],
            sample_rate=self.sample_rate,
            device=self.device if self.settings.mel_on_device else "cpu",
        )
        for row, (interval, view, _) in enumerate(batch):
            if view > 0:
                draws = generator(self.settings.seed, interval.interval_id, view)
                log_mels[row] = augment(log_mels[row], draws, self.settings.specaug)
        missing = BATCH_SIZE - len(batch)
        filled = torch.cat([log_mels, log_mels[-1:].expand(missing, -1, -1)])
        return filled.unsqueeze(1)

    @torch.inference_mode()
    def _features(self, log_mels: Tensor) -> NDArray[np.float32]:
        x = log_mels.to(self.device, self.dtype, memory_format=torch.channels_last)
        return self._network.features(x).float().cpu().numpy()


class SoundExtractor(WaveformExtractor[ExtractionSettings]):
    """Makes the features of videos."""

    module = "avlib.extractors.auditory_slowfast.extraction"

    @cached_property
    def _network(self) -> FeatureExtractor:
        draw = partial(untrained_network, self._settings.seed)
        network = load_or_draw(self._checkpoint, load_network, draw)
        if self._checkpoint is not None:
            check_preset(network, self._checkpoint, self._settings.preset)
        return FeatureExtractor(network, self._settings)

    def extract(self, video: UsableVideo, rows: pd.DataFrame, views: int) -> FeatureArray:
        """Return the features of a video's intervals."""
        waveform, network = self._waveforms[video.video_id], self._network
        return FeatureArray(
            (len(rows), views, network.channels),
            network.blocks(waveform, rows, views),
            lambda: count_padded(waveform, rows, network.sample_rate),
        )


def check_weights(checkpoint: Path, target: Path, *, preset: str) -> None:
    """Write what a checkpoint is, if it fits the network and the preset.

    Raises:
        CheckpointError: if it does not.
    """
    network = load_network(checkpoint)
    check_preset(network, checkpoint, preset)
    classes = [network.head.get_submodule(name).out_features for name in network.head.names]
    write_report(target, checkpoint, {"classes": classes})


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    own = ExtractionSettings(**settings)
    with WaveformStore(files.sources, sample_rate=own.values.sample_rate) as waveforms:
        extract_videos(files, SoundExtractor(files.checkpoint, own, waveforms), views)
