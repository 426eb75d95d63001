import hashlib

import numpy as np
import pandas as pd
import pytest
from retrieval_files import (
    CLIPS,
    DESCRIBED,
    SENTENCES,
    SOUNDS,
    clip_row,
    question,
    record,
    write_mir,
    write_questions,
)

from avlib.datasets import ego_mcq, epic_mir, epic_sounds_ret
from avlib.errors import DataError
from avlib.retrieval.annotations import check_annotations, write_annotations
from avlib.retrieval.relevancy import shared_classes

BOTH = ("original", "llm")
# Of the float64 matrix that the published script makes of the public tables.
RELEVANCE_SHA256 = "e3e131906c33d44e4510cd8706eac3a79e3c1a9e49de5d1e6ccc68f41eae6014"
NAMES = ("clips", "texts", "clip_classes", "sentences", "questions")


def targets(folder, names=NAMES):
    return {name: folder / f"{name}.parquet" for name in names}


def write(folder, relevancy="all", others=(), **tables):
    """Write the published tables of all clips or of a subset, and read them."""
    source, out = folder / "published", folder / "annotations"
    write_mir(source, epic_mir.SUFFIXES[relevancy], **tables)
    is_subset = relevancy != "all"
    write_annotations(
        "epic_mir",
        {k: str(v) for k, v in epic_mir.files(source, relevancy, BOTH).items()},
        targets(out / relevancy),
        full=targets(out / "all", ("clips", "texts")) if is_subset else {},
        others={other: epic_mir.files(source, other, ())["clips"] for other in others},
    )
    return {name: pd.read_parquet(path) for name, path in targets(out / relevancy).items()}


def subset(*rows, **changes):
    """Return the tables of a subset of clips, those in `rows`."""
    clips = [CLIPS[row] for row in rows]
    return {
        "clips": clips,
        "described": [DESCRIBED[row] for row in rows],
        "sentences": [[clips[0][0], clips[0][8]]],
        "sounds": [[clips[0][0], f"sound of {clips[0][8]}"]],
    } | changes


def test_all_tables_are_written_those_that_a_benchmark_lacks_without_rows(tmp_path):
    found = write(tmp_path)
    assert {name: len(rows) for name, rows in found.items()} == {
        "clips": 3,
        "texts": 6,
        "clip_classes": 8,
        "sentences": 4,
        "questions": 0,
    }


def test_the_same_files_give_the_same_bytes(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    for name in NAMES:
        first, second = (tmp_path / x / f"annotations/all/{name}.parquet" for x in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_a_subset_has_clips_and_texts_of_the_whole(tmp_path):
    write(tmp_path)
    found = write(tmp_path, "low", **subset(1))
    assert found["clips"]["event_id"].tolist() == ["c1"]
    assert found["sentences"]["text"].tolist() == ["wash, dry", "sound of wash, dry"]


LATER = clip_row("c1", "wash, dry", "00:00:01.20")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            subset(1, clips=[clip_row("c7")], described=[clip_row("c7")], sentences=[["c7", "a"]])
            | {"sounds": [["c7", "a"]]},
            r"low.csv: row 1: clip 'c7' is not one of the 3 of the whole benchmark \(.*clips.parq",
        ),
        (
            subset(1, clips=[LATER]),
            r"low.csv: row 1: clip 'c1' is 1.2 to 2.5 s of 'P01_11', but 1.0 to 2.5 s of 'P01_11' ",
        ),
        (
            subset(1, clips=[clip_row("c1", "dry")]),
            r"low.csv: clip 'c1': no clip of the whole benchmark .* has the text 'dry' of kind",
        ),
        (
            subset(1, described=[clip_row("c1", "splash")]),
            r"low.csv: clip 'c1': no clip .* has the text 'splash' of kind llm",
        ),
    ],
)
def test_what_a_subset_has_besides_is_named(tmp_path, tables, message):
    write(tmp_path)
    with pytest.raises(DataError, match=message):
        write(tmp_path, "low", **tables)
    assert not (tmp_path / "annotations/low/clips.parquet").exists()


