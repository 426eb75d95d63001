"""Audio images of soundtracks: the published script, rebuilt, against avlib.

Workload: 20 wav files of 10 s, 44.1 kHz, two channels of 16 bits; from the files to ten images of
each on disk, on one thread. The published script transforms clip after clip with librosa, which
makes its mel filters for each, and writes a file an image; ours writes one pack.

    .venv/bin/python benchmarks/audio_images.py
"""

import tempfile
from pathlib import Path

import h5py
import librosa
import numpy as np
import soundfile
import torch
from measure import best_cpu_seconds, describe, write_result
from threadpoolctl import threadpool_limits

from avlib.soundtracks.image_packs import write_images
from avlib.soundtracks.images import audio_images, clip_borders, frame_samples
from avlib.soundtracks.mel import Variant
from avlib.verify.sources import rule_array

RATE, FILES, SECONDS, ROUNDS = 44_100, 20, 10, 5


def published_way(paths: list[Path], folder: Path) -> None:
    """Write a file an image."""
    n_fft, hop = frame_samples(RATE)
    for path in paths:
        waveform, rate = librosa.load(path, sr=None)
        borders = clip_borders(len(waveform), RATE)
        for i, start in enumerate(borders[:-1]):
            mel = librosa.feature.melspectrogram(
                y=waveform[start : borders[i + 1]],
                sr=rate,
                n_fft=n_fft,
                hop_length=hop,
                n_mels=64,
                power=1.0,
            )
            np.save(folder / f"{path.stem}_{i}.npy", librosa.amplitude_to_db(mel, ref=np.max))


def our_way(paths: list[Path], target: Path) -> None:
    """Write one pack of all images."""
    variant: Variant = "librosa_0_9"  # the numbers of the librosa that is installed
    with h5py.File(target, "w") as pack:
        for path in paths:
            waveform, rate = soundfile.read(path, dtype="int16")
            images = audio_images(waveform, sample_rate=rate, variant=variant)
            write_images(pack, path.stem, len(clip_borders(len(waveform), rate)) - 1, images, "f4")


def largest_difference(paths: list[Path], folder: Path, pack: Path) -> float:
    """Return the largest difference between the images of both ways, in dB."""
    with h5py.File(pack) as ours:
        return max(
            float(np.abs(np.load(folder / f"{path.stem}_{i}.npy") - image).max())
            for path in paths
            for i, image in enumerate(ours[path.stem])
        )


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        paths = [folder / f"{i}.wav" for i in range(FILES)]
        for i, path in enumerate(paths):
            waveform = rule_array(f"speed/{i}", (SECONDS * RATE, 2), 0)
            soundfile.write(path, np.round(3000 * waveform).astype(np.int16), RATE)
        pack = folder / "images.h5"
        seconds = best_cpu_seconds(
            {
                "published": lambda: published_way(paths, folder),
                "ours": lambda: our_way(paths, pack),
            },
            ROUNDS,
        )
        difference = largest_difference(paths, folder, pack)
    result = {
        "published way, CPU ms a file": round(1000 * seconds["published"] / FILES, 2),
        "ours, CPU ms a file": round(1000 * seconds["ours"] / FILES, 2),
        "times faster": round(seconds["published"] / seconds["ours"], 1),
        "seconds of sound per CPU second, ours": round(SECONDS * FILES / seconds["ours"]),
        "largest difference in dB": float(f"{difference:.1e}"),
    }
    write_result("audio_images", result, "librosa", "numpy", "torch")


if __name__ == "__main__":
    main()
