"""Log-mel spectrograms of intervals: the published loader, rebuilt, against avlib.

Workload "AVE-8": eight 10 s recordings at 16 kHz, 45 intervals of 1.1 s each, view 0; from wav
files to spectrograms, on one thread. The published loader reads its file, makes its mel filters
and transforms all of its frames for every interval; it is rebuilt here on librosa.

    .venv/bin/python benchmarks/log_mel.py
"""

import tempfile
from pathlib import Path

import librosa
import numpy as np
import soundfile
import torch
from measure import best_cpu_seconds, describe, write_result
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from avlib.extractors.auditory_slowfast.log_mel import interval_log_mels
from avlib.extractors.auditory_slowfast.views import view_slices
from avlib.verify.sources import rule_array

RATE, FILES, INTERVALS, ROUNDS = 16_000, 8, 45, 5
SLICES = [
    view_slices(0.2 * k, 0.2 * k + 1.1, sample_rate=RATE, views=1)[0] for k in range(INTERVALS)
]


def published_way(paths: list[Path]) -> NDArray[np.float32]:
    """Return (intervals, T, F), each interval computed on its own."""
    spectrograms = []
    for path in paths:
        for first, last in SLICES:
            waveform, _ = librosa.load(path, sr=RATE)
            spectrum = librosa.stft(
                waveform[first:last], n_fft=2048, hop_length=80, win_length=160, pad_mode="constant"
            )
            filters = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=128, htk=True, norm=None)
            log_mel = np.log(filters @ np.abs(spectrum) + 1e-6).T
            missing = 200 - len(log_mel)
            spectrograms.append(np.pad(log_mel, ((0, missing), (0, 0)), mode="edge"))
    return np.stack(spectrograms)


def our_way(paths: list[Path]) -> NDArray[np.float32]:
    """Return (intervals, T, F), the intervals of a recording computed together."""
    recordings = [soundfile.read(path, dtype="int16")[0] for path in paths]
    return np.concatenate(
        [interval_log_mels(waveform, SLICES, sample_rate=RATE) for waveform in recordings]
    )


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        paths = [Path(folder) / f"{v}.wav" for v in range(FILES)]
        for v, path in enumerate(paths):
            waveform = rule_array(f"asf/bench/{v}", (10 * RATE,), 0, 0.1)
            samples = np.clip(np.round(waveform * 32768), -32768, 32767).astype(np.int16)
            soundfile.write(path, samples, RATE)
        difference = np.abs(published_way(paths) - our_way(paths)).max()
        seconds = best_cpu_seconds(
            {"published": lambda: published_way(paths), "ours": lambda: our_way(paths)}, ROUNDS
        )
    per_interval = {k: 1000 * s / (FILES * INTERVALS) for k, s in seconds.items()}
    result = {
        "published way, CPU ms per interval": round(per_interval["published"], 2),
        "ours, CPU ms per interval": round(per_interval["ours"], 2),
        "times faster": round(seconds["published"] / seconds["ours"], 1),
        "seconds of sound per CPU second, ours": round(10 * FILES / seconds["ours"]),
        "largest difference in log-mel": float(f"{difference:.1e}"),
    }
    write_result("log_mel", result, "librosa", "numpy", "torch")


if __name__ == "__main__":
    main()
