"""The real Snakefile on a small rendered LLP, with random weights and features given as files."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from workflow_checkout import Checkout

from avlib.datasets.miniature.llp import miniature_plan
from avlib.extractors.clap.network import ClapSizes
from avlib.extractors.clap.weights import untrained_clap
from avlib.extractors.clip.network import ClipSizes, TowerSizes
from avlib.extractors.clip.weights import untrained_clip
from avlib.io.text_tokens import write_byte_tokenizer
from avlib.valor.feature_folders import FEATURE_KINDS
from avlib.valor.metrics import TABLE
from avlib.valor.recipes import PARSER_RECIPES
from avlib.valor.weights import network_sizes, new_parser

pytestmark = pytest.mark.slow

VIDEOS = {"train": 4, "val": 2, "test": 3}
TOWER = TowerSizes(width=64, depth=1, feedforward=32)
CLIP = ClipSizes(TOWER, TOWER, 224, 112, vocabulary=49_408, positions=77, embedding=16)
CLAP = ClapSizes(
    8, (1, 1, 1, 1), (1, 1, 1, 1), 64, 1, 32, vocabulary=261, positions=79, embedding=16
)
OVERLAY = """
llp:
  miniature: {{classes: 2, train_videos: 4, val_videos: 2, test_videos: 3}}
  features: {{vggish: {0}/vggish, res152: {0}/res152, r2plus1d_18: {0}/r2plus1d_18}}
  checkpoints: {{clip: {0}/clip, clap: {0}/clap/model.safetensors}}
  teachers: {{audio: {{tokenizer: {0}/tokenizer}}}}
  variants: [han, valor]
  training: {{epochs: 2}}
  shards: 1
"""
THRESHOLD = "llp={{'teachers': {{'visual': {{'thresholds': {}}}}}}}"


def write_inputs(folder):
    """Write features of all videos, and weights of both teachers."""
    rng = np.random.default_rng(0)
    for kind in ("vggish", "res152", "r2plus1d_18"):
        (folder / kind).mkdir()
        for video in miniature_plan(classes=2, videos=VIDEOS, seed=0):
            feature = rng.normal(size=(FEATURE_KINDS[kind].rows, 8)).astype(np.float32)
            np.save(folder / kind / f"{video.video_id}.npy", feature)
    for name, network in (("clip", untrained_clip(CLIP, 0)), ("clap", untrained_clap(CLAP, 0))):
        network.model.save_pretrained(folder / name)
    write_byte_tokenizer(folder / "tokenizer")


@pytest.fixture(scope="module")
def llp(tmp_path_factory):
    """A finished run on nine videos."""
    folder = tmp_path_factory.mktemp("llp")
    write_inputs(folder)
    checkout = Checkout(folder, OVERLAY.format(folder), "llp")
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout


def test_the_variants_stand_side_by_side(llp):
    summary = json.loads((llp.folder / "results/llp/summary.json").read_text())
    assert set(summary["variants"]) == {"han", "valor"}
    for variant in summary["variants"].values():
        assert set(variant["scores"]) == set(TABLE)
    valor = summary["variants"]["valor"]
    metrics = json.loads((llp.folder / "results/llp/valor/test_metrics.json").read_text())
    assert {name: metrics["metrics"]["test"][name] for name in TABLE} == valor["scores"]
    assert metrics["counts"]["videos"] == {"listed": 3, "evaluated": 3}
    assert metrics["models"]["clip"]["weights"] == "given"


def test_disagreements_in_the_labels_are_counted(llp):
    labels = json.loads((llp.folder / "results/llp/labels.json").read_text())
    assert len(labels["dense"]["audio"]["empty"]) == len(labels["dense"]["audio"]["unknown"]) == 1


def test_the_video_without_sound_has_no_labels_of_the_ear(llp):
    manifest = pd.read_parquet(llp.folder / "results/llp/manifest.parquet")
    mute = manifest["video_id"][manifest["status"] == "no_audio"].tolist()
    folder = llp.folder / "results/llp/pseudo_labels/audio"
    assert len(mute) == 1
    assert {path.stem for path in folder.glob("*.npy")} == set(manifest["video_id"]) - set(mute)


def test_a_second_run_does_nothing(llp):
    assert "Nothing to be done" in llp.run().stderr


def test_a_changed_threshold_runs_no_teacher(llp):
    changed = THRESHOLD.format([-100.0] + [100.0] * 24)
    assert llp.jobs(changed) == {
        "make_pseudo_labels": 1,
        "train_parser": 1,
        "parse_events": 1,
        "evaluate_llp": 2,
        "draw_parsed_events": 1,
        "draw_curves": 1,
        "summarise_variants": 1,
        "draw_variants": 1,
        "llp": 1,
    }


def test_given_weights_of_a_variant_are_evaluated_without_training(llp, tmp_path):
    recipe = PARSER_RECIPES["valor"]
    sizes = network_sizes(recipe, dict.fromkeys(("audio", "visual", "motion"), 8))
    torch.save(new_parser(0, **sizes)[0].state_dict(), tmp_path / "best.pt")
    given = f"llp={{'checkpoints': {{'parsers': {{'valor': '{tmp_path}/best.pt'}}}}}}"
    ran = llp.jobs(given)
    assert "train_parser" not in ran and ran["parse_events"] == 1
