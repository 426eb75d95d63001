import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule, rule_input

from avlib.errors import ConfigError
from avlib.extractors.auditory_slowfast.network import AuditorySlowFast
from avlib.verify import verify

GOLDEN = Path(__file__).parents[1] / "golden" / "asf"
SLOW = {"forward", "train_steps"}
FAST = sorted(path.stem for path in GOLDEN.glob("*.json") if path.stem not in SLOW)


def run(*paths, dtype="float32"):
    lines = []
    passed = verify(paths, device="cpu", dtype=dtype, out=lines.append)
    return passed, lines


def copy_golden(stem, folder, name=None):
    for suffix in (".json", ".npz"):
        if (GOLDEN / f"{stem}{suffix}").exists():
            shutil.copy(GOLDEN / f"{stem}{suffix}", folder / f"{name or stem}{suffix}")


def save(folder, name, sidecar, arrays):
    (folder / f"{name}.json").write_text(json.dumps(sidecar))
    np.savez(folder / f"{name}.npz", **arrays)


def two_headed_case():
    """A forward case that no golden file has: another size, length, seed and two heads."""
    model = AuditorySlowFast(num_classes=[5, 3], width=8).eval()
    fill_by_rule(model, 11)
    spec = {"name": "other", "shape": [2, 1, 64, 128], "seed": 9, "scale": 1.5, "offset": -4.0}
    x = torch.from_numpy(rule_input("other", (2, 1, 64, 128), 9, 1.5) - np.float32(4))
    with torch.inference_mode():
        features, (verb, noun) = model.features(x), model(x)
    content = {"id": "verbs", "num_classes": [5, 3], "fill_seed": 11, "input": spec}
    arrays = {"features": features, "logits_verb": verb, "probs_noun": noun.softmax(-1)}
    return content, {f"verbs/{name}": array.numpy() for name, array in arrays.items()}


@pytest.mark.parametrize("stem", FAST)
def test_golden_cases_pass(stem):
    passed, lines = run(GOLDEN / f"{stem}.json")
    assert passed, [line for line in lines if "FAIL" in line]


@pytest.mark.slow
@pytest.mark.parametrize("stem", sorted(SLOW))
def test_golden_cases_of_the_whole_network_pass(stem):
    passed, lines = run(GOLDEN / f"{stem}.json")
    assert passed, [line for line in lines if "FAIL" in line]


def test_files_are_recognised_by_their_content_and_not_by_their_name(tmp_path):
    copy_golden("npyfiles", tmp_path, "intervals")
    copy_golden("metrics", tmp_path, "some other name")
    (tmp_path / "deeper").mkdir()
    copy_golden("packing", tmp_path / "deeper", "forward")
    passed, lines = run(tmp_path)
    assert passed and lines[-1].startswith("3 sidecars")


def test_a_changed_array_fails_and_says_by_how_much(tmp_path):
    copy_golden("npyfiles", tmp_path)
    sidecar = json.loads((tmp_path / "npyfiles.json").read_text())
    with np.load(tmp_path / "npyfiles.npz") as file:
        arrays = dict(file)
    arrays["out/P01_01"][2, 1, 0] += 0.25
    save(tmp_path, "npyfiles", sidecar, arrays)
    passed, lines = run(tmp_path)
    (failure,) = [line for line in lines if "FAIL" in line]
    assert not passed and "out/P01_01" in failure and "2.50e-01" in failure


def test_a_case_of_another_size_seed_and_number_of_heads_is_run(tmp_path):
    content, arrays = two_headed_case()
    save(
        tmp_path,
        "unseen",
        {"tolerance": {"logits": "abs 2e-5 + rel 1e-5"}, "cases": [content]},
        arrays,
    )
    passed, lines = run(tmp_path)
    assert passed, lines
    assert sum("logits_verb" in line for line in lines) == 2  # plain and folded


def test_a_case_can_have_a_tolerance_of_its_own(tmp_path):
    content, arrays = two_headed_case()
    arrays["verbs/features"] = arrays["verbs/features"] + 1e-3
    save(tmp_path, "loose", {"tolerance": 1e-5, "cases": [content | {"tolerance": 0.01}]}, arrays)
    assert run(tmp_path / "loose.json")[0]
    save(tmp_path, "strict", {"tolerance": 1e-5, "cases": [content]}, arrays)
    assert not run(tmp_path / "strict.json")[0]


def test_networks_run_in_the_precision_that_is_asked_for(tmp_path):
    content, arrays = two_headed_case()
    save(tmp_path, "case", {"tolerance": 1e-5, "cases": [content]}, arrays)
    assert run(tmp_path, dtype="float64")[0]
    assert not run(tmp_path, dtype="bfloat16")[0]


def test_an_unknown_sidecar_is_a_failure(tmp_path):
    (tmp_path / "unknown.json").write_text('{"colour": "red"}')
    copy_golden("packing", tmp_path)
    passed, lines = run(tmp_path)
    (failure,) = [line for line in lines if "FAIL" in line]
    assert not passed and failure.startswith("not recognised") and "colour" in failure


def test_a_case_that_cannot_run_fails_and_the_next_one_runs(tmp_path):
    cases = json.loads((GOLDEN / "specaug.json").read_text())
    good = next(case for case in cases["cases"] if case["op"] == "freq_mask")
    broken = good | {"id": "broken", "draws": []}
    (tmp_path / "case.json").write_text(json.dumps(cases | {"cases": [broken, good]}))
    passed, lines = run(tmp_path)
    (failure,) = [line for line in lines if "FAIL" in line]
    assert not passed and "broken" in failure and "IndexError" in failure
    assert any(good["id"] in line and line.endswith("pass") for line in lines)


@pytest.mark.parametrize("text", ["{", "[1, 2]"])
def test_a_file_that_is_no_sidecar_is_a_failure(tmp_path, text):
    (tmp_path / "broken.json").write_text(text)
    passed, lines = run(tmp_path)
    assert not passed and "FAIL" in lines[1] and "broken.json" in lines[1]


def test_arrays_that_cannot_be_read_are_a_failure(tmp_path):
    copy_golden("metrics", tmp_path)
    (tmp_path / "metrics.npz").write_bytes(b"PK\x03\x04 torn")
    passed, lines = run(tmp_path)
    assert not passed and "FAIL" in lines[1] and "metrics.npz" in lines[1]


def test_a_device_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="device abacus"):
        verify([GOLDEN], device="abacus", dtype="float32")


def test_a_folder_without_cases_is_no_success(tmp_path):
    assert not run(tmp_path)[0]
    assert not run(tmp_path / "absent")[0]


def test_an_array_of_another_shape_is_a_failure(tmp_path):
    content, arrays = two_headed_case()
    arrays["verbs/features"] = arrays["verbs/features"][:1]
    save(tmp_path, "case", {"cases": [content]}, arrays)
    passed, lines = run(tmp_path)
    assert not passed and any("shape (2, 288), expected (1, 288)" in line for line in lines)
