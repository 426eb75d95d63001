import pytest
from tiny_golden import GOLDEN, changed, failures, run

SLOW = {"forward", "train_steps"}
FAST = sorted({path.stem for path in (GOLDEN / "asf").glob("*.json")} - SLOW)


@pytest.mark.parametrize("stem", FAST)
def test_golden_cases_pass(stem):
    assert failures(GOLDEN / "asf" / f"{stem}.json") == []


@pytest.mark.slow
@pytest.mark.parametrize("stem", sorted(SLOW))
def test_golden_cases_of_the_whole_network_pass(stem):
    assert failures(GOLDEN / "asf" / f"{stem}.json") == []


def narrow(cases, arrays):
    """A network of another width, length and seed, whose results are expected to be of that."""
    (case,) = cases.values()
    case["arguments"] = {"num_classes": [5, 3], "width": 8}
    case["inputs"]["log_mel"]["rule"] |= {"shape": [2, 1, 64, 128], "seed": 9}
    shapes = {"features": [2, 288], "logits/verb": [2, 5], "probs/noun": [2, 3], "logits": [2, 8]}
    shapes |= {"folded/logits/noun": [2, 3], "s1/slow": [2, 8, 4, 32]}
    case["expected"] = {
        name: {"value": shape, "statistic": "shape"} for name, shape in shapes.items()
    }


def test_other_sizes_seeds_and_heads_are_run(tmp_path):
    assert failures(changed("asf/forward.json", tmp_path, narrow, ["t400"])) == []


def test_networks_run_in_the_precision_that_is_given(tmp_path):
    def typed(cases, arrays):
        narrow(cases, arrays)
        cases["t400"]["expected"] = {
            "features": {"statistic": "shape", "value": [2, 288], "dtype": "float64"}
        }

    path = changed("asf/forward.json", tmp_path, typed, ["t400"])
    assert run(path, dtype="float64")[0] and not run(path, dtype="bfloat16")[0]


@pytest.mark.parametrize("case_id", ["freq_two", "time_two", "freq_overlap"])
def test_another_value_in_a_mask_fails(tmp_path, case_id):
    def change(cases, arrays):
        cases[case_id]["expected"]["fill_values, max"]["value"][-1] += 1e-3

    assert len(failures(changed("asf/specaug.json", tmp_path, change, [case_id]))) == 1


def test_draws_that_nobody_needs_fail(tmp_path):
    def change(cases, arrays):
        cases["freq_two"]["inputs"]["draws"]["value"].append(7)

    (line,) = failures(changed("asf/specaug.json", tmp_path, change, ["freq_two"]))
    assert "draws_left" in line


def test_another_cut_of_an_interval_fails(tmp_path):
    def change(cases, arrays):
        cases["ave_set2of5"]["arguments"]["view"] = 3

    found = failures(changed("asf/logmel.json", tmp_path, change, ["ave_set2of5"]))
    assert any("slice" in line for line in found) and any(" log_mel " in line for line in found)


def tiny_steps(**arguments):
    """Change the training to one of a narrow network in two steps."""

    def change(cases, arrays):
        (case,) = cases.values()
        case["arguments"] |= {"width": 8, "num_classes": [22], "steps": 2, **arguments}
        case["arguments"]["precise_batches"] = []
        case["inputs"]["log_mel"]["rule"]["shape"] = [4, 1, 32, 128]
        case["expected"] = {
            "loss": {"statistic": "shape", "value": [2]},
            "changes/head.projection.weight": {"statistic": "norm", "value": 0.0, "abs": 1e-4},
        }

    return change


@pytest.mark.parametrize(("arguments", "fails"), [({}, True), ({"gradient_clipping": 1e-3}, False)])
def test_the_norm_of_the_gradient_is_clipped_where_it_is_given(tmp_path, arguments, fails):
    change = tiny_steps(**arguments)
    path = changed("asf/train_steps.json", tmp_path, change, ["vggsound_style"])
    assert len(failures(path)) == fails


def test_a_norm_of_zero_does_not_stand_for_no_clipping(tmp_path):
    change = tiny_steps(gradient_clipping=0)
    (line,) = failures(changed("asf/train_steps.json", tmp_path, change, ["vggsound_style"]))
    assert "argument gradient_clipping" in line


def test_settings_of_the_optimizer_are_taken(tmp_path):
    optimizer = {"name": "SGD", "lr": 0.0, "momentum": 0.5, "nesterov": False}
    change = tiny_steps(optimizer=optimizer)
    assert failures(changed("asf/train_steps.json", tmp_path, change, ["vggsound_style"])) == []
