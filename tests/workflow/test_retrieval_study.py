"""The real Snakefile on small miniatures of all benchmarks of retrieval, with a trained CLAP."""

import json

import h5py
import pandas as pd
import pytest
from workflow_checkout import Checkout

pytestmark = pytest.mark.slow

OVERLAY = """
epic_mir:
  miniature: {videos: 3, clips: 12}
  models: [clap]
  relevancy: [all, high]
ego_mcq:
  miniature: {videos: 5, clips: 6}
  models: [clap]
  relevancy: [all]
  texts: [original]
epic_sounds_ret:
  miniature: {videos: 3, clips: 12}
  models: [clap]
  texts: [original]
"""
STUDIES = ("epic_mir", "ego_mcq", "epic_sounds_ret")


@pytest.fixture(scope="module")
def retrieval(tmp_path_factory):
    """A finished run of the target retrieval."""
    checkout = Checkout(tmp_path_factory.mktemp("retrieval"), OVERLAY, "retrieval")
    run = checkout.run()
    assert run.returncode == 0, run.stdout + run.stderr
    return checkout


def metrics(checkout, study):
    return json.loads((checkout.folder / f"results/{study}/clap/test_metrics.json").read_text())


def test_sound_finds_its_texts_better_than_a_random_order(retrieval):
    for study in ("epic_mir", "epic_sounds_ret"):
        content = metrics(retrieval, study)
        found, chance = (content[tree]["all"]["original"] for tree in ("metrics", "chance"))
        assert found["map"]["mean"] > 1.2 * chance["map"]["mean"]
        assert found["ndcg"]["mean"] > chance["ndcg"]["mean"]
    accuracy = metrics(retrieval, "ego_mcq")["metrics"]["all"]["original"]["accuracy"]
    assert sum(accuracy.values()) / 2 > 30


def test_metrics_say_what_they_rest_on(retrieval):
    content = metrics(retrieval, "epic_mir")
    assert content["counts"]["all"]["clips"] == 36
    assert content["counts"]["all"]["clips_over_10_s"] == 3
    assert content["models"]["clap"]["weights"] == "trained"
    assert any("trained here on rendered clips" in note for note in content["notes"])
    assert "The videos are a rendered miniature." in content["notes"]
    assert {"all.clips", "high.clips", "all.clips_llm"} <= content["inputs"].keys()
    assert set(content["metrics"]) == {"all", "high"}


def test_the_tables_have_the_runs_and_say_what_was_not_run(retrieval):
    folder = retrieval.folder / "results/retrieval"
    tables = {t["number"]: t for t in json.loads((folder / "tables.json").read_text())["tables"]}
    run = {
        (number, row["relevancy"], row["model"], row["texts"])
        for number, table in tables.items()
        for row in table["rows"]
        if row["file"]
    }
    assert run == {
        (1, "all", "clap", "original"),
        (1, "all", "clap", "llm"),
        (2, "all", "clap", "original"),
        (3, "all", "clap", "original"),
        (4, "high", "clap", "original"),
        (4, "high", "clap", "llm"),
    }
    page = (folder / "report/tables.html").read_text(encoding="utf-8")
    assert page.count("<table>") == 5 and "not run" in page


def test_a_clip_of_a_long_recording_is_cut_across_its_chunks(retrieval):
    folder = retrieval.folder / "results/ego_mcq"
    clips = pd.read_parquet(folder / "annotations/all/clips.parquet")
    late = clips[clips["stop_s"] > 600]["event_id"]
    index = pd.read_parquet(folder / "embeddings/clap/0.parquet").set_index("event_id")
    assert len(late) and (index.loc[late, "status"] == "ok").all()


def test_long_clips_have_a_row_a_crop(retrieval):
    with h5py.File(retrieval.folder / "results/epic_mir/embeddings/clap/0.h5") as file:
        crops = pd.Series(file["crop"][:], file["key"].asstr()[:])
    long = crops[crops >= 0]
    assert long.groupby(level=0).apply(sorted).tolist() == [[0, 1, 2]] * 3
    assert len(crops) == 36 - 3 + 9


def test_a_second_run_does_nothing(retrieval):
    assert "Nothing to be done" in retrieval.run().stderr


OFFICIAL = """
{study}:
  source: official
  annotations: {root}/{study}/miniature/{tables}
  videos: {root}/{study}/miniature
  models: [clap]
  texts: [original]
  relevancy: [all]
  checkpoints: {{clap: {root}/retrieval/model/clap/model.safetensors}}
  tokenizers: {{roberta: {root}/retrieval/model/tokenizers/roberta}}
  shards: 2
"""


@pytest.mark.parametrize(
    ("study", "tables"), [("epic_mir", "retrieval_annotations"), ("ego_mcq", "dataset")]
)
def test_given_weights_on_the_official_layout_give_the_same_numbers(
    retrieval, tmp_path, study, tables
):
    root = retrieval.folder / "results"
    overlay = OFFICIAL.format(study=study, tables=tables, root=root)
    target = f"results/{study}/clap/test_metrics.json"
    official = Checkout(tmp_path, overlay, target)
    run = official.run()
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / f"results/{study}/model/clap/given.json").is_file()
    given = metrics(official, study)
    assert given["models"]["clap"]["weights"] == "given"
    assert given["notes"] == []
    path = root / f"{study}/clap/test_metrics.json"
    trained = json.loads(path.read_text())["metrics"]["all"]["original"]
    assert given["metrics"]["all"]["original"] == trained


def test_dual_softmax_gives_other_numbers_of_the_same_embeddings(retrieval):
    before = metrics(retrieval, "epic_mir")["metrics"]["all"]
    jobs = retrieval.jobs("epic_mir={'dual_softmax': True}")
    assert jobs.keys() == {"evaluate_retrieval", "gather_tables", "draw_tables", "retrieval"}
    after = metrics(retrieval, "epic_mir")["metrics"]["all"]
    assert before["original"]["recall"] != after["original"]["recall"]
