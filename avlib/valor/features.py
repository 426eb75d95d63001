"""Features of LLP from networks that were trained on labels: ResNet-152, R(2+1)D-18 and VGGish.

Source: Tian et al., "Unified Multisensory Perception: Weakly-Supervised Audio-Visual Video
Parsing" (LLP), ECCV 2020, and its published extraction scripts; VGGish as the AVE features of Tian
et al., ECCV 2018, have it.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from avlib.errors import CheckpointError, DataError
from avlib.extractors.vggish.network import VGGish
from avlib.extractors.vggish.patches import SAMPLE_RATE, embed, interval_patch
from avlib.io.checkpoints import fit_state_dict, load_state_dict
from avlib.io.packs import INT16_SCALE, as_float32
from avlib.io.renaming import count_blocks
from avlib.media.frames import Picture
from avlib.valor.pictures import r2plus1d_input, res152_input, spread_indices
from avlib.valor.pooled_networks import STAGES, R2Plus1d, ResNet

SECONDS = 10
FRAMES_PER_SECOND = 8
BATCH_FRAMES = 16
MOVIEPY_RATE = 44_100  # Hz
MOVIEPY_PEAK = int(0.99 * INT16_SCALE)
CLASSIFIERS = ("fc.", "last_linear.")  # of torchvision, and of the package pretrainedmodels
COUNTER = "num_batches_tracked"  # of normalisations; files from before 2018 hold none

N = TypeVar("N", bound=nn.Module)


def res152_features(network: nn.Module, pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Return ResNet-152's features of a video: (SECONDS * FRAMES_PER_SECOND, width).

    Args:
        network: from `load_resnet152`, on the device and in the precision that it runs in; its
            published width is 2048.
        pictures: all frames of the video, one or more, of which as many are looked at.
    """
    chosen = _eighty(pictures)
    return np.concatenate(
        [
            _run(network, res152_input(chosen[first : first + BATCH_FRAMES]))
            for first in range(0, len(chosen), BATCH_FRAMES)
        ]
    )


def r2plus1d_features(network: nn.Module, pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Return R(2+1)D-18's features of a video: (SECONDS, width).

    Args:
        network: from `load_r2plus1d_18`, on the device and in the precision that it runs in; its
            published width is 512.
        pictures: all frames of the video, one or more.
    """
    frames = r2plus1d_input(_eighty(pictures))  # (80, 3, H, W)
    clips = frames.reshape(SECONDS, FRAMES_PER_SECOND, *frames.shape[1:])
    return _run(network, clips.transpose(1, 2))  # (10, 3, 8, H, W)


def segment_patches(
    waveform: NDArray[np.int16] | NDArray[np.float32], sample_rate: int
) -> NDArray[np.float32]:
    """Return one patch for VGGish of each second of a video: (SECONDS, 96, 64).

    Args:
        waveform: (n_samples,) or (n_samples, channels), of which the mean is taken; int16, or
            float32 in [-1, 1]. Beyond its end it is silent.
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
    folds back. For sound that needs no comparison with the published features, give
    `vggish_features` the recording itself.

    Args:
        samples: (n_samples, channels) at 44.1 kHz.

    Returns:
        (n_samples * 16000 // 44100, channels), cut at 0.99 of the range.
    """
    n_picked = len(samples) * SAMPLE_RATE // MOVIEPY_RATE
    nearest = np.rint(MOVIEPY_RATE * (np.arange(n_picked) * (1 / SAMPLE_RATE))).astype(np.int64)
    return samples[np.minimum(nearest, len(samples) - 1)].clip(-MOVIEPY_PEAK, MOVIEPY_PEAK)


def vggish_features(
    network: VGGish, waveform: NDArray[np.int16] | NDArray[np.float32], sample_rate: int
) -> NDArray[np.float32]:
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


def load_resnet152(checkpoint: Path) -> ResNet:
    """Return the network of a file of torchvision's ResNet-152, with or without classifier.

    It has the file's own sizes, which may be smaller ones.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    return _load(ResNet, {"width": "bn1.weight"}, checkpoint)


def load_r2plus1d_18(checkpoint: Path) -> R2Plus1d:
    """Return the network of a file of torchvision's R(2+1)D-18, with or without classifier.

    It has the file's own sizes, which may be smaller ones.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    norms = {"width": "stem.4.weight", "middle": "stem.1.weight"}
    return _load(R2Plus1d, norms, checkpoint)


def untrained(build: Callable[[], N], seed: int) -> N:
    """Return what `build` makes with random weights, whose features carry nothing learned."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build().eval()


def _load(network_class: type[N], norms: Mapping[str, str], checkpoint: Path) -> N:
    """Return the network of a file.

    Args:
        network_class: takes `blocks` and the sizes.
        norms: tensor that has as many values as there are channels, for each size.
        checkpoint: the file.

    Raises:
        CheckpointError: if the file cannot be read or does not fit.
    """
    state = {
        name: tensor
        for name, tensor in load_state_dict(checkpoint).items()
        if not name.startswith(CLASSIFIERS)
    }
    blocks = [count_blocks(state, f"layer{stage}.") for stage in range(1, STAGES + 1)]
    missing = [f"layer{stage}" for stage, count in enumerate(blocks, start=1) if not count]
    missing += [name for name in norms.values() if name not in state]
    if missing:
        raise CheckpointError(
            f"{checkpoint}: no {missing[0]}; not a file of torchvision's {network_class.__name__}"
        )
    sizes = {size: state[name].numel() for size, name in norms.items()}
    network = untrained(lambda: network_class(blocks=blocks, **sizes), 0)
    counters = {n: t for n, t in network.state_dict().items() if n.endswith(COUNTER)}
    fit_state_dict(network, counters | state, checkpoint)
    return network


def _eighty(pictures: Sequence[Picture]) -> list[Picture]:
    count = SECONDS * FRAMES_PER_SECOND
    return [pictures[i] for i in spread_indices(len(pictures), count)]


@torch.inference_mode()
def _run(network: nn.Module, inputs: Tensor) -> NDArray[np.float32]:
    parameter = next(network.parameters())
    outputs = network(inputs.to(parameter.device, parameter.dtype))
    return outputs.float().cpu().numpy()
