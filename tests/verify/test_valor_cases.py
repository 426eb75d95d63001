import pytest
from tiny_golden import GOLDEN, changed, failures, run

SCORES = ["eval_chain", "eval_test", "eval_val"]
STEMS = (
    *("eval_event_edges", "index_rules", "labels", "pseudo_labels"),
    *("net_han_baseline", "net_valor", "net_valor_plus", "net_valor_plusplus"),
    *("net_valor_pre_norm", "init_by_seed", "losses", "lr_schedule", "clap_time_map"),
    *("state_dict_han_baseline", "state_dict_valor", "state_dict_valor_plus"),
    *("state_dict_valor_plusplus", "train_steps_valor", "train_steps_valor_plusplus"),
)


def results(found):
    """Return the names of what is expected in lines of a report."""
    return [line[48:94].strip() for line in found]


def change_at(*keys, value):
    def change(cases, _arrays):
        entry = cases
        for key in keys[:-1]:
            entry = entry[key]
        entry[keys[-1]] = value

    return change


@pytest.mark.parametrize("stem", STEMS)
def test_golden_cases_pass(stem):
    passed, lines = run(GOLDEN / f"valor/{stem}.json")
    assert passed and not any(" info" in line for line in lines[:-1]), lines


@pytest.mark.parametrize("stem", SCORES)
def test_golden_scores_pass(stem, shared_data):
    passed, lines = run(GOLDEN / f"valor/{stem}.json", data=shared_data)
    assert passed and not any(" skip" in line for line in lines[:-1]), lines


def test_label_files_that_are_absent_are_said(tmp_path):
    passed, lines = run(GOLDEN / "valor/eval_val.json", data=tmp_path)
    skipped = [line for line in lines[:-1] if " skip" in line]
    assert passed and len(skipped) == 1 and "AVVP_val_pd.csv" in skipped[0]


@pytest.mark.parametrize("name", ["seg", "event", "aggregate__f64", "classwise_counts"])
def test_changed_scores_fail(tmp_path, name):
    def change(_cases, arrays):
        arrays[name].flat[-1] += 1

    found = failures(changed("valor/eval_chain.json", tmp_path, change, kept=["eval_chain"]))
    assert results(found) == [name.removesuffix("__f64")]


@pytest.mark.parametrize(
    ("name", "entry"), [("gt_audio", "gt_audio"), ("label", "label"), ("gt_visual", "gt_visual")]
)
def test_changed_labels_of_files_fail(tmp_path, shared_data, name, entry):
    def change(_cases, arrays):
        arrays[name][3].flat[7] ^= 1

    path = changed("valor/eval_chain.json", tmp_path, change, kept=["eval_chain/files"])
    assert results(failures(path, data=shared_data)) == [entry]


@pytest.mark.parametrize(
    ("stem", "change", "failure"),
    [
        (
            "eval_event_edges",
            change_at("eval_event_edges", "expected", "pairs", "value", 5, 4, value=4),
            "pairs",
        ),
        (
            "eval_event_edges",
            change_at("eval_event_edges", "expected", "events", "value", 2, value=[[4, 5]]),
            "events",
        ),
        ("index_rules", change_at("frames10", "expected", "82", "value", 3, value=28), "82"),
        (
            "index_rules",
            change_at("audio_stretch", "expected", "480000 sum", "value", value=1),
            "480000 sum",
        ),
        (
            "index_rules",
            change_at("audio_segments", "expected", "479232", "value", 3, 0, value=143_769),
            "479232",
        ),
        ("labels", change_at("labels", "inputs", "audio", "value", 0, 2, value=5), "gt_audio"),
        ("labels", change_at("labels", "inputs", "weak", "value", 0, 1, value="Speech"), "weak"),
        (
            "pseudo_labels",
            change_at("pseudo_labels/audio", "arguments", "thresholds", 3, value=3.5),
            "labels",
        ),
        ("clap_time_map", lambda cases, arrays: arrays["P"].__setitem__((3, 4), 0.5), "P"),
    ],
)
def test_changed_rules_fail(tmp_path, stem, change, failure):
    assert results(failures(changed(f"valor/{stem}.json", tmp_path, change))) == [failure]


def test_an_unknown_class_fails(tmp_path):
    change = change_at("labels", "inputs", "visual", "value", 0, 3, value="Doggo")
    (failure,) = failures(changed("valor/labels.json", tmp_path, change))
    assert "'Doggo' is none of the 25 classes" in failure


@pytest.mark.parametrize(
    ("stem", "keys", "value", "failure"),
    [
        ("net_valor_plus", ("inputs", "weights", "fill", "seed"), 1, "global_prob"),
        ("net_han_baseline", ("inputs", "weights", "fill", "seed"), 1, "frame_prob"),
        ("net_valor_pre_norm", ("arguments", "norm_where"), "post_norm", "x_audio_out"),
        ("net_valor_plus", ("arguments", "nhead"), 4, "x_audio_out"),
        ("state_dict_valor", ("expected", "n_parameters", "value"), 1, "n_parameters"),
        ("train_steps_valor", ("inputs", "weights", "fill", "seed"), 1, "losses"),
        ("train_steps_valor", ("arguments", "gradient_clipping"), None, "grad_norm"),
        ("train_steps_valor", ("arguments", "gradient_clipping"), 0.5, "grad_norm"),
        ("train_steps_valor", ("arguments", "optimizer", "betas"), [0.9, 0.999], "losses"),
        ("train_steps_valor", ("arguments", "optimizer", "name"), "Adam", "fc_a.weight abs_sum"),
        ("train_steps_valor", ("arguments", "lr_per_step"), [1e-4] * 3, "fc_prob.weight ends"),
        ("train_steps_valor", ("arguments", "dropout"), True, "losses"),
    ],
)
def test_another_setting_fails(tmp_path, stem, keys, value, failure):
    path = changed(f"valor/{stem}.json", tmp_path, change_at(stem, *keys, value=value))
    assert failure in results(failures(path))


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_clipping_to_nothing_is_no_setting(tmp_path, value):
    change = change_at("train_steps_valor", "arguments", "gradient_clipping", value=value)
    (failure,) = failures(changed("valor/train_steps_valor.json", tmp_path, change))
    assert "argument gradient_clipping" in failure


def test_an_unknown_argument_is_named(tmp_path):
    change = change_at("net_valor", "arguments", "heads", value=8)
    (failure,) = failures(changed("valor/net_valor.json", tmp_path, change))
    assert "argument heads" in failure


def test_another_rate_fails(tmp_path):
    change = change_at("train_valor", "arguments", "warm_up_epochs", value=9)
    assert results(failures(changed("valor/lr_schedule.json", tmp_path, change))) == ["lr"]


def test_another_seed_is_reported_but_for_information(tmp_path):
    change = change_at("valor", "arguments", "torch_seed", value=1001)
    path = changed("valor/init_by_seed.json", tmp_path, change, kept=["valor"])
    _, lines = run(path)
    found = [line for line in lines[:-1] if " info " in line]
    assert results(found) == ["digests", "first_epoch_order"]


def test_other_losses_fail(tmp_path):
    def change(_cases, arrays):
        arrays["output"] = arrays["output"].clip(0.1, 0.9)

    found = failures(changed("valor/losses.json", tmp_path, change))
    assert results(found) == ["loss_video", "loss_total", "han_video"]
