"""What an edit of the code does again, as a dry run after a finished run says it."""

import pytest
from workflow_checkout import EditedCheckout

OVERLAY = """
ave: {shards: 1, feature_shards: 1}
k600: {shards: 1}
llp: {shards: 1, variants: [han]}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the workflow in which the studies ave, k600 and llp are up to date."""
    folder = tmp_path_factory.mktemp("edits")
    checkout = EditedCheckout(folder, OVERLAY, "ave k600 llp")
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout


@pytest.fixture
def edited(finished):
    """Return what does an edit, and returns the jobs that it causes, as (rule, output)."""
    files = {}

    def edit(name, old, new):
        files[name] = (finished.root / name).read_text()
        finished.edit(name, old, new)
        return finished.planned()

    yield edit
    for name, text in files.items():
        (finished.root / name).write_text(text)


def studies(jobs):
    return {output.split("/")[1] for _, output in jobs}


def rules(jobs):
    return {rule for rule, _ in jobs}


def test_a_finished_run_is_up_to_date(finished):
    assert finished.planned() == set()


def test_a_recipe_trains_its_own_network_again_and_what_follows(edited):
    jobs = edited("avlib/tim/recipes.py", "feat_dropout=0.6", "feat_dropout=0.5")
    assert studies(jobs) == {"ave"}
    assert {"train_tim", "predict_tim", "evaluate_ave"} <= rules(jobs)
    assert rules(jobs).isdisjoint({"train_asf", "train_omnivore", "extract_features"})
    networks = {output.split("/")[3] for rule, output in jobs if rule == "draw_curves"}
    assert networks == {"tim"}


def test_another_table_does_nothing_again_in_other_papers(edited):
    jobs = edited("avlib/soundtracks/tables.py", "CLIPS = ", "OTHER_CLIPS = 1\nCLIPS = ")
    assert studies(jobs) == {"k600"}
    assert rules(jobs).isdisjoint({"render_k600", "probe_videos", "pack_waveforms", "pack_frames"})


def test_the_front_end_of_auditory_slowfast_concerns_no_soundtrack(edited):
    jobs = edited("avlib/extractors/auditory_slowfast/log_mel.py", "1e-6", "2e-6")
    assert studies(jobs) == {"ave"}
    assert {"train_asf", "extract_features"} <= rules(jobs)
    assert "train_omnivore" not in rules(jobs)


GIVEN = {
    "k600": ("soundtrack", {"pack_audio_images", "train_soundtrack", "pack_frames"}),
    "ave": ("asf", {"pack_frames", "train_asf", "train_omnivore", "make_queries"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("study", ["k600", "ave"])
def test_weights_that_are_given_and_taken_back_leave_what_they_did_not_make(finished, study):
    network, untouched = GIVEN[study]
    weights = finished.folder / "weights.pth"
    weights.touch()
    given = f"{study}={{'checkpoints': {{'{network}': '{weights}'}}}}"
    checked = f"results/{study}/model/{network}/given.json"
    assert finished.run(given, target=checked).returncode == 0
    assert finished.planned() == set()  # a check alone changes nothing
    jobs = finished.jobs(given)
    assert jobs.keys().isdisjoint({"probe_videos", "pack_waveforms", *untouched})
    again = rules(finished.planned())
    assert again
    assert again.isdisjoint({"probe_videos", "pack_waveforms", "check_weights", *untouched})
    finished.jobs()
    assert finished.planned() == set()
