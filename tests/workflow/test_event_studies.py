"""What the studies of EPIC-KITCHENS and Perception Test plan, and what a changed setting redoes."""

import copy

import numpy as np
import pytest
from workflow_checkout import EditedCheckout

OVERLAY = """
epic: {shards: 1, feature_shards: 1}
perception: {shards: 1, feature_shards: 1}
"""
EVALUATED = {"evaluate_events", "draw_confusion", "draw_event_tables"}
PREDICTED = {"predict_tim", *EVALUATED, "draw_timelines", "describe_tim"}
SUBMITTED = {"predict_submission", "write_submission"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the workflow in which both studies are up to date."""
    folder = tmp_path_factory.mktemp("events")
    checkout = EditedCheckout(folder, OVERLAY, "epic perception")
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout


def rules(jobs):
    return {rule for rule, _ in jobs}


def outputs(jobs, rule):
    return {output for name, output in jobs if name == rule}


def test_both_studies_come_to_metrics_and_the_challenge_to_its_file(finished):
    folder = finished.folder / "results"
    assert (folder / "epic/submission.zip").is_file()
    assert not (folder / "perception/submission.zip").exists()
    for study in ("epic", "perception"):
        assert (folder / study / "test_metrics.json").is_file()
        models = {path.name for path in (folder / study / "model/tim").iterdir()}
        assert models == {"audio_visual", "audio", "visual"}
    assert (folder / "epic/tim/windows/test.npz").is_file()
    assert not (folder / "perception/tim/windows/test.npz").exists()
    assert finished.planned() == set()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param(
            "'tim': {'learning_rate': 0.002}",
            {"train_tim", "draw_curves", *PREDICTED, *SUBMITTED},
            marks=pytest.mark.slow,
        ),
        ("'tim': {'models': ['audio_visual', 'visual']}", PREDICTED),
        pytest.param(
            "'submission': {'data': 4}",
            {"write_submission", *EVALUATED},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_changed_setting_redoes_only_what_depends_on_it(finished, setting, expected):
    assert rules(finished.planned(f"epic={{{setting}}}")) == expected


@pytest.mark.slow
def test_a_further_model_is_trained_alone(finished):
    jobs = finished.planned("perception={'tim': {'models': ['audio_visual', 'actions']}}")
    assert outputs(jobs, "train_tim") == {"results/perception/model/tim/actions/model.safetensors"}
    assert rules(jobs) == {"train_tim", "draw_curves", *PREDICTED}


@pytest.mark.slow
def test_further_visual_features_are_extracted_beside_the_others(finished):
    further = "'visual': {'extractors': ['omnivore', 'videomae']}"
    jobs = finished.planned(f"epic={{{further}, 'checkpoints': {{'videomae': 'untrained'}}}}")
    assert outputs(jobs, "extract_features") == {"results/epic/features/videomae/shards/0.parquet"}
    assert {"make_windows", "train_tim"} <= rules(jobs)
    assert rules(jobs).isdisjoint({"train_asf", "train_omnivore", "make_queries"})


def of_new_study(finished, name, settings):
    """The jobs of a study of EPIC-KITCHENS under another name, with other settings."""
    checkout = copy.copy(finished)
    checkout.target = f"results/{name}/test_metrics.json"
    return checkout.planned(f"epic={{'name': '{name}', {settings}}}")


@pytest.mark.parametrize(
    ("model", "unneeded"),
    [
        ("visual", {"pack_waveforms", "train_asf"}),
        pytest.param("audio", {"pack_frames", "train_omnivore"}, marks=pytest.mark.slow),
    ],
)
def test_only_what_the_models_need_is_made(finished, model, unneeded):
    jobs = of_new_study(finished, f"only_{model}", f"'tim': {{'models': ['{model}']}}")
    assert {"train_tim", "extract_features", "evaluate_events"} <= rules(jobs)
    assert rules(jobs).isdisjoint(unneeded)
    assert len(outputs(jobs, "train_tim")) == len(outputs(jobs, "index_features")) == 1


PUBLISHED = (
    "'source': 'official', 'actions': {{'train': '{0}/t.csv', 'val': '{0}/v.csv'}}, "
    "'sounds': {{'train': '{0}/t.csv', 'val': '{0}/v.csv'}}, 'video_info': '{0}/v.csv', "
    "'intervals': {{'train': '{0}/t.csv', 'val': '{0}/v.csv'}}, "
    "'published': {{'visual': ['{0}/omnivore', '{0}/videomae'], 'audio': '{0}/asf'}}"
)


def test_published_features_need_no_videos(finished, tmp_path):
    for name in ("t.csv", "v.csv"):
        (tmp_path / name).touch()
    for name in ("omnivore", "videomae", "asf"):
        (tmp_path / name / "train").mkdir(parents=True)
        np.save(tmp_path / name / "train/P01_01.npy", np.zeros((1, 1, 1), np.float32))
    jobs = of_new_study(finished, "published", PUBLISHED.format(tmp_path))
    assert rules(jobs) == {
        *("make_events", "convert_split_intervals", "index_published", "make_queries"),
        *("make_windows", "train_tim", "predict_tim", "evaluate_events"),
    }
    indices = {f"results/published/published/{m}/index.parquet" for m in ("visual", "audio")}
    assert outputs(jobs, "index_published") == indices
    assert len(outputs(jobs, "train_tim")) == 3


@pytest.mark.slow
def test_published_weights_are_checked_and_evaluated_alone(finished, tmp_path):
    (tmp_path / "tim.pth.tar").touch()
    given = f"'checkpoints': {{'tim': '{tmp_path}/tim.pth.tar'}}, 'tim': {{'models': ['visual']}}"
    jobs = of_new_study(finished, "given", given)
    assert outputs(jobs, "check_weights") == {"results/given/model/tim/given.json"}
    assert rules(jobs).isdisjoint({"train_tim", "train_asf", "pack_waveforms"})
