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
from tiny_training import CLASSES, TINY, events_table, run, write_pack

from avlib.errors import CheckpointError, ConfigError, DataError
from avlib.evaluation.recognition import recognition_metrics
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.extractors.auditory_slowfast.recipes import ASF_RECIPES
from avlib.extractors.auditory_slowfast.steps import initialise
from avlib.io.checkpoints import load_state_dict
from avlib.io.weights import save_weights
from avlib.training.recipes import with_heads
from avlib.training.schedules import Schedule


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The outputs of one training that nothing interrupted."""
    return run(tmp_path_factory.mktemp("undisturbed"))


def log_entries(outputs):
    return [json.loads(line) for line in outputs["log_path"].read_text().splitlines()]


def test_a_second_training_gives_the_same_bytes(undisturbed, tmp_path):
    assert contents(run(tmp_path)) == contents(undisturbed)
    assert not (tmp_path / "state").exists()


def test_another_seed_gives_another_model(undisturbed, tmp_path):
    other = run(tmp_path, seed=2)
    assert contents(other)["model_path"] != contents(undisturbed)["model_path"]


@pytest.mark.parametrize("reads", [2, 9, 15, 18, 43])
def test_stopped_anywhere_and_resumed_it_ends_in_the_same_bytes(
    undisturbed, tmp_path, monkeypatch, reads
):
    """The signal comes while a step, the precise statistics or a validation is prepared."""
    from avlib.io.packs import WaveformStore

    seen = 0

    def read_and_stop(self, video_id, first, last, read=WaveformStore.read):
        nonlocal seen
        seen += 1
        if seen == reads + 8:  # the fingerprint of the data takes a read a video
            signal.raise_signal(signal.SIGTERM)
        return read(self, video_id, first, last)

    with monkeypatch.context() as patch:
        patch.setattr(WaveformStore, "read", read_and_stop)
        with pytest.raises(SystemExit) as exit_:
            run(tmp_path)
    assert exit_.value.code == 143
    assert not (tmp_path / "model.safetensors").exists()
    assert list((tmp_path / "state").glob("*.pt"))
    assert contents(run(tmp_path)) == contents(undisturbed)


@pytest.mark.parametrize("evaluation", [3, 5])  # of the third epoch, of the best weights
def test_after_a_crash_it_resumes_from_the_last_epoch(undisturbed, tmp_path, caplog, evaluation):
    calls = 0

    def failing(probs, labels):
        nonlocal calls
        calls += 1
        if calls == evaluation:
            raise RuntimeError("crash in an evaluation")
        return recognition_metrics(probs, labels)

    with scored_by(failing), pytest.raises(RuntimeError, match="crash in an evaluation"):
        run(tmp_path)
    (tmp_path / "log.jsonl").unlink()  # as a workflow does with the outputs of a failed job
    with caplog.at_level("INFO"):
        outputs = run(tmp_path)
    assert f"resume at epoch {evaluation - 1}, step 0" in caplog.text
    assert contents(outputs) == contents(undisturbed)


@pytest.mark.slow
def test_after_killed_processes_it_ends_in_the_same_bytes(undisturbed, tmp_path):
    script = Path(__file__).parents[2] / "tiny_training.py"
    assert interrupt(script, tmp_path, 1, signal.SIGKILL) == -signal.SIGKILL
    assert interrupt(script, tmp_path, 2, signal.SIGTERM) == 143
    assert not (tmp_path / "model.safetensors").exists()
    assert contents(run(tmp_path)) == contents(undisturbed)


def test_a_state_of_other_settings_is_not_resumed(undisturbed, tmp_path):
    """A training stopped under one recipe does not leak into that of another."""

    def stop(probs, labels):
        signal.raise_signal(signal.SIGTERM)
        return recognition_metrics(probs, labels)

    longer = replace(TINY, schedule=replace(TINY.schedule, base_rate=0.02))
    with scored_by(stop), pytest.raises(SystemExit):
        run(tmp_path, recipe=longer)
    assert contents(run(tmp_path)) == contents(undisturbed)


def test_the_log_has_one_line_an_epoch(undisturbed):
    entries = log_entries(undisturbed)
    assert [entry["epoch"] for entry in entries] == [1, 2, 3, 4]
    assert entries[0]["learning_rate"] == TINY.schedule.warmup_start_rate
    assert all(math.isfinite(entry["train_loss"]) for entry in entries)
    assert all(0 <= entry["val"]["top1"] <= 1 for entry in entries)


def test_validation_comes_every_so_many_epochs_and_at_the_end(tmp_path):
    schedule = replace(TINY.schedule, epochs=3)
    outputs = run(tmp_path, recipe=replace(TINY, schedule=schedule, validate_every=2))
    assert ["val" in entry for entry in log_entries(outputs)] == [False, True, True]


def test_of_equal_scores_the_more_confident_weights_are_kept(tmp_path):
    """The scores of the epochs are 0.5, 1, 1, 0 whatever the network says."""
    scores, confidence = iter([0.5, 1.0, 1.0, 0.0]), []

    def scripted(probs, labels):
        confidence.append(probs[np.arange(len(labels)), labels].mean())
        return recognition_metrics(probs, labels) | {"top1": next(scores, 0.0)}

    with scored_by(scripted):
        run(tmp_path)
    expected = 2 if confidence[1] > confidence[2] else 3
    assert json.loads((tmp_path / "metrics.json").read_text())["best_epoch"] == expected


def test_the_model_file_says_what_it_is(undisturbed):
    with safe_open(undisturbed["model_path"], "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata.pop("classes")) == CLASSES
    assert metadata == {"width": "8", "sample_rate": "16000", "recipe": "miniature"}
    model = AuditorySlowFast(num_classes=[2], width=8)
    model.load_state_dict(load_state_dict(undisturbed["model_path"]))


def test_the_metrics_are_those_of_val_and_test(undisturbed):
    result = json.loads(undisturbed["metrics_path"].read_text())
    assert set(result["metrics"]) == {"val", "test"}
    assert result["counts"]["events"] == {"train": 4, "val": 2, "test": 2}
    top1 = [entry["val"]["top1"] for entry in log_entries(undisturbed)]
    assert top1[result["best_epoch"] - 1] == max(top1)
    assert result["metrics"]["val"]["top1"] == max(top1)


def test_events_without_sound_are_left_out_and_counted(tmp_path):
    events = events_table()
    events.loc[events.video_id.isin(["video0", "video7"]), "video_id"] = "silent film"
    run(tmp_path, events)
    counts = json.loads((tmp_path / "metrics.json").read_text())["counts"]
    assert counts["events"] == {"train": 3, "val": 2, "test": 1}
    assert counts["events_left_out"] == {"train": 1, "val": 0, "test": 1}


def test_without_validation_events_the_training_set_decides(tmp_path, caplog):
    run(tmp_path, events_table(n_val=0, n_test=0))
    assert "train is also the validation split" in caplog.text
    result = json.loads((tmp_path / "metrics.json").read_text())
    assert result["validated_on"] == "train"
    assert set(result["metrics"]) == {"train"}


def test_a_training_set_without_sound_is_refused(tmp_path):
    events = events_table().assign(video_id="absent")
    with pytest.raises(DataError, match=r"split train .* \(4 are without\)"):
        run(tmp_path, events)


def test_a_class_number_out_of_range_names_the_event(tmp_path):
    events = events_table()
    events.loc[3, "class_id"] = 2
    with pytest.raises(DataError, match="event3: class_id is 2, expected 0 to 1"):
        run(tmp_path, events)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": ASF_RECIPES["epic_sounds"]}, "24000 Hz, this is at 16000 Hz"),
        ({"recipe": replace(TINY, fine_tunes=True)}, "name the initial weights"),
        ({"recipe": replace(TINY, n_frames=150)}, "are 200 frames"),
        ({"classes": {"verb_class": ["a", "b"]}}, "verb_class"),
        ({"recipe": replace(TINY, schedule=Schedule(1e30, epochs=2))}, "lower the rate"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, **changes)


def test_fine_tuning_keeps_frozen_norms_and_replaces_a_head_of_other_classes(tmp_path):
    first = AuditorySlowFast(num_classes=[5], width=8)
    initialise(first, seed=3)
    weights = first.state_dict()
    save_weights(tmp_path / "initial.safetensors", weights, {})
    recipe = replace(TINY, schedule=Schedule(0.01, epochs=1), fine_tunes=True)
    initial = tmp_path / "initial.safetensors"
    outputs = run(tmp_path, recipe=recipe, initial_weights=initial)
    trained = load_state_dict(outputs["model_path"])
    assert trained["head.projection.weight"].shape[0] == 2
    for name, is_kept in (
        ("s3.pathway0_res0.branch2.a_bn.weight", True),
        ("s3.pathway0_res0.branch2.a_bn.running_mean", True),
        ("s1_fuse.bn.weight", False),
        ("s1_fuse.bn.running_mean", False),
        ("s1.pathway0_stem.conv.weight", False),
    ):
        assert torch.equal(trained[name], weights[name]) == is_kept, name


def test_initial_weights_of_another_width_are_refused(tmp_path):
    path = tmp_path / "wide.safetensors"
    save_weights(path, AuditorySlowFast(num_classes=[2], width=16).state_dict(), {})
    with pytest.raises(CheckpointError, match=r"wide\.safetensors does not fit"):
        run(tmp_path, initial_weights=path)


def test_verbs_and_nouns_are_learnt_together(tmp_path):
    events = events_table().rename(columns={"class_id": "verb_class"})
    events["noun_class"] = np.arange(len(events)) % 3
    heads = {"verb_class": ["low", "high"], "noun_class": ["a", "b", "c"]}
    recipe = replace(TINY, schedule=Schedule(0.01, epochs=1), heads=tuple(heads))
    outputs = run(tmp_path, events, recipe=recipe, classes=heads)
    weights = load_state_dict(outputs["model_path"])
    assert weights["head.projection_verb.weight"].shape[0] == 2
    assert weights["head.projection_noun.weight"].shape[0] == 3
    (entry,) = log_entries(outputs)
    assert entry["val"]["top1"] <= min(entry["val"][head]["top1"] for head in heads)


def test_sounds_are_learnt_as_if_there_were_no_actions_beside_them(undisturbed, tmp_path):
    """Unlabelled events, as those of a test split whose labels are not public, do not count."""
    sounds = events_table().assign(verb_class=pd.NA)
    actions = events_table().assign(modality="visual", class_id=pd.NA, verb_class=0)
    unlabelled = sounds.assign(class_id=pd.NA)
    outputs = run(
        tmp_path,
        pd.concat([actions, sounds, unlabelled]),
        recipe=with_heads(TINY, CLASSES),
        classes={"verb_class": ["wash"], "noun_class": ["pan"], **CLASSES},
    )
    assert contents(outputs) == contents(undisturbed)


@pytest.mark.parametrize(
    ("columns", "heads"),
    [
        (("verb_class", "noun_class", "action_class", "class_id"), ("class_id",)),
        (("verb_class", "noun_class", "action_class"), ("verb_class", "noun_class")),
        (("action_class",), ("action_class",)),
        (("verb_class",), ("class_id",)),  # none fits, which the training says
    ],
)
def test_a_small_recipe_takes_the_heads_that_have_classes(columns, heads):
    assert with_heads(ASF_RECIPES["small"], columns).heads == heads


def test_a_published_recipe_keeps_its_heads():
    recipe = ASF_RECIPES["epic_kitchens"]
    assert with_heads(recipe, ("class_id",)) == recipe


def test_first_weights_follow_the_published_rule():
    model = AuditorySlowFast(num_classes=[300], width=64)
    initialise(model, seed=0)
    conv = model.get_submodule("s5.pathway0_res1.branch2.a")  # 2048 -> 512, kernel (3, 1)
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (512 * 3)), rel=0.01)
    assert model.get_submodule("head.projection").weight.std().item() == pytest.approx(0.01, 0.01)
    assert not model.get_submodule("head.projection").bias.any()
    assert not model.get_submodule("s2.pathway1_res0.branch2.c_bn").weight.any()
    assert (model.get_submodule("s2.pathway1_res0.branch2.b_bn").weight == 1).all()
    assert (model.get_submodule("s2.pathway1_res0.branch1_bn").weight == 1).all()


def test_two_tones_are_told_apart(tmp_path):
    pack = write_pack(tmp_path / "pack.h5", n_videos=24)
    recipe = replace(TINY, schedule=replace(TINY.schedule, epochs=3), epoch_items=48, batch_size=8)
    run(tmp_path, events_table(24, n_val=6, n_test=6), pack=pack, recipe=recipe)
    metrics = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    assert metrics["test"]["top1"] == 1.0
