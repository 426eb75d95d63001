import numpy as np
import pytest
from tiny_golden import GOLDEN, changed, failures, run

SLOW = {"omnivore", "videomae"}
FAST = sorted({path.stem for path in (GOLDEN / "visual").glob("*.json")} - SLOW)


@pytest.mark.parametrize("stem", FAST)
def test_golden_cases_pass(stem):
    assert failures(GOLDEN / "visual" / f"{stem}.json") == []


@pytest.mark.slow
@pytest.mark.parametrize("stem", sorted(SLOW))
def test_golden_cases_of_the_networks_pass(stem):
    assert failures(GOLDEN / "visual" / f"{stem}.json") == []


def check(stem, folder, case_id, change):
    """Return what fails in a golden case that is changed."""
    path = f"visual/{stem}.json"
    return failures(changed(path, folder, lambda cases, _: change(cases[case_id]), [case_id]))


def test_another_crop_fails(tmp_path):
    found = check(
        "omnivore_transforms",
        tmp_path,
        "ave_landscape/0",
        lambda case: case["arguments"].update(crop=30),
    )
    assert len(found) == 2


def small_trunk(case):
    case["arguments"] = {"width": 16, "depths": [1, 1], "heads": [2, 4], "window": [4, 3, 3]}
    case["inputs"]["clips"]["rule"]["shape"] = [1, 3, 4, 32, 32]
    shapes = {"features": [1, 32], "fused/features": [1, 32], "layers.0": [1, 32, 2, 4, 4]}
    case["expected"] = {
        name: {"statistic": "shape", "value": shape} for name, shape in shapes.items()
    }


def test_a_trunk_of_other_sizes_is_run(tmp_path):
    assert check("omnivore", tmp_path, "omnivore_swinB/1x3x32x56x56/seed0", small_trunk) == []


def test_another_draw_gives_another_augmentation(tmp_path):
    def change(case):
        draw = case["inputs"]["draws"]["value"][2][1]
        draw["level"] /= 2

    found = check("omnivore_augmented", tmp_path, "aug_epic/3", change)
    assert any("augmentation" in line for line in found) and any(" clip" in line for line in found)


@pytest.mark.parametrize("case_id", ["omnivore 1", "videomae 1"])
def test_another_frame_fails(tmp_path, case_id):
    def change(case):
        case["expected"]["numbers"]["value"][3] += 1

    assert len(check("frame_tables", tmp_path, case_id, change)) == 1


@pytest.mark.parametrize("column", ["stop_frame", "start_sec"])
def test_another_interval_fails(tmp_path, column):
    def change(case):
        case["expected"][column]["value"][3] += 1

    assert len(check("frame_tables", tmp_path, "intervals 1", change)) == 1


@pytest.mark.parametrize(
    ("case_id", "name"),
    [
        ("omnivore_swinB_epic", "norm.weight"),
        ("videomae_vit_large_patch16_224_ek100", "fc_norm.weight"),
        ("vggish", "features.0.bias"),
    ],
)
def test_another_shape_of_a_weight_fails(tmp_path, case_id, name):
    def change(case):
        case["expected"]["by_name"]["value"][name][0] = [7]

    (line,) = check("state_dicts", tmp_path, case_id, change)
    assert name in line


def test_other_weights_give_other_embeddings(tmp_path):
    def change(case):
        case["inputs"]["weights"]["fill"]["seed"] = 1

    found = check("vggish", tmp_path, "decay16k", change)
    assert len(found) == 2 and not any("examples" in line for line in found)


def test_other_draws_give_another_clip(tmp_path):
    def change(case):
        case["inputs"]["draws"]["value"].pop()

    assert check("videomae_transforms", tmp_path, "aug_landscape/1", change)


def test_another_sampling_gives_other_frames(tmp_path):
    def change(cases, arrays):
        first = next(name for name in cases if name.startswith("vgg19/300 frames"))
        cases[first]["arguments"]["frames"] = 310
        cases["vgg19"]["inputs"]["frames"]["picture"] |= {"height": 30, "width": 40}

    found = failures(changed("visual/vgg19.json", tmp_path, change))
    assert any("310" in line or "300 frames" in line for line in found)
    assert any(" features " in line for line in found)


def test_a_tolerance_is_that_of_the_array(tmp_path):
    def change(cases, arrays):
        arrays["tone44k/examples"] += np.float32(9e-4)  # resampled
        arrays["tone44k/pca_uint8"] ^= 1  # one up or one down

    kept = ["tone44k", "tone44k/8 bits"]
    assert run(changed("visual/vggish.json", tmp_path, change, kept))[0]

    def change_embedding(cases, arrays):
        arrays["tone44k/embedding"] += np.float32(1e-4)

    assert not run(changed("visual/vggish.json", tmp_path, change_embedding, kept))[0]
