import pytest
from retrieval_files import clip_row, write_mir, write_rows

from avlib.datasets import epic_sounds_ret
from avlib.datasets.miniature.kitchen_tables import write_sound_tables
from avlib.datasets.miniature.retrieval import miniature_plan
from avlib.errors import DataError

NAMES = (
    "EPIC_Sounds_test_epicmirstyle_mainclasses",
    "EPIC_Sounds_test_epicmirstyle_sentence_mainclasses",
)
BOTH = ("original", "llm")


def classes(folder, rows):
    return write_rows(folder / "texts.csv", rows, ("class", "description"))


def official(shared_data, suffix="csv"):
    return shared_data / f"epic_sounds/EPIC_Sounds_validation.{suffix}"


@pytest.mark.parametrize("suffix", ["csv", "pkl"])
def test_a_benchmark_is_built_from_the_official_table(shared_data, suffix):
    found = epic_sounds_ret.read(epic_sounds_ret.own_files(official(shared_data, suffix), None))
    assert len(found.clips) == 8035
    assert found.clips["video_id"].nunique() == 137
    assert len(found.sentences) == found.sentences["text"].nunique() == 44
    assert found.clip_classes["class_id"].nunique() == 44
    assert (found.texts["kind"] == "original").all()
    first = found.sentences.iloc[0]
    assert (first["event_id"], first["text"]) == ("P01_11_0", "ceramic / wood collision")
    # Sentences are the first clips of the classes, in the order of the table.
    order = {event_id: row for row, event_id in enumerate(found.clips["event_id"])}
    rows = [order[event_id] for event_id in found.sentences["event_id"]]
    assert rows == sorted(rows)


def test_descriptions_of_classes_become_texts_of_a_language_model(shared_data, tmp_path, caplog):
    plain = epic_sounds_ret.read(epic_sounds_ret.own_files(official(shared_data), None))
    names = plain.sentences["text"]
    path = classes(
        tmp_path, [*((name, f"the sound of {name}") for name in names), ("moo", "a cow")]
    )
    found = epic_sounds_ret.read(epic_sounds_ret.own_files(official(shared_data), path))
    llm = found.sentences[found.sentences["kind"] == "llm"]
    assert llm["text"].tolist() == [f"the sound of {name}" for name in names]
    assert llm["event_id"].tolist() == plain.sentences["event_id"].tolist()
    assert len(found.texts) == 2 * 8035
    assert f"{path}: 1 descriptions are of no clip, the first in row 45, 'moo'" in caplog.text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("rustle", "x")], r"texts.csv: no description of class .*, which .* has in row 1"),
        ([("rustle", "x"), ("rustle", "y")], r"texts.csv: row 2: class 'rustle' is row 1, too"),
        ([("rustle", "")], r"texts.csv: line 2, row 1: description is '', expected a text"),
    ],
)
def test_wrong_descriptions_are_named(shared_data, tmp_path, rows, message):
    files = epic_sounds_ret.own_files(official(shared_data), classes(tmp_path, rows))
    with pytest.raises(DataError, match=message):
        epic_sounds_ret.read(files)


@pytest.mark.parametrize(
    ("number", "name", "message"),
    [
        (3, "rustle", r"row 2: class 'rustle' has class_id 3, and 1 in a row before"),
        (1, "scrub", r"row 2: class_id 1 has class 'scrub', and 'rustle' in a row before"),
    ],
)
def test_a_class_has_one_number(tmp_path, number, name, message):
    path = tmp_path / "events.csv"
    path.write_text(
        "annotation_id,video_id,start_timestamp,stop_timestamp,class,class_id\n"
        "a,P01_01,00:00:01.0,00:00:02.0,rustle,1\n"
        f"b,P01_01,00:00:03.0,00:00:04.0,{name},{number}\n"
    )
    with pytest.raises(DataError, match=message):
        epic_sounds_ret.read(epic_sounds_ret.own_files(path, None))


def test_the_authors_tables_are_read(tmp_path):
    clips = [
        clip_row("s0", "rustle", start_frame="", verb_class="", all_noun_classes=""),
        clip_row("s1", "scrub"),
        clip_row("s2", "rustle"),
    ]
    described = [clip_row("s0", "paper"), clip_row("s1", "brush"), clip_row("s2", "paper")]
    write_mir(
        tmp_path,
        clips=clips,
        described=described,
        sentences=[("s1", "scrub"), ("s0", "rustle")],
        sounds=[("s0", "paper"), ("s1", "brush")],
        names=NAMES,
    )
    files = epic_sounds_ret.files(tmp_path, "test", "all", BOTH)
    found = epic_sounds_ret.read(files)
    assert found.clip_classes["class_id"].tolist() == [1, 0, 1]
    assert found.sentences["text"].tolist() == ["scrub", "rustle", "paper", "brush"]
    assert found.clips["start_frame"].isna().all()


def test_files_of_other_splits_and_subsets_are_named(tmp_path):
    found = epic_sounds_ret.files(tmp_path, "val", "low", ("original",))
    assert [path.name for path in found.values()] == [
        "EPIC_Sounds_val_epicmirstyle_mainclasses_gptfiltered_low.csv",
        "EPIC_Sounds_val_epicmirstyle_sentence_mainclasses_gptfiltered_low.csv",
    ]
    assert [p.name for p in epic_sounds_ret.relevancy_files(tmp_path, "test", "all", "llm")] == [
        "verb_relevancy_EPIC_Sounds_test_epicmirstyle_mainclasses_gpt.pkl",
        "verb_relevancy_EPIC_Sounds_test_epicmirstyle_mainclasses.pkl",
    ]


def test_the_miniature_is_read(tmp_path):
    write_sound_tables(tmp_path, miniature_plan("epic_sounds_ret", videos=2, seed=0), 0)
    found = epic_sounds_ret.read(epic_sounds_ret.files(tmp_path, "test", "all", BOTH))
    assert len(found.clips) == 32
    assert found.sentences.groupby("kind").size().nunique() == 1
