"""Omnivore features, front end and network: the published loader, rebuilt, against avlib.

.venv/bin/python benchmarks/visual_extraction.py
"""

import math
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from measure import best_cpu_seconds, describe, write_result
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision.models.video.swin_transformer import SwinTransformer3d

from avlib.extractors.extraction import UsableVideo
from avlib.extractors.frames import MEAN, STD
from avlib.extractors.intervals import interval_rows
from avlib.extractors.omnivore.clips import omnivore_frames
from avlib.extractors.omnivore.extraction import OmnivoreClips, OmnivoreExtractor, OmnivoreSettings
from avlib.extractors.omnivore.sizes import SWIN_B, TrunkSizes
from avlib.extractors.omnivore.trunk import PATCH, VideoSwin, fuse_attention
from avlib.extractors.omnivore.weights import ClipSize
from avlib.extractors.rand_augment import OMNIVORE, augment
from avlib.media import ffmpeg
from avlib.media.frames import FrameMode
from avlib.seeds import generator

FRAMES, FPS, WIDTH, HEIGHT = 300, 30, 480, 360
NUM_FRAMES, CROP = 32, 224
ROUNDS = {1: 2, 4: 1}  # by views; four take minutes a round
NARROW = TrunkSizes(width=8, depths=(1, 1), heads=(1, 1), window=(1, 1, 1))


class NoNetwork(nn.Module):
    """Takes the clips and does nothing with them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, clips: Tensor) -> Tensor:
        """Return zeros (B, 16)."""
        return torch.zeros(len(clips), NARROW.channels)


def make_clip(path: Path) -> Path:
    """Render a clip of the size, rate and codec of many AVE videos."""
    picture = f"testsrc2=s={WIDTH}x{HEIGHT}:r={FPS}:d={FRAMES // FPS},noise=alls=4:allf=t"
    codec = ["-c:v", "libx264", "-crf", "28", "-pix_fmt", "yuv420p"]
    quiet = [ffmpeg.binary(), "-v", "error", "-nostdin"]
    subprocess.run([*quiet, "-f", "lavfi", "-i", picture, *codec, path], check=True)
    return path


def as_published(path: Path, rows: pd.DataFrame, views: int) -> None:
    """Write JPEG files; read, augment, resize and normalise every frame of every item."""
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (MEAN, STD))
    with tempfile.TemporaryDirectory() as name:
        ffmpeg.write_jpeg_frames(path, Path(name))
        files = sorted(Path(name).iterdir())
        for row in rows.itertuples():
            (numbers,) = omnivore_frames([row.start_frame], [row.stop_frame], num_frames=NUM_FRAMES)
            for view in range(views):
                pictures = [cv2.imread(str(files[min(n, len(files) - 1)])) for n in numbers]
                if view:
                    pictures = _augmented(pictures, (row.interval_id, view))
                scale = CROP / min(pictures[0].shape[:2])
                small = [cv2.resize(p, None, fx=scale, fy=scale)[..., ::-1] for p in pictures]
                planes = np.ascontiguousarray(np.stack(small).transpose(3, 0, 1, 2))
                clip = torch.from_numpy(planes).float().div_(255).sub_(mean).div_(std)
                top, left = (math.ceil((size - CROP) / 2) for size in clip.shape[2:])
                clip[:, :, top : top + CROP, left : left + CROP].contiguous()


def _augmented(pictures: list[NDArray[np.uint8]], item: tuple[str, int]) -> list[NDArray[np.uint8]]:
    names, levels = (generator(0, *item, part) for part in ("operations", "levels"))
    operations = OMNIVORE.draw(names, levels)
    images = (Image.fromarray(picture) for picture in pictures)
    return [np.asarray(augment(image, operations, OMNIVORE.fill)) for image in images]


def ours(path: Path, rows: pd.DataFrame, views: int, mode: FrameMode) -> None:
    """Make the batches of a video as the stage does, without the network."""
    clips = OmnivoreClips(
        VideoSwin(NARROW), ClipSize(NUM_FRAMES, CROP), seed=0, first_frame="consistent"
    )
    clips.network = NoNetwork()

    class FrontEnd(OmnivoreExtractor):
        _model = clips

    settings = OmnivoreSettings(frames=mode, first_frame="consistent", seed=0, device="cpu")
    video = UsableVideo("v", "train", "")
    features = FrontEnd(None, settings, {("v", "train"): path}).extract(video, rows, views)
    assert sum(len(block) for block in features.blocks) == len(rows) * views


def front_end(path: Path, views: int) -> dict[str, float]:
    """Return the CPU milliseconds of an item, an interval in a view, in each way."""
    rows = interval_rows("v", FRAMES, FPS)
    variants: dict[str, Callable[[], None]] = {
        "as published": partial(as_published, path, rows, views),
        "avlib, jpeg": partial(ours, path, rows, views, "jpeg"),
        "avlib, decoded": partial(ours, path, rows, views, "decoded"),
    }
    best = best_cpu_seconds(variants, ROUNDS[views])
    return {name: 1000 * seconds / (len(rows) * views) for name, seconds in best.items()}


@torch.inference_mode()
def network() -> dict[str, float]:
    """Return the CPU milliseconds of a clip in torchvision's trunk and in ours for inference."""
    torch.manual_seed(0)
    torchvision = SwinTransformer3d(
        patch_size=list(PATCH),
        embed_dim=SWIN_B.width,
        depths=list(SWIN_B.depths),
        num_heads=list(SWIN_B.heads),
        window_size=list(SWIN_B.window),
    ).eval()
    trunk = fuse_attention(VideoSwin(SWIN_B))
    clip = torch.randn(1, 3, NUM_FRAMES, CROP, CROP)
    variants = {"torchvision": partial(torchvision, clip), "avlib": partial(trunk, clip)}
    return {name: 1000 * s for name, s in best_cpu_seconds(variants, 2).items()}


def main() -> None:
    """Print and write the CPU time of an item in each way."""
    describe(__doc__)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    result: dict[str, float | str] = {}
    with tempfile.TemporaryDirectory() as name:
        path = make_clip(Path(name) / "v.mp4")
        for views in ROUNDS:
            times = front_end(path, views)
            for variant, ms in times.items():
                result[f"front end, {views} views, {variant}, CPU ms an item"] = round(ms, 2)
            for variant in list(times)[1:]:
                ratio = times["as published"] / times[variant]
                result[f"front end, {views} views, {variant}, times as fast"] = round(ratio, 2)
    times = network()
    for variant, ms in times.items():
        result[f"network, {variant}, CPU ms a clip"] = round(ms)
    result["network, times as fast"] = round(times["torchvision"] / times["avlib"], 2)
    result["video"] = f"{FRAMES} frames {WIDTH}x{HEIGHT}, H.264; intervals of 1.1 s every 0.2 s"
    write_result("visual_extraction", result, "avlib", "av", "opencv-python-headless", "torch")


if __name__ == "__main__":
    main()
