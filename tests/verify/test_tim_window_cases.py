import hashlib
import json
import shutil

import pytest
from tiny_golden import GOLDEN, changed, failures, run

DATA_SETS = "tim_recognition/datasets.json"
CLASSES_PER_VERB = [
    264,
    259,
    154,
    141,
    102,
    222,
    38,
    98,
    31,
    112,
]  # of EPIC-KITCHENS-100, the first ten
FACTS = "tim_recognition/facts.json"


def test_golden_data_sets_pass():
    assert not failures(GOLDEN / DATA_SETS)


def test_golden_facts_pass(shared_data):
    passed, lines = run(GOLDEN / FACTS, data=shared_data)
    assert passed and not any(" skip" in line for line in lines[:-1])
    assert sum("sha256" in line for line in lines) == 8


def shifted_window(cases, arrays):
    arrays["synth_epic.val.feat_indices"][3, 2] += 1


def shifted_time(cases, arrays):
    arrays["synth_ave.train.times"][0, 55, 0] += 1e-3  # of a visual query


def padded_time(cases, arrays):
    arrays["synth_perception.val.times"][0, -1, 1] += 1e-3  # where there is no query


def shifted_view(cases, arrays):
    arrays["synth_epic.train.seeded_audio_data_window0"][4] += 0.1


def shifted_score(cases, arrays):
    cases["synth_ave/joint"]["expected"]["combined_acc"]["value"][0] += 2.5


def shifted_prediction(cases, arrays):
    arrays["synth_epic.audio_labels.extract_audio"][5, 5] += 1e-3


def swapped_id(cases, arrays):
    ids = cases["synth_ave/joint"]["expected"]["a_narration_ids"]["value"]
    ids[0], ids[1] = ids[1], ids[0]


def fewer_slots(cases, arrays):
    cases["synth_ave/train"]["arguments"]["audio_slots"] = 19


@pytest.mark.parametrize(
    ("change", "case", "entries"),
    [
        (shifted_window, "synth_epic/val", ["feat_indices"]),
        (shifted_time, "synth_ave/train", ["times"]),
        (padded_time, "synth_perception/val", ["times"]),
        (shifted_view, "synth_epic/train", ["seeded_audio_data_window0"]),
        (shifted_score, "synth_ave/joint", ["combined_acc"]),
        (shifted_prediction, "synth_epic/audio_labels", ["extract_audio"]),
        (swapped_id, "synth_ave/joint", ["a_narration_ids"]),
        (fewer_slots, "synth_ave/train", ["times", "label_class_id", "a_action_ids"]),
    ],
)
def test_a_changed_data_set_fails(tmp_path, change, case, entries):
    shutil.copytree(GOLDEN / "tim_recognition/synthetic", tmp_path / "synthetic")
    found = failures(changed(DATA_SETS, tmp_path, change, kept=[case]))
    assert sorted(line.split()[2] for line in found) == sorted(entries)


def test_a_data_set_without_its_annotations_fails(tmp_path):
    found = failures(changed(DATA_SETS, tmp_path, lambda *_: None, kept=["synth_epic/val"]))
    assert len(found) == 1 and "visual_validation.csv" in found[0]


def test_a_changed_fact_fails(tmp_path, shared_data):
    def change(cases, arrays):
        cases["feature_intervals"]["expected"]["10.0"]["value"]["rows"] = 46
        cases["ave"]["expected"]["val/audio/sha256"]["value"] = "0"
        means = cases["epic_validation_windows"]["expected"]["mean_audio_per_window"]
        means["value"] += 1e-3
        cases["epic_validation_subset_windows/recipe_1"]["arguments"]["num_feats"] = 49

    found = failures(changed(FACTS, tmp_path, change), data=shared_data)
    for name in ("10.0 ", "mean_audio_per_window", "sha256_of_window_lines", "val/audio/sha256"):
        assert sum(name in line for line in found) == 1


def test_facts_of_absent_files_are_skipped_with_the_reason(tmp_path):
    passed, lines = run(GOLDEN / FACTS, data=tmp_path)
    assert passed and sum(line.endswith("pass") for line in lines) == 8
    skipped = [line for line in lines[:-1] if " skip" in line]
    assert len(skipped) == 4 and all("of the folder of public data" in line for line in skipped)


def test_action_classes_are_numbered_by_their_pairs(tmp_path):
    header = "narration_id,video_id,start_timestamp,stop_timestamp,verb,noun,verb_class,noun_class"
    pairs = {"train": [(1, 7), (3, 0), (0, 2)], "validation": [(2, 5), (0, 2), (0, 11)]}
    inputs = {}
    for name, rows in pairs.items():
        lines = [f"{k},P,0:0:{k},0:1:0,v,n,{v},{n}" for k, (v, n) in enumerate(rows)]
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n")
        inputs[name] = {"file": f"{name}.csv"}
    digest = hashlib.sha256(b"0,2\n0,11\n1,7\n2,5\n3,0\n").hexdigest()
    expected = {
        "count": {"value": 5},
        "text": {"value": digest, "statistic": "sha256"},
        "first_class_of_verb": {"value": [0, 2, 3, 4]},
        "classes_per_verb": {"value": [2, 1, 1, 1]},
        "pairs": {"value": [[1, 7], [2, 5], [3, 0]], "index": [{"start": -3}]},
        "validation_rows": {"value": [[2, 5, 3], [0, 2, 0], [0, 11, 1]]},
    }
    passed, lines = run(action_class_case(tmp_path, inputs, expected))
    assert passed and sum(line.endswith("pass") for line in lines) == 6, lines


def test_action_classes_of_the_public_tables_are_the_published_ones(tmp_path, shared_data):
    """The hash of the train table is not known, so this is no golden case."""
    names = ("train", "validation")
    paths = {name: shared_data / f"epic100/EPIC_100_{name}.pkl" for name in names}
    for path in paths.values():
        if not path.is_file():
            pytest.skip(f"the table is absent: {path}")
    rows = [[0, 2, 2], [1, 2, 266], [0, 49, 49], [2, 17, 539], [0, 17, 17]]
    digest = "59ca177972095950c0e62350a7612304ceaf62cdda4eeb5bf1e944facb55c096"
    expected = {
        "count": {"value": 3806},
        "text": {"value": digest, "statistic": "sha256"},
        "first_class_of_verb": {"value": [0, 264, 523, 677], "index": [{"stop": 4}]},
        "classes_per_verb": {"value": CLASSES_PER_VERB, "index": [{"stop": 10}]},
        "pairs": {"value": [[95, 140], [96, 27], [96, 125]], "index": [{"start": -3}]},
        "validation_rows": {"value": rows, "index": [{"stop": 5}]},
    }
    inputs = {name: {"file": str(path)} for name, path in paths.items()}
    assert not failures(action_class_case(tmp_path, inputs, expected))


def action_class_case(folder, inputs, expected):
    case = {"format": 1, "system": "tim", "operation": "epic_action_classes"}
    path = folder / "case.json"
    path.write_text(json.dumps(case | {"inputs": inputs, "expected": expected}))
    return path
