"""The real Snakefile with extractors of all kinds on a small folder of one's own."""

import numpy as np
import pandas as pd
import pytest
import torch
from media_files import make_video, run_ffmpeg
from tiny_clips import save_clap
from workflow_checkout import Checkout

from avlib.extractors.resnet.network import ResNet
from avlib.extractors.vggish.network import VGGish

NAMES = ("yamnet", "efficientnet_lite0", "clap", "vggish", "res152")
FEATURES = "results/custom/features"
OVERLAY = """
custom:
  videos: {folder}/videos
  extractors: [{names}]
  checkpoints:
    yamnet: untrained
    efficientnet_lite0: untrained
    clap: {folder}/clap.pt
    vggish: {folder}/vggish.pth
    res152: {folder}/res152.pth
  shards: 1
  feature_shards: 1
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run on a video, a silent one and a sound file."""
    folder = tmp_path_factory.mktemp("own extractors")
    make_video(folder / "videos/both.mp4", sample_rate=48_000)
    make_video(folder / "videos/silent.mp4", audio_codec=None)
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=2:r=48000", folder / "videos/sound.wav")
    torch.manual_seed(0)
    save_clap(folder / "clap.pt")
    torch.save(VGGish(width=2, hidden=16).state_dict(), folder / "vggish.pth")
    torch.save(ResNet(blocks=(1, 1, 1, 1), width=4).state_dict(), folder / "res152.pth")
    targets = [f"{FEATURES}/{name}/index.parquet" for name in NAMES]
    overlay = OVERLAY.format(folder=folder, names=", ".join(NAMES))
    checkout = Checkout(folder, overlay, " ".join(targets))
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout, run.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "channels"),
    list(zip(NAMES, (1024, 1280, 16, 128, 128), strict=True)),
)
def test_every_extractor_has_features_of_the_same_intervals(finished, name, channels):
    folder = finished[0].folder / FEATURES / name
    index = pd.read_parquet(folder / "index.parquet").set_index("video_id")
    lacking = {"silent": "no_audio"} if name in ("yamnet", "clap", "vggish") else None
    lacking = lacking or {"sound": "no_frames"}
    assert index["status"].to_dict() == {v: lacking.get(v, "ok") for v in index.index}
    intervals = pd.read_parquet(finished[0].folder / "results/custom/intervals/test.parquet")
    for video_id, path in index["path"][index["status"] == "ok"].items():
        features = np.load(folder / path)
        assert features.shape == ((intervals["video_id"] == video_id).sum(), 1, channels)
        assert np.isfinite(features).all() and features.any()


@pytest.mark.slow
def test_visual_extractors_share_a_job(finished):
    _, said = finished
    assert said.count("rule extract_together:") == 1
    assert said.count("rule extract_features:") == 3  # of sound
