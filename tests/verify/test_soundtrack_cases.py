import shutil

import numpy as np
import pytest
from tiny_golden import GOLDEN, changed, failures, run

STEMS = sorted(path.stem for path in (GOLDEN / "k600").glob("*.json"))


@pytest.mark.parametrize("stem", STEMS)
def test_golden_cases_pass(stem):
    assert failures(GOLDEN / "k600" / f"{stem}.json") == []


@pytest.mark.parametrize("stem", ["match_index", "real_wav"])
def test_public_files_are_compared_where_they_are(stem, shared_data):
    passed, lines = run(GOLDEN / "k600" / f"{stem}.json", data=shared_data)
    assert passed and ", 0 skipped" in lines[-1]


def test_other_weights_give_other_logits(tmp_path):
    def change(cases, arrays):
        cases["logistic"]["inputs"]["weights"]["fill"]["seed"] = 1

    found = failures(changed("k600/networks.json", tmp_path, change, ["logistic"]))
    assert any(" logits " in line for line in found)


def test_another_network_has_other_weights(tmp_path):
    def change(cases, arrays):
        cases["resnet18"]["arguments"]["network"] = "resnet34"

    assert len(failures(changed("k600/state_dicts.json", tmp_path, change, ["resnet18"]))) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda case: case["inputs"]["weights"]["fill"]["scale"].update({"group2.fc.weight": 0.02}),
        lambda case: case["arguments"].update(gradient_clipping=0.1),
        lambda case: case["arguments"].update(label_smoothing=0.1),
        lambda case: case["arguments"]["optimizer"].update(momentum=0.5),
        lambda case: case["arguments"]["optimizer"].update(weight_decay=0.1),
        lambda case: case["arguments"]["schedule"].update(milestones=[1]),
    ],
)
def test_another_training_gives_other_losses(tmp_path, change):
    def changed_case(cases, arrays):
        change(cases["train_steps"])

    found = failures(changed("k600/train_steps.json", tmp_path, changed_case))
    assert any("loss of" in line for line in found)


def test_another_soundtrack_without_clips_gives_other_fusions(tmp_path):
    def change(cases, arrays):
        arrays["audio"][:12] = 0.0

    found = failures(changed("k600/fusion.json", tmp_path, change, ["sweep"]))
    assert any("rows" in line for line in found)


def test_a_rate_that_is_not_refused_although_it_should_be_fails(tmp_path):
    def change(cases, arrays):
        cases["noise_8000_1s"]["arguments"]["sample_rate"] = 16_000

    (line,) = failures(changed("k600/audio_images.json", tmp_path, change, ["noise_8000_1s"]))
    assert "took the case's data" in line


def test_channels_are_mixed(tmp_path):
    def change(cases, arrays):
        cases["stereo_pcm16"]["inputs"]["waveform"]["sound"]["channels"].pop()

    found = failures(changed("k600/audio_images.json", tmp_path, change, ["stereo_pcm16"]))
    assert len(found) == 2


@pytest.mark.parametrize(
    ("case_id", "key", "change"),
    [
        ("small_lists/order", "soundtracks", lambda rows: [*rows[1:], rows[0]]),
        ("small_lists", "index", lambda index: index[::-1]),
        ("small_lists", "names_without", lambda names: [*names, "v_zzzzzzzzzzz_444434_444444"]),
    ],
)
def test_a_changed_list_fails(tmp_path, case_id, key, change):
    def changed_list(cases, arrays):
        entry = cases[case_id]["expected"][key]
        entry["value"] = change(entry["value"])

    path = changed("k600/small_lists.json", tmp_path, changed_list, [case_id])
    assert len(failures(path)) == 1


def test_a_changed_index_fails(tmp_path):
    shutil.copy(GOLDEN / "k600" / "match_index.json", tmp_path)
    with np.load(GOLDEN / "k600" / "match_index.npz") as golden:
        index = golden["index"].copy()
    index[500] = 423
    np.savez(tmp_path / "match_index.npz", index=index)
    assert not run(tmp_path)[0]
