import hashlib
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from avlib.verify import verify

GOLDEN = Path(__file__).parents[1] / "golden/tim_recognition"


def run(path):
    lines = []
    passed = verify([path], device="cpu", dtype="float32", out=lines.append)
    return passed, lines


def failures(path):
    passed, lines = run(path)
    found = [line for line in lines if "FAIL" in line]
    assert passed == (not found)
    return found


def changed(folder, stem, change):
    """Copy a golden file and change its sidecar and arrays."""
    sidecar = json.loads((GOLDEN / f"{stem}.json").read_text())
    arrays = {}
    if (GOLDEN / f"{stem}.npz").exists():
        with np.load(GOLDEN / f"{stem}.npz") as file:
            arrays = dict(file)
    change(sidecar, arrays)
    (folder / f"{stem}.json").write_text(json.dumps(sidecar))
    if arrays:
        np.savez(folder / f"{stem}.npz", **arrays)
    return folder / f"{stem}.json"


def test_golden_data_sets_pass():
    assert not failures(GOLDEN / "datasets.json")


def test_golden_scores_pass():
    passed, lines = run(GOLDEN / "misc.json")
    assert passed, [line for line in lines if "FAIL" in line]
    for case in ("meter", "meter_ave", "best.epic_joint", "best.ave", "best.epic_audio"):
        assert any(line.split()[1] == case for line in lines)


@pytest.fixture
def facts_folder(tmp_path, shared_data):
    """A folder of golden cases with the annotation files beside it."""
    folder = tmp_path / "golden/tim_recognition"
    folder.mkdir(parents=True)
    (tmp_path / "data").symlink_to(shared_data)
    return folder


def test_golden_facts_pass(facts_folder):
    shutil.copy(GOLDEN / "facts.json", facts_folder)
    passed, lines = run(facts_folder / "facts.json")
    assert passed, [line for line in lines if "FAIL" in line]
    for name in ("recipe_1 sha256_of_window_lines", "perception_like sha256_of_window_lines"):
        assert any(name in line for line in lines)
    for split in ("train", "val", "test"):
        assert any(f"ave {split} audio sha256" in line for line in lines)
    assert any("epic_validation_windows windows" in line for line in lines)


def shifted_window(sidecar, arrays):
    arrays["synth_epic.val.feat_indices"][3, 2] += 1


def shifted_time(sidecar, arrays):
    arrays["synth_ave.train.times"][0, 55, 0] += 1e-3  # of a visual query


def padded_time(sidecar, arrays):
    arrays["synth_perception.val.times"][0, -1, 1] += 1e-3  # where there is no query


def shifted_view(sidecar, arrays):
    arrays["synth_epic.train.seeded_audio_data_window0"][4] += 0.1


def shifted_score(sidecar, arrays):
    sidecar["datasets"]["synth_ave"]["runs"]["joint"]["metrics"]["combined_acc"][0] += 2.5


def shifted_prediction(sidecar, arrays):
    arrays["synth_epic.audio_labels.extract_audio"][5, 5] += 1e-3


def swapped_id(sidecar, arrays):
    ids = sidecar["datasets"]["synth_ave"]["runs"]["joint"]["a_narration_ids"]
    ids[0], ids[1] = ids[1], ids[0]


@pytest.mark.parametrize(
    ("change", "array"),
    [
        (shifted_window, "synth_epic.val.feat_indices"),
        (shifted_time, "synth_ave.train.times"),
        (padded_time, "synth_perception.val.times"),
        (shifted_view, "synth_epic.train.seeded_audio_data_window0"),
        (shifted_score, "synth_ave.joint.combined_acc"),
        (shifted_prediction, "synth_epic.audio_labels.extract_audio"),
        (swapped_id, "synth_ave.joint.a_narration_ids"),
    ],
)
def test_a_changed_data_set_fails(tmp_path, change, array):
    shutil.copytree(GOLDEN / "synthetic", tmp_path / "synthetic")
    (failure,) = failures(changed(tmp_path, "datasets", change))
    assert array in failure