def test_a_clip_in_two_subsets_is_named(tmp_path):
    write(tmp_path)
    write(tmp_path, "low", **subset(1, 2))
    write(tmp_path, "high", others=["low"], **subset(0))
    message = r"high.csv: row 2: clip 'c2' is in .*low.csv, too, in row 2; expected each clip in on"
    with pytest.raises(DataError, match=message):
        write(tmp_path, "high", others=["low"], **subset(0, 2))


def test_nothing_is_written_of_tables_that_do_not_fit(tmp_path):
    with pytest.raises(DataError):
        write(tmp_path, sentences=[*SENTENCES, ["c9", "fly"]], sounds=SOUNDS)
    assert not (tmp_path / "annotations").exists()


def published(folder, relevancy, **tables):
    write_mir(folder, epic_mir.SUFFIXES[relevancy], **tables)
    return {relevancy: epic_mir.files(folder, relevancy, BOTH)}


def test_all_subsets_can_be_checked_before_anything_is_written(tmp_path):
    files = published(tmp_path, "all") | published(tmp_path, "low", **subset(0, 1))
    high = published(tmp_path, "high", **subset(2))
    assert len(check_annotations("epic_mir", files | high).clips) == 3
    high = published(tmp_path, "high", **subset(2, 1))
    with pytest.raises(DataError, match=r"high.csv: row 2: clip 'c1' is in .*low.csv, too, in row"):
        check_annotations("epic_mir", files | high)
    high = published(tmp_path, "high", **subset(2, clips=[clip_row("c2", start="00:00:00.5")]))
    with pytest.raises(
        DataError, match=r"high.csv: row 1: clip 'c2' is 0.5 to 2.5 s of 'P01_11', "
    ):
        check_annotations("epic_mir", files | high)


def test_questions_of_several_subsets_may_share_clips(tmp_path):
    files = {r: ego_mcq.files(tmp_path, r, ("original",)) for r in ("all", "low", "high")}
    for path in files.values():
        write_questions(path["questions"], [question()])
    assert len(check_annotations("ego_mcq", files).questions) == 1


def ego(folder, relevancy, questions, full=None):
    paths = ego_mcq.files(folder / "published", relevancy, ("original",))
    write_questions(paths["questions"], questions)
    write_annotations("ego_mcq", paths, targets(folder / relevancy), full=full or {})
    return pd.read_parquet(folder / relevancy / "questions.parquet")


def test_questions_are_written_and_a_subset_has_clips_of_the_whole(tmp_path):
    assert len(ego(tmp_path, "all", [question(), question(2, 2, "peels")])) == 2
    full = targets(tmp_path / "all", ("clips", "texts"))
    assert ego(tmp_path, "low", [question(2, 2, "peels")], full)["answer"].tolist() == [2]
    other = {**question()["choices"], "3": record("u9")}
    message = r"moderate_high.json: question '1': clip 'u9:10.0-12.5' is not one of the 5 "
    with pytest.raises(DataError, match=message):
        ego(tmp_path, "low", [question(), question(choices=other)], full)


def test_the_builder_of_epic_sounds_writes_its_tables(shared_data, tmp_path):
    files = epic_sounds_ret.own_files(shared_data / "epic_sounds/EPIC_Sounds_validation.csv", None)
    write_annotations("epic_sounds_ret", files, targets(tmp_path))
    clips = pd.read_parquet(tmp_path / "clips.parquet")
    assert clips["event_id"].is_unique and len(clips) == 8035


def test_classes_of_the_public_tables_give_the_published_relevance(shared_data):
    folder = shared_data / "epic100"
    found = epic_mir.read(
        {
            "clips": folder / "EPIC_100_validation.csv",
            "sentences": folder / "EPIC_100_retrieval_test_sentence.csv",
        }
    )
    ids = found.clips["event_id"]
    classes = found.clip_classes.groupby(["group", "event_id"])["class_id"].agg(frozenset)
    groups = [classes[group][ids].tolist() for group in ("verb", "noun")]
    sentences = pd.Index(ids).get_indexer(found.sentences["event_id"])
    matrix = shared_classes(groups, sentences).dense()
    assert matrix.shape == (9668, 3842)
    assert np.isclose(matrix.sum(), 2040309.2333333334)
    assert hashlib.sha256(matrix).hexdigest() == RELEVANCE_SHA256
