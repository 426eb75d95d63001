import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule, rule_input

from avlib.tim.network import TIM
from avlib.verify import verify

GOLDEN = Path(__file__).parents[1] / "golden" / "tim_recognition"
CONFIG = {
    "visual_input_dim": 7,
    "audio_input_dim": 3,
    "d_model": 4,
    "nhead": 2,
    "num_layers": 1,
    "num_feats": 2,
    "include_verb_noun": False,
    "num_class": [6, 2],
}


def run(*paths, dtype="float32"):
    lines = []
    return verify(paths, device="cpu", dtype=dtype, out=lines.append), lines


def save(folder, name, sidecar, arrays):
    (folder / f"{name}.json").write_text(json.dumps(sidecar))
    np.savez(folder / f"{name}.npz", **arrays)


@torch.inference_mode()
def forward_case():
    """A forward case that no golden file has: another size, seed and number of queries."""
    model = TIM(
        **{k: v for k, v in CONFIG.items() if k not in ("num_class", "include_verb_noun")},
        feedforward_scale=4,
        model_modality="audio_visual",
        data_modality="audio_visual",
        visual_classes=(6,),
        audio_classes=2,
        apply_feature_pooling=False,
    ).eval()
    fill_by_rule(model, 5)
    visual, audio, times = (
        rule_input(name, shape, seed)
        for name, shape, seed in (("v", (3, 2, 7), 8), ("a", (3, 2, 3), 9), ("t", (3, 7, 2), 9))
    )
    output = model(*(torch.from_numpy(x) for x in (visual, audio, times)), 1, 2)
    content = {
        "config": CONFIG,
        "num_v_queries": 1,
        "num_a_queries": 2,
        "inputs": {
            "visual": "rule_input('v', [3, 2, 7], 8)",
            "audio": "rule_input('a', [3, 2, 3], 9)",
        },
        "strides": {"time_mlp": [1, 2, 1]},
        "shapes": {"action": [3, 6], "verb": None},
    }
    arrays = {
        "times": times,
        "action_first2": output.action.flatten(0, 1)[:, :2],
        "audio": output.audio.flatten(0, 1),
        "time_mlp": model.time_vectors(torch.from_numpy(times))[:, ::2],
    }
    return content, {f"odd.{name}": np.asarray(array) for name, array in arrays.items()}


@pytest.mark.parametrize("stem", ["state_dict_shapes", "train_steps", "checkpoint_tiny"])
def test_golden_cases_pass(stem):
    passed, lines = run(GOLDEN / f"{stem}.json")
    assert passed, [line for line in lines if "FAIL" in line]


@pytest.mark.slow
def test_golden_forward_passes_pass():
    passed, lines = run(GOLDEN / "forward.json")
    assert passed, [line for line in lines if "FAIL" in line]


def test_golden_cases_in_sections_pass(tmp_path):
    sidecar = json.loads((GOLDEN / "misc.json").read_text())
    kept = {name: sidecar[name] for name in ("seed", "lr", "mixup", "drloc")}
    (tmp_path / "other.json").write_text(json.dumps(kept))
    shutil.copy(GOLDEN / "misc.npz", tmp_path / "other.npz")
    passed, lines = run(tmp_path)
    assert passed, lines
    names = ("lr.small", "lr.ave", "mixup", "drloc")
    assert all(any(f" {name} " in line for line in lines) for name in names)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_case_of_another_size_and_seed_is_run(tmp_path, dtype):
    content, arrays = forward_case()
    save(tmp_path, "unseen", {"seed": 5, "tolerance": 1e-5, "cases": {"odd": content}}, arrays)
    passed, lines = run(tmp_path, dtype=dtype)
    assert passed, lines
    assert sum("action_first2" in line for line in lines) == 2  # with and without feature tokens


@pytest.mark.parametrize("name", ["action_first2", "audio", "time_mlp"])
def test_a_changed_array_fails(tmp_path, name):
    content, arrays = forward_case()
    arrays[f"odd.{name}"] = arrays[f"odd.{name}"] + 1e-3
    save(tmp_path, "case", {"seed": 5, "cases": {"odd": content}}, arrays)
    passed, lines = run(tmp_path)
    failures = [line for line in lines if "FAIL" in line]
    assert not passed and failures and all(name in line for line in failures)


@pytest.mark.parametrize("key", ["joint_clip.losses", "visual_only.param_first4"])
def test_a_changed_step_fails(tmp_path, key):
    with np.load(GOLDEN / "train_steps.npz") as file:
        arrays = dict(file)
    arrays[key] = arrays[key] * 1.001
    sidecar = json.loads((GOLDEN / "train_steps.json").read_text())
    case = key.partition(".")[0]
    save(tmp_path, "steps", sidecar | {"cases": {case: sidecar["cases"][case]}}, arrays)
    passed, lines = run(tmp_path)
    assert not passed and any("FAIL" in line and case in line for line in lines)


def test_a_checkpoint_that_is_missing_is_named(tmp_path):
    for suffix in (".json", ".npz"):
        shutil.copy(GOLDEN / f"checkpoint_tiny{suffix}", tmp_path)
    passed, lines = run(tmp_path)
    assert not passed and any("checkpoint_tiny.pth.tar: no such" in line for line in lines)
