import json
import shutil
from pathlib import Path

import pytest

from avlib.verify import verify

GOLDEN = Path(__file__).parents[1] / "golden" / "visual"
FAST = ["omnivore_transforms", "omnivore_augmented", "frame_tables", "rearrange", "state_dicts"]


def run(path):
    lines = []
    passed = verify([path], device="cpu", dtype="float32", out=lines.append)
    return passed, [line for line in lines if "FAIL" in line]


def changed(stem, folder, change):
    """Write a golden file, changed; return its path."""
    sidecar = json.loads((GOLDEN / f"{stem}.json").read_text())
    change(sidecar)
    (folder / f"{stem}.json").write_text(json.dumps(sidecar))
    if (GOLDEN / f"{stem}.npz").exists():
        shutil.copy(GOLDEN / f"{stem}.npz", folder)
    return folder / f"{stem}.json"


@pytest.mark.parametrize("stem", FAST)
def test_golden_cases_pass(stem):
    passed, failures = run(GOLDEN / f"{stem}.json")
    assert passed, failures


@pytest.mark.slow
def test_golden_cases_of_the_network_pass():
    passed, failures = run(GOLDEN / "omnivore.json")
    assert passed, failures


def keep_case(sidecar, name):
    sidecar["cases"] = [case for case in sidecar["cases"] if case["name"].startswith(name)]
    return sidecar["cases"][-1]


def test_another_crop_fails(tmp_path):
    def change(sidecar):
        keep_case(sidecar, "ave_landscape")["crop"] = 30

    passed, failures = run(changed("omnivore_transforms", tmp_path, change))
    assert not passed and len(failures) == 2


def test_other_weights_give_other_features(tmp_path):
    def change(sidecar):
        keep_case(sidecar, "omnivore_swinB/1x3x32x56x56")["fill_seed"] = 1

    assert len(run(changed("omnivore", tmp_path, change))[1]) == 2


def test_other_seeds_draw_other_operations(tmp_path):
    def change(sidecar):
        case = keep_case(sidecar, "aug_epic")
        case["rng"] = case["rng"].replace("12", "13")

    failures = run(changed("omnivore_augmented", tmp_path, change))[1]
    assert ["ops_per_frame" in line for line in failures] == [True, False]


def test_the_clips_before_decide_the_first_frame(tmp_path):
    def change(sidecar):
        sidecar["cases"] = [c for c in sidecar["cases"] if c["name"] in {"aug_ave/0", "aug_ave/2"}]

    assert not run(changed("omnivore_augmented", tmp_path, change))[0]


@pytest.mark.parametrize("key", ["omnivore_frame_indices", "interval_tables"])
def test_another_frame_fails(tmp_path, key):
    def change(sidecar):
        for other in sidecar.keys() - {key}:
            del sidecar[other]
        column = "indices" if key == "omnivore_frame_indices" else "stop_frame"
        sidecar[key][1][column][3] += 1

    assert len(run(changed("frame_tables", tmp_path, change))[1]) == 1


def test_another_shape_of_a_weight_fails(tmp_path):
    def change(sidecar):
        del sidecar["omnivore_swinB"]
        sidecar["omnivore_swinB_epic"]["trunk"][-1][1] = [512]

    assert len(run(changed("state_dicts", tmp_path, change))[1]) == 1
