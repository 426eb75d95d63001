"""Golden cases of packaged weights; those that need the packages are skipped without them."""

import pytest
from tiny_golden import GOLDEN, changed, failures

FILES = ["yamnet_front_end", "yamnet_network", "efficientnet_lite0", "minilm", "text_tags"]


@pytest.mark.parametrize("stem", FILES[:1] + FILES[4:])
def test_golden_cases_pass(stem):
    assert failures(GOLDEN / f"packages/{stem}.json") == []


@pytest.mark.parametrize("stem", ["yamnet_network", "efficientnet_lite0"])
def test_networks_give_the_outputs_of_weights_by_rule(stem, tmp_path):
    case = changed(f"packages/{stem}.json", tmp_path, lambda cases, arrays: None, ["rule"])
    assert failures(case) == []

    def other_seed(cases, arrays):
        cases["rule"]["inputs"]["weights"]["fill"]["seed"] += 1

    case = changed(f"packages/{stem}.json", tmp_path, other_seed, ["rule"])
    assert len(failures(case)) > 1


def test_weights_by_rule_are_no_package(tmp_path):
    def by_rule(cases, arrays):
        cases["state_dict"]["inputs"]["weights"] = {"fill": {"seed": 0}}

    case = changed("packages/efficientnet_lite0.json", tmp_path, by_rule, ["state_dict"])
    (line,) = failures(case)
    assert "expected weights of a package" in line


def test_other_settings_of_tags_fail(tmp_path):
    def change(cases, arrays):
        cases["fuse"]["arguments"]["bias"] = 0.9
        cases["events/defaults"]["arguments"]["gap"] = 1
        cases["query_scores/softmax"]["arguments"]["floor"] = 0.0011

    kept = ["fuse", "events/defaults", "query_scores/softmax"]
    found = failures(changed("packages/text_tags.json", tmp_path, change, kept))
    assert {line.split()[1] for line in found} == set(kept)


def test_an_offset_of_a_frame_fails(tmp_path):
    def change(cases, arrays):
        cases["intervals"]["arguments"]["intervals"][1][0] += 0.02

    case = changed("packages/yamnet_front_end.json", tmp_path, change, ["intervals"])
    assert len(failures(case)) == 2
