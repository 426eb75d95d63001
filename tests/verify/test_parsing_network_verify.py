import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from avlib.verify import verify

GOLDEN = Path(__file__).parents[1] / "golden" / "valor"
STEMS = (
    *("net_han_baseline", "net_valor", "net_valor_plus", "net_valor_plusplus"),
    *("net_valor_pre_norm", "init_by_seed", "losses", "lr_schedule", "clap_time_map"),
    *("state_dict_han_baseline", "state_dict_valor", "state_dict_valor_plus"),
    *("state_dict_valor_plusplus", "train_steps_valor", "train_steps_valor_plusplus"),
)


def run(*paths):
    lines = []
    passed = verify(paths, device="cpu", dtype="float32", out=lines.append)
    return passed, [line for line in lines if "FAIL" in line]


def changed(stem, folder, change):
    """Write a golden sidecar, changed, beside its arrays; return its path."""
    sidecar = json.loads((GOLDEN / f"{stem}.json").read_text())
    change(sidecar)
    (folder / "case.json").write_text(json.dumps(sidecar))
    if (GOLDEN / f"{stem}.npz").exists():
        shutil.copy(GOLDEN / f"{stem}.npz", folder / "case.npz")
    return folder / "case.json"


@pytest.mark.parametrize("stem", STEMS)
def test_golden_cases_pass(stem):
    assert run(GOLDEN / f"{stem}.json") == (True, [])


@pytest.mark.parametrize(
    ("stem", "change", "failure"),
    [
        ("net_valor_plus", {"fill_seed": 1}, "global_prob"),
        ("net_han_baseline", {"fill_seed": 1}, "frame_prob"),
        ("train_steps_valor", {"fill_seed": 1}, "losses"),
        ("train_steps_valor", {"what": "without clipping"}, "grad_norm"),
        ("state_dict_valor", {"n_parameters": 1}, "n_parameters"),
    ],
)
def test_a_changed_case_fails(tmp_path, stem, change, failure):
    passed, failures = run(changed(stem, tmp_path, lambda sidecar: sidecar.update(change)))
    assert not passed and any(failure in line for line in failures)


@pytest.mark.parametrize(
    ("stem", "keys", "value", "failure"),
    [
        ("net_valor_pre_norm", ("config", "norm_where"), "post_norm", "x_audio_out"),
        ("net_valor_plus", ("config", "nhead"), 4, "x_audio_out"),
        ("init_by_seed", ("cases", 0, "seed"), 1001, "first_epoch_order"),
        ("lr_schedule", ("cases", "train_valor", "settings", "warm_up_epoch"), 9, "lr_used"),
        ("train_steps_valor", ("optimizer", "betas"), [0.9, 0.999], "losses"),
        ("train_steps_valor", ("optimizer", "lr_per_step"), [1e-4, 1e-4, 1e-4], "ends"),
    ],
)
def test_another_setting_fails(tmp_path, stem, keys, value, failure):
    def change(sidecar):
        for key in keys[:-1]:
            sidecar = sidecar[key]
        sidecar[keys[-1]] = value

    passed, failures = run(changed(stem, tmp_path, change))
    assert not passed and any(failure in line for line in failures)


def test_other_losses_fail(tmp_path):
    path = changed("losses", tmp_path, lambda sidecar: None)
    with np.load(GOLDEN / "losses.npz") as file:
        arrays = dict(file)
    arrays["output"] = arrays["output"].clip(0.1, 0.9)
    np.savez(path.with_suffix(".npz"), **arrays)
    _, failures = run(path)
    assert [line.split()[2] for line in failures] == [
        "loss_video",
        "loss_total",
        "han_losses_a_v_video",
    ]
