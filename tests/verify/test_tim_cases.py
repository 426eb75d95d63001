import json

import numpy as np
import pytest
import torch
from golden.fill import fill_by_rule, rule_input
from tiny_golden import GOLDEN, changed, copy_with, failures, run

from avlib.tim.network import TIM
from avlib.verify.tim.scores import VALUES, BestRecords

TIM_CASES = GOLDEN / "tim_recognition"
SIZES = {
    "visual_input_dim": 7,
    "audio_input_dim": 3,
    "d_model": 4,
    "nhead": 2,
    "num_layers": 1,
    "num_feats": 2,
    "feedforward_scale": 3,
}


@torch.inference_mode()
def forward_case():
    """A forward case that no golden file has: another size, seed and number of queries."""
    model = TIM(
        **SIZES,
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
        "format": 1,
        "system": "tim",
        "operation": "forward",
        "arrays": "case.npz",
        "arguments": SIZES
        | {"visual_classes": [6], "audio_classes": 2, "num_v_queries": 1, "num_a_queries": 2},
        "inputs": {
            "weights": {"fill": {"seed": 5}},
            "visual": {"rule": {"name": "v", "shape": [3, 2, 7], "seed": 8}},
            "audio": {"rule": {"name": "a", "shape": [3, 2, 3], "seed": 9}},
            "times": {"rule": {"name": "t", "shape": [3, 7, 2], "seed": 9}},
        },
        "expected": {
            "action": {"array": "action", "index": [None, {"stop": 2}], "abs": 1e-5},
            "queries_only/audio": {"array": "audio", "abs": 1e-5},
            "time_mlp": {"array": "time_mlp", "index": [None, {"step": 2}], "abs": 1e-5},
            "verb": {"value": None},
        },
    }
    arrays = {
        "action": output.action.flatten(0, 1)[:, :2],
        "audio": output.audio.flatten(0, 1),
        "time_mlp": model.time_vectors(torch.from_numpy(times))[:, ::2],
    }
    return content, {name: np.asarray(array) for name, array in arrays.items()}


def saved(folder, content, arrays):
    (folder / "case.json").write_text(json.dumps(content))
    np.savez(folder / "case.npz", **arrays)
    return folder / "case.json"


@pytest.mark.parametrize("stem", ["state_dict_shapes", "train_steps", "checkpoint_tiny", "misc"])
def test_golden_cases_pass(stem):
    assert not failures(TIM_CASES / f"{stem}.json")


@pytest.mark.slow
def test_golden_forward_passes_pass():
    assert not failures(TIM_CASES / "forward.json")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_case_of_another_size_and_seed_is_run(tmp_path, dtype):
    passed, lines = run(saved(tmp_path, *forward_case()), dtype=dtype)
    assert passed and sum(line.endswith("pass") for line in lines) == 4, lines


@pytest.mark.parametrize(
    ("array", "entry"),
    [("action", "action"), ("audio", "queries_only/audio"), ("time_mlp", "time_mlp")],
)
def test_a_changed_array_fails(tmp_path, array, entry):
    content, arrays = forward_case()
    arrays[array] = arrays[array] + 1e-3
    (failure,) = failures(saved(tmp_path, content, arrays))
    assert entry in failure


def test_an_unknown_argument_is_named(tmp_path):
    content, arrays = forward_case()
    content["arguments"]["num_heads"] = 2
    (failure,) = failures(saved(tmp_path, content, arrays))
    assert "argument num_heads" in failure


def test_features_that_a_network_takes_are_asked_for(tmp_path):
    content, arrays = forward_case()
    del content["inputs"]["audio"]
    (failure,) = failures(saved(tmp_path, content, arrays))
    assert "no input ['audio']" in failure


