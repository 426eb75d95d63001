import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avlib.verify import verify
from avlib.verify.rule import rule_input
from avlib.verify.soundtracks.expressions import evaluate

GOLDEN = Path(__file__).parents[1] / "golden" / "k600"


def run(*paths):
    lines = []
    passed = verify(paths, device="cpu", dtype="float32", out=lines.append)
    return passed, [line for line in lines if "FAIL" in line]


def changed(stem, folder, change):
    """Write a golden file, changed; return its path."""
    sidecar = json.loads((GOLDEN / f"{stem}.json").read_text())
    change(sidecar)
    (folder / f"{stem}.json").write_text(json.dumps(sidecar))
    if (GOLDEN / f"{stem}.npz").exists():
        shutil.copy(GOLDEN / f"{stem}.npz", folder)
    return folder / f"{stem}.json"


@pytest.mark.parametrize("stem", ["networks", "train_steps", "fusion", "state_dicts"])
def test_golden_cases_pass(stem):
    assert run(GOLDEN / f"{stem}.json") == (True, [])


def test_other_weights_give_other_logits(tmp_path):
    def change(sidecar):
        sidecar["cases"] = [c for c in sidecar["cases"] if c["name"] == "logistic"]
        sidecar["cases"][0]["fill_seed"] = 1

    passed, failures = run(changed("networks", tmp_path, change))
    assert not passed and "logits" in failures[0]


def test_another_network_has_other_weights(tmp_path):
    def change(sidecar):
        only = sidecar["resnet18"]
        sidecar.clear()
        sidecar |= {"resnet34": only}

    passed, failures = run(changed("state_dicts", tmp_path, change))
    assert not passed and len(failures) == 2


def test_another_start_gives_other_losses(tmp_path):
    def change(sidecar):
        sidecar["weights"] = sidecar["weights"].replace("0.01", "0.02")

    passed, failures = run(changed("train_steps", tmp_path, change))
    assert not passed and any("loss of steps 1 to 3" in failure for failure in failures)


def test_another_soundtrack_without_clips_gives_other_fusions(tmp_path):
    path = changed("fusion", tmp_path, lambda sidecar: None)
    with np.load(GOLDEN / "fusion.npz") as file:
        arrays = dict(file)
    arrays["zero_rows"] = np.arange(12)
    np.savez(path.with_suffix(".npz"), **arrays)
    passed, failures = run(path)
    assert not passed and any("sweep" in failure for failure in failures)


def test_an_input_is_what_its_formula_says():
    text = "clip(20*rule_input('x', (steps, 3), seed) - 40, -80, 0) as float32; step e is slice e"
    found = evaluate(text, {"steps": 2, "seed": 5})
    np.testing.assert_array_equal(found, np.clip(20 * rule_input("x", (2, 3), 5) - 40, -80, 0))
    assert found.dtype == np.float32


@pytest.mark.parametrize("text", ["__import__('os')", "open('x')", "(1).real", "2 ** 3", "1 +"])
def test_a_formula_runs_nothing_else(text):
    with pytest.raises(ValueError, match="formula"):
        evaluate(text, {})
