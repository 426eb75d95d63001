import json
import math
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from resumed_training import contents, interrupt, scored_by
from safetensors import safe_open
from tiny_visual_training import (
    CLASSES,
    FPS,
    TINY,
    events_table,
    run_visual,
    write_frames,
)

from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.evaluation.recognition import recognition_metrics
from avlib.extractors.omnivore.network import Omnivore, infer_sizes
from avlib.extractors.omnivore.recipes import OmnivoreTraining
from avlib.extractors.omnivore.sizes import SWIN_B, TrunkSizes
from avlib.extractors.omnivore.steps import build_optimizer, initialise
from avlib.extractors.omnivore.task import paste_rectangle
from avlib.extractors.omnivore.training import train_omnivore
from avlib.extractors.omnivore.trunk import VideoSwin
from avlib.extractors.omnivore.weights import load_omnivore
from avlib.io.checkpoints import load_state_dict
from avlib.io.packs import FrameStore
from avlib.io.tables import write_table
from avlib.training.event_recognition import Outputs, TrainingInputs
from avlib.training.recipes import with_heads


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The outputs of one training that nothing interrupted."""
    return run_visual(tmp_path_factory.mktemp("undisturbed"))


def log_entries(outputs):
    return [json.loads(line) for line in outputs["log_path"].read_text().splitlines()]


def test_a_second_training_gives_the_same_bytes(undisturbed, tmp_path):
    assert contents(run_visual(tmp_path)) == contents(undisturbed)
    assert not (tmp_path / "state").exists()


def test_another_seed_gives_another_model(undisturbed, tmp_path):
    other = run_visual(tmp_path, seed=2)
    assert contents(other)["model_path"] != contents(undisturbed)["model_path"]


@pytest.mark.parametrize("reads", [2, 9, 13, 20])
def test_stopped_anywhere_and_resumed_it_ends_in_the_same_bytes(
    undisturbed, tmp_path, monkeypatch, reads
):
    seen = 0

    def read_and_stop(self, video_id, numbers, read=FrameStore.read):
        nonlocal seen
        seen += 1
        if seen == reads + 8:  # the fingerprint of the data takes a read a video
            signal.raise_signal(signal.SIGTERM)
        return read(self, video_id, numbers)

    with monkeypatch.context() as patch:
        patch.setattr(FrameStore, "read", read_and_stop)
        with pytest.raises(SystemExit) as exit_:
            run_visual(tmp_path)
    assert exit_.value.code == 143
    assert not (tmp_path / "model.safetensors").exists()
    assert contents(run_visual(tmp_path)) == contents(undisturbed)


@pytest.mark.slow
def test_after_killed_processes_it_ends_in_the_same_bytes(undisturbed, tmp_path):
    script = Path(__file__).parents[2] / "tiny_visual_training.py"
    for states in (1, 2):
        assert interrupt(script, tmp_path, states, signal.SIGKILL) == -signal.SIGKILL
        assert not (tmp_path / "model.safetensors").exists()
    assert contents(run_visual(tmp_path)) == contents(undisturbed)


def test_a_state_of_another_recipe_is_not_resumed(undisturbed, tmp_path):
    def stop(probs, labels):
        signal.raise_signal(signal.SIGTERM)
        return recognition_metrics(probs, labels)

    with scored_by(stop), pytest.raises(SystemExit):
        run_visual(tmp_path, recipe=replace(TINY, weight_decay=0.1))
    assert contents(run_visual(tmp_path)) == contents(undisturbed)


def test_the_weights_are_read_by_the_extractor(undisturbed):
    trunk, clip = load_omnivore(undisturbed["model_path"])
    assert (clip.num_frames, clip.crop) == (2, 16)
    state = load_state_dict(undisturbed["model_path"])
    assert infer_sizes(state) == TINY.sizes
    assert state["head.weight"].shape == (2, 16)
    assert trunk(torch.zeros(1, 3, 2, 16, 16)).shape == (1, 16)


def test_the_model_file_says_what_it_is(undisturbed):
    with safe_open(undisturbed["model_path"], "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata.pop("classes")) == CLASSES
    assert metadata == {
        "width": "8",
        "depths": "1,1",
        "heads": "1,2",
        "window": "1,4,4",
        "num_frames": "2",
        "crop": "16",
        "recipe": "miniature",
    }


def test_the_metrics_are_those_of_the_best_epoch(undisturbed):
    result = json.loads(undisturbed["metrics_path"].read_text())
    assert set(result["metrics"]) == {"val", "test"}
    assert result["counts"]["events"] == {"train": 4, "val": 2, "test": 2}
    best = max(entry["val"]["top1"] for entry in log_entries(undisturbed))
    assert result["metrics"]["val"]["top1"] == best
    assert log_entries(undisturbed)[result["best_epoch"] - 1]["val"]["top1"] == best
    kept = [entry["epoch"] for entry in log_entries(undisturbed) if entry["kept"]]
    assert kept[-1] == result["best_epoch"]


def test_of_equal_accuracies_the_more_confident_weights_are_kept(tmp_path):
    """The accuracy is 1 in every epoch, whatever the network says."""

    def flattering(probs, labels):
        confidence = probs[np.arange(len(labels)), labels].mean()
        return recognition_metrics(probs, labels) | {"top1": 1.0, "confidence": confidence}

    with scored_by(flattering):
        outputs = run_visual(tmp_path)
    confidences = [entry["val"]["confidence"] for entry in log_entries(outputs)]
    best = json.loads((tmp_path / "metrics.json").read_text())["best_epoch"]
    assert best == 1 + int(np.argmax(confidences))
    assert best > 1


def test_events_without_pictures_are_left_out_and_counted(tmp_path):
    events = events_table()
    events.loc[events.video_id.isin(["video0", "video7"]), "video_id"] = "broken"
    run_visual(tmp_path, events)
    counts = json.loads((tmp_path / "metrics.json").read_text())["counts"]
    assert counts["events"] == {"train": 3, "val": 2, "test": 1}
    assert counts["events_left_out"] == {"train": 1, "val": 0, "test": 1}


def test_a_training_set_without_pictures_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"split train has any frames \(4 are without\)"):
        run_visual(tmp_path, events_table().assign(video_id="absent"))


def test_a_class_number_out_of_range_names_the_event(tmp_path):
    events = events_table()
    events.loc[3, "class_id"] = 2
    with pytest.raises(DataError, match="event3: class_id is 2, expected 0 to 1"):
        run_visual(tmp_path, events)


def test_two_colours_are_told_apart(tmp_path):
    pack = write_frames(tmp_path / "pack.h5", n_videos=16)
    recipe = replace(TINY, schedule=replace(TINY.schedule, epochs=6), epoch_items=64, batch_size=8)
    run_visual(tmp_path, events_table(16, n_val=4, n_test=6), pack=pack, recipe=recipe)
    metrics = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    assert metrics["test"]["top1"] == 1.0


def with_sounds(actions):
    """Add a sound to each event; a data set may have both, under the same names."""
    sounds = events_table().assign(modality="audio", class_id=1)
    return pd.concat([actions.assign(modality="visual", class_id=pd.NA), sounds])


def test_verbs_and_nouns_are_learnt_beside_sounds_that_have_neither(tmp_path):
    actions = events_table().rename(columns={"class_id": "verb_class"})
    actions["noun_class"] = np.arange(len(actions)) % 3
    heads = {"verb_class": ["wash", "cut"], "noun_class": ["pan", "cup", "fork"]}
    others = {"action_class": ["wash pan"], "class_id": ["water", "rustle"]}
    recipe = with_heads(TINY, heads | others)
    run_visual(tmp_path, with_sounds(actions), recipe=recipe, classes=heads | others)
    result = json.loads((tmp_path / "metrics.json").read_text())
    assert result["counts"]["events"] == {"train": 4, "val": 2, "test": 2}
    joint, by_head = result["metrics"]["val"]["top1"], result["metrics"]["val"]
    assert joint <= min(by_head[head]["top1"] for head in heads)
    assert load_state_dict(tmp_path / "model.safetensors")["head.weight"].shape == (5, 16)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["classes"]) == heads
    assert load_omnivore(tmp_path / "model.safetensors")


def test_one_column_of_actions_is_learnt_as_one_class_of_each_event_is(undisturbed, tmp_path):
    """The weights are those of a study that has the same events under another column."""
    actions = events_table().rename(columns={"class_id": "action_class"})
    classes = {"action_class": CLASSES["class_id"], "class_id": ["water", "rustle"]}
    recipe = with_heads(TINY, classes)
    outputs = run_visual(tmp_path, with_sounds(actions), recipe=recipe, classes=classes)
    ours, theirs = (load_state_dict(o["model_path"]) for o in (outputs, undisturbed))
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_an_action_without_its_noun_is_named(tmp_path):
    actions = events_table().rename(columns={"class_id": "verb_class"})
    actions["noun_class"] = pd.array([0, 0, 0, None, 0, 0, 0, 0], "Int64")
    heads = {"verb_class": ["wash", "cut"], "noun_class": ["pan"]}
    with pytest.raises(DataError, match="event3: noun_class is <NA>, expected 0 to 0"):
        run_visual(tmp_path, actions, recipe=replace(TINY, heads=tuple(heads)), classes=heads)


def test_first_weights_follow_the_rule():
    model = Omnivore(replace(SWIN_B, depths=(1, 1)), num_classes=[5])
    initialise(model, seed=0)
    fc1 = dict(model.trunk.named_parameters())["layers.0.blocks.0.mlp.fc1.weight"]  # 128 -> 512
    bound = math.sqrt(6 / (128 + 512))
    assert fc1.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert fc1.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.01)
    assert model.head.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not any(p.any() for n, p in model.named_parameters() if n.endswith("bias"))
    assert (dict(model.trunk.named_parameters())["norm.weight"] == 1).all()


def test_only_matrices_and_kernels_decay():
    trunk = VideoSwin(TrunkSizes(8, (1, 1), (1, 2), (1, 4, 4)))
    decayed, others = build_optimizer(trunk, 0.1, 0.05).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.05, 0.0)
    shapes = {tuple(p.shape) for p in others["params"]}
    assert (49, 1) in shapes  # 7 x 7 relative positions
    assert all(p.ndim > 1 for p in decayed["params"])
    total = len(decayed["params"]) + len(others["params"])
    assert total == len(list(trunk.parameters()))


def test_a_pasted_square_brings_its_share_of_the_label():
    clips = torch.zeros(2, 3, 2, 10, 10)
    clips[1] = 1
    for seed in range(20):
        mixed, shares = paste_rectangle(clips, torch.eye(2), np.random.default_rng(seed))
        torch.testing.assert_close(mixed[0].mean(), shares[0, 1])
        torch.testing.assert_close(1 - mixed[1].mean(), shares[1, 0])
        torch.testing.assert_close(shares.sum(1), torch.ones(2))


def test_the_stage_reads_the_tables_of_a_study(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr("avlib.extractors.omnivore.recipes.OMNIVORE_RECIPES", {"miniature": TINY})
    events = events_table().reindex(columns=[column.name for column in EVENTS.columns])
    write_table(events, tmp_path / "events.parquet", EVENTS)
    (tmp_path / "classes.json").write_text(json.dumps(CLASSES))
    outputs = {name: tmp_path / path.name for name, path in undisturbed.items()}
    inputs = TrainingInputs(
        events=tmp_path / "events.parquet",
        classes=tmp_path / "classes.json",
        packs=[write_frames(tmp_path / "pack.h5")],
        rate=FPS,
    )
    written = Outputs(tmp_path / "state", **outputs)
    train_omnivore(inputs, OmnivoreTraining(), seed=1, device="cpu", outputs=written)
    assert contents(outputs) == contents(undisturbed)
