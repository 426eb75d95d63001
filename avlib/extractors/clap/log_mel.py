"""Log-mel spectrograms for CLAP: of the segments of a video, of all of it, and of longer sounds.

Source: Wu et al., ICASSP 2023 (CLAP), section 2.4, and Lai et al. (VALOR), NeurIPS 2023, with their
published code. The extractor of the package transformers is no substitute: where no sound of a
batch is longer than 10 s, it marks one at random as longer, which changes that sound's embedding.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import numpy as np
import torch
import torchaudio.functional as audio
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import functional as transforms

from avlib.errors import DataError

Signal = NDArray[np.float32]
Filling = Literal["repeatpad", "repeat", "pad"]

SAMPLE_RATE = 48_000  # Hz
N_FFT = 1024
HOP_SAMPLES = 480
SEGMENTS = 10  # of a video
CLAP_SAMPLES = 480_000  # ten seconds
N_MELS = 64
LOWEST_HZ, HIGHEST_HZ = 50.0, 14_000.0
HEARD = slice(2, 299)  # bins that filters reach; the power of others is not needed
FLOOR = 1e-10  # of the power, -100 dB
CLIP_FRAMES = 1 + CLAP_SAMPLES // HOP_SAMPLES
COPIES = 4  # log-mels of a sound
LARGEST_INT16 = 32_767
LONGEST_AT_ONCE = 6 * CLAP_SAMPLES  # whose spectrum has 25 MB
CPU = torch.device("cpu")


@cache
def _mel_filters() -> Tensor:
    """Return HTK triangles without area normalisation: (N_FFT // 2 + 1, N_MELS)."""
    bins = N_FFT // 2 + 1
    return audio.melscale_fbanks(bins, LOWEST_HZ, HIGHEST_HZ, N_MELS, SAMPLE_RATE, None, "htk")


def log_mel(waveform: Signal, device: torch.device = CPU) -> Tensor:
    """Return decibels (1 + n_samples // HOP_SAMPLES, N_MELS) of a signal at SAMPLE_RATE.

    Args:
        waveform: (n_samples,).
        device: where they are made.
    """
    samples = torch.from_numpy(np.ascontiguousarray(waveform)).to(device)
    if len(samples) <= LONGEST_AT_ONCE:
        return _decibels(samples, is_centred=True)
    ends = (N_FFT // 2, N_FFT // 2)
    mirrored = torch.nn.functional.pad(samples[None, None], ends, mode="reflect")[0, 0]
    last = len(samples) // HOP_SAMPLES * HOP_SAMPLES
    parts = []
    for first in range(0, last + 1, LONGEST_AT_ONCE):
        stop = min(first + LONGEST_AT_ONCE - HOP_SAMPLES, last) + N_FFT
        parts.append(_decibels(mirrored[first:stop], is_centred=False))
    return torch.cat(parts)


def _decibels(samples: Tensor, *, is_centred: bool) -> Tensor:
    """Return decibels (T, N_MELS) of frames around every hop, or of those inside of a signal."""
    window = torch.hann_window(N_FFT, device=samples.device)
    spectrum = torch.stft(
        samples, N_FFT, HOP_SAMPLES, window=window, center=is_centred, return_complex=True
    ).T  # (T, bins)
    parts = torch.view_as_real(spectrum[:, HEARD])
    power = window.new_zeros(spectrum.shape)
    torch.hypot(parts[..., 0], parts[..., 1], out=power[:, HEARD]).square_()
    filters = _mel_filters().to(samples.device)
    return audio.amplitude_to_DB(power @ filters, 10.0, FLOOR, 0.0)


def quantise(waveform: Signal) -> Signal:
    """Return a signal as 16-bit integers hold it, cut towards zero."""
    integers = (np.clip(waveform, -1.0, 1.0) * LARGEST_INT16).astype(np.int16)
    return (integers / LARGEST_INT16).astype(np.float32)


def repeat_pad(waveform: Signal) -> Signal:
    """Return as many whole repeats of a signal as fit CLAP_SAMPLES, and zeros after them.

    Raises:
        ValueError: if the signal is empty or longer than that.
    """
    return filled(waveform, "repeatpad")


def filled(waveform: Signal, filling: Filling) -> Signal:
    """Return a signal of CLAP_SAMPLES that begins with a shorter one.

    Args:
        waveform: (n_samples,).
        filling: what follows: `repeatpad`, whole repeats and zeros; `repeat`, repeats to the end;
            `pad`, zeros.

    Raises:
        ValueError: if the signal is empty or longer than that.
    """
    if not 0 < len(waveform) <= CLAP_SAMPLES:
        raise ValueError(f"expected 1 to {CLAP_SAMPLES} samples, got {len(waveform)}")
    whole = CLAP_SAMPLES // len(waveform)
    repeats = {"repeatpad": whole, "repeat": whole + 1, "pad": 1}[filling]
    repeated = np.tile(waveform, repeats)[:CLAP_SAMPLES]
    return np.pad(repeated, (0, CLAP_SAMPLES - len(repeated)))


def segment_bounds(n_samples: int) -> NDArray[np.int64]:
    """Return the first sample of each of ten segments, and the one after its last: (10, 2).

    All have the same length, so a sample between two of them may be in neither.

    Raises:
        ValueError: if there are fewer samples than segments.
    """
    if n_samples < SEGMENTS:
        raise ValueError(f"{n_samples} samples cannot be cut into {SEGMENTS} segments")
    starts = np.rint(np.linspace(0, n_samples, SEGMENTS + 1)[:-1]).astype(np.int64)
    return np.stack([starts, starts + n_samples // SEGMENTS], axis=1)


def stretch_indices(n_samples: int) -> NDArray[np.int64]:
    """Return the sample that stands at each place of a clip stretched to ten seconds.

    Returns:
        (CLAP_SAMPLES,), from the first to the last of `n_samples`.

    Raises:
        ValueError: if there is no sample.
    """
    if n_samples < 1:
        raise ValueError(f"expected one sample or more, got {n_samples}")
    return np.rint(np.linspace(0, n_samples - 1, CLAP_SAMPLES)).astype(np.int64)


def segment_mels(waveform: Signal) -> Tensor:
    """Return one log-mel for each of the SEGMENTS of a video: (SEGMENTS, CLIP_FRAMES, N_MELS).

    Args:
        waveform: (n_samples,) in [-1, 1] at SAMPLE_RATE; what is beyond is clipped.

    Raises:
        DataError: if a segment would have no sample, or more than CLAP_SAMPLES.
    """
    length = len(waveform) // SEGMENTS
    if not 0 < length <= CLAP_SAMPLES:
        raise DataError(
            f"{len(waveform)} samples at {SAMPLE_RATE} Hz cannot be cut in {SEGMENTS} segments of "
            f"at most {CLAP_SAMPLES // SAMPLE_RATE} s; the videos should last about 10 s"
        )
    bounds = segment_bounds(len(waveform)).tolist()
    sounds = [repeat_pad(quantise(waveform[start:stop])) for start, stop in bounds]
    return torch.stack([log_mel(sound) for sound in sounds])


def stretched_mel(waveform: Signal) -> Tensor:
    """Return the log-mel (CLIP_FRAMES, N_MELS) of a sound that is stretched to 10 s.

    Samples are repeated or left out, without a filter, as the published features have it.

    Args:
        waveform: (n_samples,) at SAMPLE_RATE, one sample or more.
    """
    return log_mel(quantise(waveform[stretch_indices(len(waveform))]))


def four_copies(log_mels: Tensor) -> Tensor:
    """Return log-mels (B, T, N_MELS) of whole sounds as the network takes them: (B, 4, ...)."""
    return log_mels[:, None].expand(-1, COPIES, -1, -1)


def chunk_ranges(n_frames: int) -> list[NDArray[np.int64]]:
    """Return where the front, the middle and the back chunk of a longer sound may begin.

    Args:
        n_frames: of the whole sound, more than CLIP_FRAMES.
    """
    ranges = np.array_split(np.arange(n_frames - CLIP_FRAMES + 1), COPIES - 1)
    return [r if len(r) else np.zeros(1, np.int64) for r in ranges]


def fused_mels(
    waveform: Signal,
    choose: Callable[[NDArray[np.int64]], int],
    *,
    antialias: bool,
    filling: Filling = "repeatpad",
    int16_round_trip: bool = True,
    device: torch.device = CPU,
) -> tuple[Tensor, bool]:
    """Return the log-mels (4, CLIP_FRAMES, N_MELS) of a sound, and whether it is a longer one.

    A longer sound is shown shrunk as a whole, and by three chunks of 10 s; a shorter one is
    filled, and shown four times. The features of VALOR never are of longer sounds.

    Args:
        waveform: (n_samples,) in [-1, 1] at SAMPLE_RATE, one sample or more.
        choose: takes the first frames that a chunk may have, and returns one; called for the
            front, the middle and the back chunk, in this order.
        antialias: whether the spectrogram is smoothed before it shrinks; torchvision's default
            was without up to its release 0.16.
        filling: of a shorter sound.
        int16_round_trip: whether samples become those that 16-bit integers hold.
        device: where spectrograms are made.
    """
    sound = quantise(waveform) if int16_round_trip else waveform
    bands = log_mel(sound if len(sound) > CLAP_SAMPLES else filled(sound, filling), device)
    if len(bands) <= CLIP_FRAMES:
        return four_copies(bands[None])[0], False
    starts: Sequence[int] = [int(choose(r)) for r in chunk_ranges(len(bands))]
    size = [CLIP_FRAMES, N_MELS]
    shrunk = transforms.resize(bands[None], size, antialias=antialias)[0]
    chunks = [bands[start : start + CLIP_FRAMES] for start in starts]
    return torch.stack([shrunk, *chunks]), True
