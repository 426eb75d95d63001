"""YAMNet and EfficientNet-Lite0 against their plain modules: seconds of video a CPU second.

Half a minute of sound and of rendered video, H.264, one interval a second: from a waveform in a
pack, and from the video file with decoding. The plain modules have batch norms and activations of
their own and see one interval at a time. Weights are those of `make weights` where they are there,
else random ones, which take as long.

    .venv/bin/python benchmarks/packaged_extractors.py
"""

import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch
from measure import ROOT, best_cpu_seconds, describe, write_result

from avlib.extractors.efficientnet_lite.images import preprocess
from avlib.extractors.efficientnet_lite.inference import EfficientNetLite0Model, MiddleFrames
from avlib.extractors.efficientnet_lite.network import EfficientNetLite0
from avlib.extractors.efficientnet_lite.weights import (
    load_efficientnet_lite0,
    untrained_efficientnet_lite0,
)
from avlib.extractors.intervals import second_intervals
from avlib.extractors.yamnet.front_end import Recording, interval_patches
from avlib.extractors.yamnet.inference import YamNetModel
from avlib.extractors.yamnet.network import YamNet
from avlib.extractors.yamnet.weights import load_yamnet, untrained_yamnet
from avlib.media import ffmpeg
from avlib.media.frames import read_frames
from avlib.packages import EFFICIENTNET_LITE0, WEIGHTS, YAMNET

SECONDS, RATE, ROUNDS = 30, 16_000, 4
SIZES = {"640x360": 25, "1280x720": 30}  # frames a second
CPU = torch.device("cpu")


def make_video(path: Path, size: str, fps: int) -> Path:
    """Render a video of moving pictures with noise."""
    picture = f"testsrc2=s={size}:r={fps}:d={SECONDS},noise=alls=4:allf=t"
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p"]
    quiet = [ffmpeg.binary(), "-v", "error", "-nostdin"]
    subprocess.run([*quiet, "-f", "lavfi", "-i", picture, *codec, path], check=True)
    return path


def make_pack(path: Path) -> Path:
    """Write a pack of noise."""
    samples = np.random.default_rng(0).normal(0, 3000, SECONDS * RATE).astype(np.int16)
    with h5py.File(path, "w") as pack:
        pack["v"] = samples
    return path


def networks() -> tuple[YamNet, EfficientNetLite0]:
    """Return both networks, with the packaged weights where they are."""
    paths = [ROOT / WEIGHTS / name for name in (YAMNET, EFFICIENTNET_LITE0)]
    yamnet = load_yamnet(paths[0]) if paths[0].is_file() else untrained_yamnet(0)
    if paths[1].is_file():
        return yamnet, load_efficientnet_lite0(paths[1])
    return yamnet, untrained_efficientnet_lite0(0)


def ways(samples: h5py.Dataset, videos: dict[str, Path]) -> dict[str, Callable[[], None]]:
    """Return what is measured, by its name."""
    yamnet, lite0 = networks()
    sounds = YamNetModel(yamnet, CPU, torch.float32)
    pictures = EfficientNetLite0Model(lite0, CPU, torch.float32)
    rows = second_intervals(["v"], SECONDS)
    intervals = [(float(second), second + 1.0) for second in range(SECONDS)]
    small, *_ = videos.values()

    def plain_sound() -> None:
        for interval in intervals:
            yamnet(torch.from_numpy(interval_patches(samples, [interval])[1]))

    def plain_picture() -> None:
        fps = SIZES["640x360"]
        for number, frame in enumerate(read_frames(small, "decoded")):
            if number % fps == fps // 2:
                lite0(torch.from_numpy(preprocess(frame())[None]).contiguous())

    def sound() -> None:
        list(sounds.blocks(Recording(samples, RATE), intervals))

    def picture(size: str) -> None:
        list(pictures.blocks(MiddleFrames(videos[size], rows, "decoded")))

    def both() -> None:
        sound()
        picture("640x360")

    return {
        "YAMNet, plain": plain_sound,
        "YAMNet": sound,
        "EfficientNet-Lite0 of 640x360, plain": plain_picture,
        **{f"EfficientNet-Lite0 of {s}": partial(picture, s) for s in SIZES},
        "decoding of 640x360 alone": lambda: list(MiddleFrames(small, rows, "decoded")),
        "both": both,
    }


def main() -> None:
    """Measure and write the result."""
    describe(__doc__)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        folder = Path(name)
        videos = {s: make_video(folder / f"{s}.mp4", s, fps) for s, fps in SIZES.items()}
        with h5py.File(make_pack(folder / "pack.h5")) as pack:
            best = best_cpu_seconds(ways(pack["v"], videos), ROUNDS)
    result = {f"{what}, CPU ms a second": round(1000 * s / SECONDS, 2) for what, s in best.items()}
    result |= {f"{what}, times real time": round(SECONDS / s, 1) for what, s in best.items()}
    write_result("packaged_extractors", result, "avlib", "av", "numpy", "pillow", "torch")


if __name__ == "__main__":
    main()
