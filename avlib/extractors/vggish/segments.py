"""VGGish's embeddings of the ten seconds of a video, LLP's kind `vggish`.

Source: Tian et al. (LLP), ECCV 2020, and its published extraction scripts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.extractors.extraction import NetworkSettings, ShardFiles
from avlib.extractors.mel_bands import SAMPLE_RATE
from avlib.extractors.segments import SECONDS, FloatArray, SegmentExtractor, extract_segments
from avlib.extractors.vggish.extraction import check_weights as check_vggish
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.vggish.patches import embed, interval_patch
from avlib.extractors.vggish.weights import load_vggish
from avlib.io.packs import INT16_SCALE, as_float32
from avlib.media.decode import read_channels, read_waveform

MOVIEPY_RATE = 44_100  # Hz
MOVIEPY_PEAK = int(0.99 * INT16_SCALE)


def segment_patches(
    waveform: NDArray[np.int16] | NDArray[np.float32], sample_rate: int
) -> FloatArray:
    """Return one patch for VGGish of each second of a video: (SECONDS, 96, 64).

    Args:
        waveform: (n_samples,) or (n_samples, channels), of which the mean is taken; int16, or
            float32 in [-1, 1]. Beyond its end it is zero-padded.
        sample_rate: samples per second of `waveform`, in Hz.

    Raises:
        DataError: if there is no sample.
    """
    if not len(waveform):
        raise DataError("a recording without samples has no features")
    sound = as_float32(waveform)
    mono = sound.mean(axis=1) if sound.ndim > 1 else sound
    return np.stack([interval_patch(mono, s, s + 1, sample_rate) for s in range(SECONDS)])


def picked_samples(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the nearest samples of a recording at 44.1 kHz at the rate of VGGish, without filter.

    So the published script for LLP makes wav files, by way of moviepy 1.0; what is above 8 kHz
    is aliased. For features that need no comparison with the published ones, pass the recording
    itself to `vggish_features`.

    Args:
        samples: (n_samples, channels) at 44.1 kHz.

    Returns:
        (n_samples * 16000 // 44100, channels), clipped at 0.99 of the range.
    """
    n_picked = len(samples) * SAMPLE_RATE // MOVIEPY_RATE
    nearest = np.rint(MOVIEPY_RATE * (np.arange(n_picked) * (1 / SAMPLE_RATE))).astype(np.int64)
    return samples[np.minimum(nearest, len(samples) - 1)].clip(-MOVIEPY_PEAK, MOVIEPY_PEAK)


def vggish_features(
    network: VGGish, waveform: NDArray[np.int16] | NDArray[np.float32], sample_rate: int
) -> FloatArray:
    """Return VGGish's features of a video: (SECONDS, 128), neither rotated nor of 8 bits.

    Args:
        network: on the device and in the precision that it runs in.
        waveform: see `segment_patches`.
        sample_rate: samples per second of `waveform`, in Hz.

    Raises:
        DataError: if there is no sample.
    """
    patches = segment_patches(waveform, sample_rate)
    return np.concatenate(list(embed(network, patches, SECONDS)))


@dataclass(frozen=True, kw_only=True)
class VggishSegmentSettings(NetworkSettings):
    """What decides the bytes of the features, beside the videos and the weights.

    Attributes:
        sound: what is resampled: the audio at its own rate, or samples picked without a filter,
            as moviepy 1.0 does and the published features may have been made.
    """

    sound: Literal["own_rate", "moviepy"] = "own_rate"


class VggishSegmentExtractor(SegmentExtractor[VggishSegmentSettings, VGGish]):
    """Makes the features of videos."""

    module = "avlib.extractors.vggish.segments"

    def load(self, checkpoint: Path, device: torch.device, dtype: torch.dtype) -> VGGish:
        """Return the network of a checkpoint, ready to run."""
        return load_vggish(checkpoint).to(device, dtype)

    def features(self, video: Path, frames: Path | None) -> FloatArray:
        """Return the embeddings of a video's audio: (10, 128)."""
        if self.settings.sound == "own_rate":
            return vggish_features(self.network, *read_channels(video))
        samples = read_waveform(video, MOVIEPY_RATE, channels=2)
        return vggish_features(self.network, picked_samples(samples), SAMPLE_RATE)


def check_weights(checkpoint: Path, target: Path) -> None:
    """Write what a checkpoint is, if it is a VGGish; see `vggish.extraction`."""
    check_vggish(checkpoint, target)


def extract_shard(files: ShardFiles, settings: Mapping[str, Any], views: Mapping[str, int]) -> None:
    """Write the features of every usable video of a shard; see `row.Extractor`."""
    extract_segments(files, VggishSegmentExtractor(files, VggishSegmentSettings(**settings)))
