"""What a change of the settings of retrieval does again, and what it does not, by dry runs."""

from types import SimpleNamespace

import pytest
from workflow_checkout import Checkout, EditedCheckout

from avlib.datasets.miniature.kitchen_tables import write_mir_tables
from avlib.datasets.miniature.retrieval import miniature_plan
from avlib.studies import load_config
from avlib.workflow import Workflow

OVERLAY = """
epic_mir:
  models: [clap, ase_audiocaps, egovlp, egovlp+clap]
  texts: [original]
  relevancy: [all]
  shards: 2
ego_mcq: {models: [clap], relevancy: [all, high], texts: [original]}
epic_sounds_ret: {models: [clap], texts: [original]}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A copy of the workflow in which all that retrieval makes is up to date."""
    checkout = EditedCheckout(tmp_path_factory.mktemp("retrieval"), OVERLAY, "retrieval")
    run = checkout.run()
    assert run.returncode == 0, run.stderr
    return checkout


def changed(finished, study, values):
    """Return the jobs of a study that other settings cause, the outputs by rule."""
    jobs = {}
    for rule, output in finished.planned(f"{study}={values!r}"):
        jobs.setdefault(rule, set()).add(output.removeprefix(f"results/{study}/"))
    assert jobs.pop("gather_tables") == {"results/retrieval/tables.json"}
    assert jobs.pop("draw_tables") == {"results/retrieval/report/tables.html"}
    return jobs


def metrics(*models):
    return {f"{model}/test_metrics.json" for model in models}


ALL = metrics("clap", "ase_audiocaps", "egovlp", "egovlp+clap")


def test_a_finished_run_is_up_to_date(finished):
    assert finished.planned() == set()


def test_one_small_encoder_serves_all_benchmarks(finished):
    trained = finished.folder / "results/retrieval/model"
    names = {path.parent.name for path in trained.glob("*/model.safetensors")}
    assert names == {"clap", "ase_audiocaps", "egovlp"}


def test_another_subset_runs_no_encoder(finished):
    jobs = changed(finished, "epic_mir", {"relevancy": ["all", "low"]})
    assert jobs == {
        "read_clips": {"annotations/low/clips.parquet"},
        "read_texts": {"annotations/low/texts.parquet"},
        "evaluate_retrieval": ALL,
    }


def test_another_measure_runs_no_encoder(finished):
    values = {"dual_softmax": True, "graded_by": "verb", "fusion": {"ratio": 0.5}}
    assert changed(finished, "epic_mir", values) == {"evaluate_retrieval": ALL}


def test_another_model_runs_its_own_encoder_alone(finished):
    models = ["clap", "ase_audiocaps", "egovlp", "egovlp+clap", "egovlp+ase_clotho"]
    trained = {"results/retrieval/model/ase_clotho/model.safetensors"}
    assert changed(finished, "epic_mir", {"models": models}) == {
        "train_encoder": trained,
        "draw_curves": {"results/retrieval/model/ase_clotho/curves.svg"},
        "embed_clips": {f"embeddings/ase_clotho/{shard}.h5" for shard in (0, 1)},
        "embed_texts": {"embeddings/ase_clotho/text/original.h5"},
        "evaluate_retrieval": ALL | metrics("egovlp+ase_clotho"),  # they have a hash of settings
    }


@pytest.mark.slow
def test_another_crop_seed_concerns_the_encoders_of_sound(finished):
    networks = ("clap", "ase_audiocaps")
    assert changed(finished, "epic_mir", {"crop_seeds": [0, 1]}) == {
        "embed_clips": {f"embeddings/{name}/{shard}.h5" for name in networks for shard in (0, 1)},
        "evaluate_retrieval": ALL,
    }


def test_other_texts_concern_no_clip(finished):
    jobs = changed(finished, "epic_mir", {"texts": ["original", "llm"]})
    assert jobs.keys() == {"read_texts", "embed_texts", "evaluate_retrieval"}
    assert jobs["read_texts"] == {"annotations/all/texts.parquet"}


@pytest.mark.slow
def test_the_resampler_concerns_the_networks_that_resample(finished):
    assert changed(finished, "epic_mir", {"resampler": "soxr_hq"}) == {
        "embed_clips": {f"embeddings/ase_audiocaps/{shard}.h5" for shard in (0, 1)},
        "evaluate_retrieval": ALL,
    }


@pytest.fixture
def refused(tmp_path):
    """Return what plans a run that must fail, and returns the last line of its words."""

    def plan(values, target):
        run = Checkout(tmp_path, values, target).run()
        assert run.returncode == 1
        assert "Traceback" not in run.stdout + run.stderr
        return (run.stdout + run.stderr).strip().splitlines()[-1]

    return plan


OFFICIAL = "{{source: official, annotations: {0}, videos: {0}, models: [clap]}}"


@pytest.mark.parametrize(
    ("values", "target", "line"),
    [
        (
            "epic_mir: {{models: [clap+egovlp]}}",
            "epic_mir",
            "config key epic_mir.models: a pair",
        ),
        ("epic_mir: " + OFFICIAL, "epic_mir", "epic_mir.annotations: epic_mir needs {0}/EPIC_100"),
        (
            "ego_mcq: " + OFFICIAL,
            "results/ego_mcq/annotations/all/clips.parquet",
            "ego_mcq.annotations: ego_mcq needs {0}/egomcq_aud_full",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_before_any_work(refused, tmp_path, values, target, line):
    assert refused(values.format(tmp_path), target).startswith(f"error: {line.format(tmp_path)}")


def test_changed_images_concern_the_networks_of_frames_of_their_shard(tmp_path):
    write_mir_tables(tmp_path, miniature_plan("epic_mir", videos=5, clips=5, seed=0), 0)
    folder = tmp_path / "P01/rgb_frames/P01_01"
    folder.mkdir(parents=True)
    own = {"source": "official", "annotations": tmp_path, "frames": tmp_path, "videos": tmp_path}
    config = load_config({"epic_mir": own | {"shards": 2}})

    def images():
        retrieval = Workflow(config, results=tmp_path / "results", rescan=True).retrieval
        jobs = [(network, shard) for network in ("egovlp", "clap") for shard in "01"]
        return {
            job: retrieval.images(SimpleNamespace(study="epic_mir", network=job[0], shard=job[1]))
            for job in jobs
        }

    before = images()
    assert images() == before
    (folder / "frame_0000000001.jpg").touch()
    after = images()
    (changed,) = (job for job in before if before[job] != after[job])
    assert changed[0] == "egovlp"
    assert before["clap", "0"] == ""
