"""What a video costs beside the networks: front ends of Auditory SlowFast and Omnivore, one view.

A shortened video, in the size of EPIC-KITCHENS' images and in that of its videos: decoding, clips
and spectrograms against the forward passes of the full-size networks. That of Omnivore is the
figure of `visual_extraction.py`. The cost of ten minutes follows from that of an interval.

    .venv/bin/python benchmarks/extraction_share.py
"""

import subprocess
import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from measure import RESULTS, best_cpu_seconds, describe, write_result
from threadpoolctl import threadpool_limits
from visual_extraction import ours

from avlib.extractors.auditory_slowfast.extraction import (
    BATCH_SIZE,
    ExtractionSettings,
    FeatureExtractor,
)
from avlib.extractors.auditory_slowfast.weights import untrained_network
from avlib.extractors.intervals import interval_rows
from avlib.io.json_files import read_json
from avlib.media import ffmpeg

FPS, RATE, SOUND_S, TEN_MINUTES_S = 60, 24_000, 10, 600
SIZES = {"456x256": 5, "1920x1080": 2}  # seconds of video
ROUNDS = 2


def make_video(path: Path, size: str, seconds: int) -> Path:
    """Render a video of moving pictures with noise."""
    picture = f"testsrc2=s={size}:r={FPS}:d={seconds},noise=alls=4:allf=t"
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p"]
    quiet = [ffmpeg.binary(), "-v", "error", "-nostdin"]
    subprocess.run([*quiet, "-f", "lavfi", "-i", picture, *codec, path], check=True)
    return path


def visual_front_ends(folder: Path) -> dict[str, float]:
    """Return the CPU seconds of an interval from the file to a batch, by the video's size."""
    variants, counts = {}, {}
    for size, seconds in SIZES.items():
        rows = interval_rows("v", seconds * FPS, FPS)
        path = make_video(folder / f"{size}.mp4", size, seconds)
        variants[size], counts[size] = partial(ours, path, rows, 1, "decoded"), len(rows)
    best = best_cpu_seconds(variants, 1)
    return {size: seconds / counts[size] for size, seconds in best.items()}


def omnivore_forward() -> float:
    """Return the CPU seconds of a clip in the full-size network, from `visual_extraction.py`."""
    measured = read_json(RESULTS / "visual_extraction.json")["result"]
    return float(measured["network, avlib, CPU ms a clip"]) / 1000


def sound() -> dict[str, float]:
    """Return the CPU seconds of an interval: from the waveform to features, and network alone."""
    settings = ExtractionSettings(preset="epic_sounds", specaug="reference", seed=0, device="cpu")
    extractor = FeatureExtractor(untrained_network(0), settings)
    rows = interval_rows("v", SOUND_S * FPS, FPS)
    rows = rows[: len(rows) // BATCH_SIZE * BATCH_SIZE]  # whole batches
    waveform = np.random.default_rng(0).normal(0, 3000, SOUND_S * RATE).astype(np.int16)
    log_mels = torch.randn(BATCH_SIZE, 1, 200, 128)

    def network_alone() -> None:
        for _ in range(len(rows) // BATCH_SIZE):
            extractor._features(log_mels)

    variants = {
        "extraction": lambda: list(extractor.blocks(waveform, rows, 1)),
        "network": network_alone,
    }
    return {name: s / len(rows) for name, s in best_cpu_seconds(variants, ROUNDS).items()}


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        of_sound, front_ends = sound(), visual_front_ends(Path(name))
        clip_s = omnivore_forward()
    intervals = len(interval_rows("v", TEN_MINUTES_S * FPS, FPS))
    networks_s = of_sound["network"] + clip_s
    result: dict[str, float | str] = {
        "Auditory SlowFast, CPU ms an interval": round(1000 * of_sound["network"], 2),
        "with its front end, CPU ms": round(1000 * of_sound["extraction"], 2),
        "Auditory SlowFast, times the network": round(
            of_sound["extraction"] / of_sound["network"], 3
        ),
        "Omnivore, CPU ms a clip": round(1000 * clip_s),
        "ten minutes, both networks, CPU hours": round(intervals * networks_s / 3600, 2),
    }
    for size, front_s in front_ends.items():
        total = of_sound["extraction"] + clip_s + front_s
        result[f"{size}: decoding and clips, CPU ms an interval"] = round(1000 * front_s, 1)
        result[f"{size}: Omnivore, times the network"] = round((clip_s + front_s) / clip_s, 4)
        result[f"{size}: both, times the networks"] = round(total / networks_s, 4)
    result["video"] = f"H.264, {FPS} frames a second; intervals of 1.1 s every 0.2 s"
    write_result("extraction_share", result, "avlib", "av", "opencv-python-headless", "torch")


if __name__ == "__main__":
    main()
