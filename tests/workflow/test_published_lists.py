"""Auditory SlowFast trained by the recipe of VGG-Sound on lists as its authors give them."""

import json

import pytest
from media_files import run_ffmpeg
from workflow_checkout import Checkout

from avlib.io.metadata import load_metadata

pytestmark = pytest.mark.slow

CLIPS = {"train": 4, "val": 2, "test": 2}
TONES = {7: 440, 300: 3520}  # Hz, by class
# What docs/auditory_slowfast.md shows, but for width and length of the training.
OVERLAY = """
custom:
  videos: {0}/videos
  annotation_format: vggsound
  splits: {{train: {0}/train.csv, val: {0}/val.csv, test: {0}/test.csv}}
  pretraining: {{recipe: vggsound, width: 8, epochs: 1, batch_size: 2}}
  shards: 1
  feature_shards: 1
device: cpu
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished training on clips of ten seconds, and its evaluation."""
    folder = tmp_path_factory.mktemp("vggsound")
    (folder / "videos").mkdir()
    for split, count in CLIPS.items():
        rows = ["video,class_id"]
        for number in range(count):
            class_id = list(TONES)[number % 2]
            name = f"-{split}_00000{number}.mp4"
            tone = f"sine=f={TONES[class_id]}:r=16000:d=10"
            run_ffmpeg("-f", "lavfi", "-i", tone, "-c:a", "aac", folder / "videos" / name)
            rows.append(f"{name},{class_id}")
        (folder / f"{split}.csv").write_text("\n".join(rows))
    (folder / "run").mkdir()
    target = "results/custom/asf/test_metrics.json results/custom/model/asf/curves.svg"
    checkout = Checkout(folder / "run", OVERLAY.format(folder), target)
    run = checkout.run()
    assert run.returncode == 0, run.stdout + run.stderr
    return checkout


def test_all_classes_of_vggsound_are_trained_on_the_clips_of_the_lists(finished):
    results = finished.folder / "results/custom"
    trained = json.loads((results / "model/asf/metrics.json").read_text())
    assert trained["recipe"] == "vggsound"
    assert trained["counts"]["events"] == CLIPS
    known = load_metadata(results / "model/asf/model.safetensors")
    assert [len(names) for names in json.loads(known["classes"]).values()] == [309]


def test_the_clips_of_the_test_list_are_evaluated(finished):
    found = json.loads((finished.folder / "results/custom/asf/test_metrics.json").read_text())
    assert (found["split"], found["counts"]["events_evaluated"]) == ("test", CLIPS["test"])
    assert found["metrics"]["views_5"]["audio"]["classes"] == len(TONES)
    assert len(found["metrics"]["views_5"]["audio"]["per_class"]["AP"]) == 309
