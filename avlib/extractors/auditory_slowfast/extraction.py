"""Stage extract_features: the pooled Auditory SlowFast activations of every interval.

Source: Chalk et al., "TIM", CVPR 2024. One unit of work is a video: its intervals in order, each
with its views, in batches of a fixed size whose last one is filled up by repetition. So the
bytes of a feature do not depend on shards, on other videos or on interruptions.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from avlib.device import resolve_device
from avlib.errors import CheckpointError
from avlib.extractors.auditory_slowfast.log_mel import interval_log_mels
from avlib.extractors.auditory_slowfast.network import (
    AuditorySlowFast,
    feature_width,
    fold_batch_norm,
)
from avlib.extractors.auditory_slowfast.presets import PRESETS, Preset
from avlib.extractors.auditory_slowfast.views import view_slices
from avlib.extractors.extraction import NetworkSettings
from avlib.io.atomic import write_json
from avlib.io.checkpoints import file_hash, fit_state_dict, load_metadata, load_state_dict
from avlib.io.packs import Waveform
from avlib.prefetch import prefetched
from avlib.seeds import generator
from avlib.training.spec_augment import augment

logger = logging.getLogger(__name__)

BATCH_SIZE = 32
STEM_WEIGHT = "s1.pathway0_stem.conv.weight"

Item = tuple[Any, int, tuple[int, int]]  # row of the interval table, view, sample range


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings(NetworkSettings):
    """What decides the bytes of the features, beside the sound and the weights.

    Attributes:
        preset: name of the sound's rate and geometry.
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


def load_network(checkpoint: Path) -> AuditorySlowFast:
    """Return the network of a checkpoint, at the file's own width and number of classes.

    Raises:
        CheckpointError: if the file cannot be read, or its backbone does not fit.
    """
    state = load_state_dict(checkpoint)
    if STEM_WEIGHT not in state:
        raise CheckpointError(f"{checkpoint}: no {STEM_WEIGHT}; not an Auditory SlowFast file")
    heads = [state[n].shape[0] for n in sorted(state, reverse=True) if _is_head_weight(n)]
    network = AuditorySlowFast(num_classes=heads or (1,), width=state[STEM_WEIGHT].shape[0])
    fit_state_dict(network, state, checkpoint, skip=None if heads else "head.")
    return network.eval()


def untrained_network(seed: int) -> AuditorySlowFast:
    """Return the published network with random weights, whose features carry nothing learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AuditorySlowFast(num_classes=(1,), width=64).eval()


def check_preset(network: AuditorySlowFast, checkpoint: Path, preset: str) -> None:
    """Stop where published weights meet sound of another rate.

    Raises:
        CheckpointError: if the file's classes or its noted rate belong to another preset.
    """
    expected = PRESETS[preset]
    noted = load_metadata(checkpoint).get("sample_rate")
    classes = network.head.get_submodule(network.head.names[0]).out_features
    others = [name for name, p in PRESETS.items() if p.checkpoint_classes == classes]
    if noted and int(noted) != expected.sample_rate:
        raise CheckpointError(
            f"{checkpoint}: trained on sound at {noted} Hz, but preset {preset} has "
            f"{expected.sample_rate} Hz; change the preset or the checkpoint"
        )
    if not noted and others and preset not in others:
        raise CheckpointError(
            f"{checkpoint}: its {classes} classes are those of {PRESETS[others[0]].checkpoint}; "
            f"preset {preset} needs {expected.checkpoint}; set preset: {others[0]}"
        )


def check_weights(checkpoint: Path, preset: str, target: Path) -> None:
    """Write what a checkpoint is, if it fits the network and the preset.

    Raises:
        CheckpointError: if it does not.
    """
    network = load_network(checkpoint)
    check_preset(network, checkpoint, preset)
    classes = [network.head.get_submodule(name).out_features for name in network.head.names]
    report = {"path": str(checkpoint), "sha256": file_hash(checkpoint), "classes": classes}
    write_json(target, report | {"metadata": load_metadata(checkpoint)})


class FeatureExtractor:
    """The network ready for extraction, and the front end before it."""

    def __init__(self, network: AuditorySlowFast, settings: ExtractionSettings) -> None:
        self.settings = settings
        self.sample_rate = settings.values.sample_rate
        self.device = resolve_device(settings.device)
        self.dtype = getattr(torch, settings.dtype)
        self.channels = feature_width(network.s1.pathway0_stem.conv.out_channels)
        torch.backends.cuda.matmul.allow_tf32 = settings.allow_tf32
        torch.backends.cudnn.allow_tf32 = settings.allow_tf32
        self._network = fold_batch_norm(network).to(self.device, self.dtype)
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def blocks(
        self, waveform: Waveform, intervals: pd.DataFrame, views: int
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the features of a video's intervals in order.

        The spectrograms of a batch are computed while the network works on the batch before.

        Args:
            waveform: the video's sound at the preset's rate.
            intervals: the video's rows of the interval table.
            views: views of each interval; view 0 is not augmented.

        Yields:
            (at most BATCH_SIZE, channels): successive rows of the array [intervals * views,
            channels] in which the views of an interval follow each other.
        """
        items = [
            (interval, view, samples)
            for interval in intervals.itertuples(index=False)
            for view, samples in enumerate(
                view_slices(
                    interval.start_s, interval.stop_s, sample_rate=self.sample_rate, views=views
                )
            )
        ]
        batches = [items[i : i + BATCH_SIZE] for i in range(0, len(items), BATCH_SIZE)]
        spectrograms = prefetched(self._spectrograms(waveform, batch) for batch in batches)
        for batch, log_mels in zip(batches, spectrograms, strict=True):
            yield self._features(log_mels)[: len(batch)]

    def _spectrograms(self, waveform: Waveform, batch: Sequence[Item]) -> Tensor:
        """Return the spectrograms of a batch, filled up to its fixed size: (B, 1, T, F)."""
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


def _is_head_weight(name: str) -> bool:
    return name.startswith("head.") and name.endswith(".weight")
