"""Random embeddings of real tables give chance, from the published files to the metrics."""

import json

import numpy as np
import pandas as pd
import pytest

from avlib.datasets import epic_sounds_ret
from avlib.evaluation.metrics_file import Provenance
from avlib.extractors.tables import EMBEDDED_CLIPS
from avlib.io.embeddings import WHOLE, Embeddings, write_embeddings
from avlib.io.tables import write_table
from avlib.retrieval.annotations import write_annotations
from avlib.retrieval.evaluation import EvaluationFiles, NetworkEmbeddings, evaluate_retrieval
from avlib.retrieval.settings import RetrievalEvaluation

NAMES = ("clips", "texts", "clip_classes", "sentences", "questions")
CHANNELS = 64
CLASSES = 44
HARMONIC = sum(1 / rank for rank in range(1, CLASSES + 1))


def embed(keys, target, rng):
    vectors = rng.standard_normal((len(keys), CHANNELS)).astype(np.float32)
    crops = np.full(len(keys), WHOLE)
    write_embeddings(target, Embeddings(keys, crops, vectors, [""] * len(keys)))


@pytest.fixture(scope="module")
def metrics(shared_data, tmp_path_factory):
    """Return the metrics of random embeddings of the benchmark built from EPIC-SOUNDS."""
    folder, rng = tmp_path_factory.mktemp("chance"), np.random.default_rng(0)
    tables = {name: folder / "all" / f"{name}.parquet" for name in NAMES}
    source = shared_data / "epic_sounds/EPIC_Sounds_validation.csv"
    write_annotations("epic_sounds_ret", epic_sounds_ret.own_files(source, None), tables)
    clips = pd.read_parquet(tables["clips"])["event_id"]
    embed(clips.tolist(), folder / "clips.h5", rng)
    embed(pd.read_parquet(tables["texts"])["text"].unique().tolist(), folder / "texts.h5", rng)
    index = pd.DataFrame({"event_id": clips, "status": "ok", "message": ""})
    index = index.assign(is_cropped=False, is_silent=False)
    write_table(index, folder / "index.parquet", EMBEDDED_CLIPS)
    files = EvaluationFiles(
        annotations={"all": folder / "all"},
        audio=NetworkEmbeddings(
            clips=[folder / "clips.h5"],
            index=[folder / "index.parquet"],
            texts={"original": folder / "texts.h5"},
        ),
        visual=None,
        metrics=folder / "metrics.json",
        ranks=folder / "ranks.parquet",
    )
    settings = RetrievalEvaluation(graded_by="class", crop_seeds=(0,))
    study = {"study": "epic_sounds_ret", "config_hash": ""}
    evaluate_retrieval(
        files, settings, Provenance(study, {"clap": None}, {"clap": "untrained"}, {})
    )
    return json.loads(files.metrics.read_text())


def test_random_embeddings_rank_the_classes_of_clips_by_chance(metrics):
    found = metrics["metrics"]["all"]["original"]
    assert found["ndcg"]["a2t"] == pytest.approx(1 / CLASSES, abs=0.004)
    assert found["map"]["a2t"] == pytest.approx(HARMONIC / CLASSES, abs=0.006)
    assert found["ndcg"]["t2a"] == pytest.approx(1 / CLASSES, abs=0.006)
    for name in ("ndcg", "map"):
        of_chance = metrics["chance"]["all"]["original"][name]
        assert found[name] == pytest.approx(of_chance, abs=0.006)


def test_random_embeddings_rank_the_right_item_in_the_middle(metrics):
    for ranks in metrics["metrics"]["all"]["original"]["recall"].values():
        assert ranks["median_rank"] == pytest.approx(8035 / 2, rel=0.05)
        assert ranks["mean_rank"] == pytest.approx(8035 / 2, rel=0.05)
        assert ranks["r50"] < 2


def test_all_clips_and_classes_are_evaluated(metrics):
    counts = metrics["counts"]["all"]
    assert (counts["clips"], counts["original"]["sentences"]) == (8035, CLASSES)