@pytest.mark.parametrize(
    ("case", "change", "failure"),
    [
        ("joint_clip", {"gradient_clipping": None}, "grad_norm"),
        ("joint_clip", {"gradient_clipping": 0.5}, "grad_norm"),
        ("joint_no_clip", {"gradient_clipping": 0.5}, "grad_norm"),
        ("joint_no_clip", {"lambda_drloc": 0.2}, "losses"),
        ("visual_only", {"label_smoothing": 0.1}, "losses"),
        ("visual_only", {"schedule": None}, "lr"),
        ("visual_only", {"dropout": 0.5}, "losses"),
    ],
)
def test_other_settings_of_a_training_fail(tmp_path, case, change, failure):
    def update(cases, _arrays):
        cases[case]["arguments"].update(change)

    found = failures(changed("tim_recognition/train_steps.json", tmp_path, update, kept=[case]))
    assert any(line.split()[2] == failure for line in found)


@pytest.mark.parametrize(
    ("change", "failure"),
    [({"weight_decay": 0.5}, "abs_sum"), ({"betas": [0.5, 0.999]}, "first"), ({"lr": 0.1}, "lr")],
)
def test_another_optimiser_fails(tmp_path, change, failure):
    def update(cases, _arrays):
        cases["visual_only"]["arguments"]["optimizer"].update(change)

    path = changed("tim_recognition/train_steps.json", tmp_path, update, kept=["visual_only"])
    assert any(failure in line for line in failures(path))


@pytest.mark.parametrize("key", ["joint_clip.losses", "visual_only.grad_norm_at_step"])
def test_a_changed_step_fails(tmp_path, key):
    def change(_cases, arrays):
        arrays[key] = arrays[key] * 1.001

    case = key.partition(".")[0]
    path = changed("tim_recognition/train_steps.json", tmp_path, change, kept=[case])
    (failure,) = failures(path)
    assert case in failure


def test_a_changed_weight_fails(tmp_path):
    entry = "transformer_encoder.layers.0.self_attn.in_proj_bias abs_sum"

    def change(cases, _arrays):
        cases["visual_only"]["expected"][entry]["value"] *= 1.0001

    path = changed("tim_recognition/train_steps.json", tmp_path, change, kept=["visual_only"])
    (failure,) = failures(path)
    assert entry in failure


def test_a_checkpoint_that_is_missing_is_named(tmp_path):
    path = copy_with("tim_recognition/checkpoint_tiny.json", tmp_path, "checkpoint_tiny.npz")
    (failure,) = failures(path)
    assert "checkpoint_tiny.pth.tar: no such" in failure


def test_a_changed_score_or_record_fails(tmp_path):
    def change(cases, arrays):
        cases["meter"]["expected"]["verb_noun"]["value"][1] += 1
        cases["meter"]["expected"]["train overall_loss"]["value"] += 1
        cases["meter_ave"]["expected"]["is_best"]["value"] = "none"
        cases["best.ave"]["expected"]["answers"]["value"][3][1] = False
        arrays["mixup.out1"][0, 0, 0] += 1e-3
        arrays["drloc.single"] += 1e-3

    found = failures(changed("tim_recognition/misc.json", tmp_path, change))
    assert sorted(line.split()[1] for line in found) == [
        *("best.ave", "drloc.single", "meter", "meter", "meter_ave", "mixup"),
    ]


def test_records_are_strictly_greater_and_kept_for_each_measure():
    records = BestRecords()
    assert records.update({"action": 0.5, "audio": 0.0}) == "act_visual"
    tag = records.update({"action": 0.5, "audio": 0.1, "combined": 0.2})
    assert tag == "combined_audio"
    assert records.best == {"visual": 0.5, "visual_mt": 0.0, "audio": 0.1, "combined": 0.2}
    assert records.epochs == {"visual": 1, "visual_mt": 0, "audio": 2, "combined": 2}
    assert VALUES.keys() == records.best.keys()


def test_a_training_stops_after_its_patience():
    records, stops = BestRecords(), []
    for accuracy in (0.5, 0.4, 0.6, 0.6, 0.1):
        records.update({"audio": accuracy})
        stops.append(records.is_stalled("audio", 1))
    assert stops == [False, False, False, False, True]
    assert not records.is_stalled("audio", None)
    assert records.is_stalled("visual", 4)  # never measured
