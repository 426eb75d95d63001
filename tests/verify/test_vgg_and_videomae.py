import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avlib.verify import verify

GOLDEN = Path(__file__).parents[1] / "golden" / "visual"


def run(*paths):
    lines = []
    passed = verify(paths, device="cpu", dtype="float32", out=lines.append)
    return passed, lines


def changed(stem, folder, change):
    """Write a golden file, changed; return its path."""
    sidecar = json.loads((GOLDEN / f"{stem}.json").read_text())
    change(sidecar)
    (folder / f"{stem}.json").write_text(json.dumps(sidecar))
    shutil.copy(GOLDEN / f"{stem}.npz", folder)
    return folder / f"{stem}.json"


def only(*names):
    def change(sidecar):
        sidecar["cases"] = [case for case in sidecar["cases"] if case["name"] in names]

    return change


@pytest.mark.parametrize("stem", ["vggish", "vgg19", "videomae_transforms"])
def test_golden_cases_pass(stem):
    passed, lines = run(GOLDEN / f"{stem}.json")
    assert passed, [line for line in lines if "FAIL" in line]


@pytest.mark.slow
def test_golden_cases_of_videomae_pass():
    passed, lines = run(GOLDEN / "videomae.json")
    assert passed, [line for line in lines if "FAIL" in line]


def test_other_weights_give_other_features(tmp_path):
    def change(sidecar):
        only("decay16k")(sidecar)
        sidecar["cases"][0]["fill_seed"] = 1

    passed, lines = run(changed("vggish", tmp_path, change))
    assert not passed
    failures = [line for line in lines if "FAIL" in line]
    assert len(failures) == 2 and all("embedding" in line for line in failures)


def test_other_draws_give_another_clip(tmp_path):
    def change(sidecar):
        only("aug_landscape/1")(sidecar)
        sidecar["cases"][0]["rng"] = "random.seed(6); numpy.random.seed(6) before item 0"

    assert not run(changed("videomae_transforms", tmp_path, change))[0]


def test_another_sampling_gives_other_frames(tmp_path):
    def change(sidecar):
        sidecar["case"]["frame_sampling_examples"][0]["frames"] = 310
        sidecar["case"]["frames"] |= {"height": 30, "width": 40}

    passed, lines = run(changed("vgg19", tmp_path, change))
    failures = [line for line in lines if "FAIL" in line]
    assert not passed and any("first of 310 frames" in line for line in failures)
    assert any(" features " in line for line in failures)


def test_a_tolerance_is_that_of_the_array(tmp_path):
    path = changed("vggish", tmp_path, only("tone44k"))
    with np.load(GOLDEN / "vggish.npz") as file:
        arrays = dict(file)
    arrays["tone44k/examples"] = arrays["tone44k/examples"] + np.float32(9e-4)
    arrays["tone44k/pca_uint8"] ^= 1  # one up or one down
    np.savez(path.with_suffix(".npz"), **arrays)
    assert run(path)[0]
    arrays["tone44k/embedding"] = arrays["tone44k/embedding"] + np.float32(1e-4)
    np.savez(path.with_suffix(".npz"), **arrays)
    assert not run(path)[0]