def test_a_data_set_without_its_annotations_fails(tmp_path):
    (failure,) = failures(changed(tmp_path, "datasets", lambda sidecar, arrays: None))
    assert ("synth_epic" in failure and "cannot be read" in failure) or "not a readable" in failure


def test_a_changed_score_or_answer_fails(tmp_path):
    def change(sidecar, arrays):
        sidecar["meter"]["expected"]["verb_noun"][1] += 1
        sidecar["meter"]["expected"]["train"]["overall_loss"] += 1
        sidecar["meter_ave"]["expected"]["is_best"] = "none"
        sidecar["best"]["cases"]["ave"]["answers"][3][1] = False

    found = failures(changed(tmp_path, "misc", change))
    assert [line.split()[1] for line in found] == ["meter", "meter", "meter_ave", "best.ave"]


def test_a_changed_fact_fails(facts_folder):
    def change(sidecar, arrays):
        sidecar["feature_intervals"]["counts"]["10.0"]["rows"] = 46
        sidecar["ave"]["splits"]["val"]["sha256"] = "0"
        sidecar["epic_validation_windows"]["mean_audio_per_window"] += 1e-3
        sidecar["epic_validation_subset_windows"]["cases"]["recipe_1"]["arguments"]["num_feats"] = (
            49
        )

    found = failures(changed(facts_folder, "facts", change))
    for name in ("feature_intervals 10.0 s", "mean_audio_per_window", "recipe_1 sha256"):
        assert sum(name in line for line in found) == 1
    assert sum("ave val" in line and "sha256" in line for line in found) == 2  # both modalities


def test_facts_that_need_absent_files_are_said_and_do_not_count(tmp_path, caplog):
    folder = tmp_path / "golden/tim_recognition"
    folder.mkdir(parents=True)
    shutil.copy(GOLDEN / "facts.json", folder)
    with caplog.at_level(logging.WARNING):
        passed, lines = run(folder / "facts.json")
    assert passed and all("feature_intervals" in line for line in lines[1:-1])
    assert len(caplog.messages) == 4
    assert all("not compared, there is no" in message for message in caplog.messages)


def test_facts_of_absent_files_alone_do_not_pass(tmp_path):
    folder = tmp_path / "golden/tim_recognition"
    folder.mkdir(parents=True)

    def change(sidecar, arrays):
        for name in [name for name in sidecar if name not in ("about", "ave")]:
            del sidecar[name]

    (failure,) = failures(changed(folder, "facts", change))
    assert "nothing to compare" in failure


def test_action_classes_are_compared_where_the_train_table_is_there(tmp_path):
    folder = tmp_path / "golden/tim_recognition"
    (tmp_path / "data/epic100").mkdir(parents=True)
    folder.mkdir(parents=True)
    header = "narration_id,video_id,start_timestamp,stop_timestamp,verb,noun,verb_class,noun_class"
    pairs = {"train": [(1, 7), (3, 0), (0, 2)], "validation": [(2, 5), (0, 2), (0, 11)]}
    for name, rows in pairs.items():
        lines = [f"{k},P,0:0:{k},0:1:0,v,n,{v},{n}" for k, (v, n) in enumerate(rows)]
        text = "\n".join([header, *lines]) + "\n"
        (tmp_path / f"data/epic100/EPIC_100_{name}.csv").write_text(text)

    def change(sidecar, arrays):
        for name in [name for name in sidecar if name not in ("about", "epic_action_classes")]:
            del sidecar[name]
        digest = hashlib.sha256(b"0,2\n0,11\n1,7\n2,5\n3,0\n").hexdigest()
        sidecar["epic_action_classes"] |= {
            "count": 5,
            "sha256_of_lines_verb_comma_noun": digest,
            "first_class_of_verbs_0_1_2_3": [0, 2, 3, 4],
            "classes_per_verb_0_to_9": [2, 1, 1, 1, 0, 0, 0, 0, 0, 0],
            "last_three_pairs": [[1, 7], [2, 5], [3, 0]],
            "first_five_validation_rows": [[2, 5, 3], [0, 2, 0], [0, 11, 1]],
        }

    passed, lines = run(changed(folder, "facts", change))
    assert passed and sum(line.endswith("pass") for line in lines) == 6, lines
