import pandas as pd
import pytest
from retrieval_files import CLIPS, DESCRIBED, SENTENCES, SOUNDS, clip_row, write_mir, write_rows

from avlib.datasets import epic_mir
from avlib.datasets.captioned import RELEVANCIES, clip_times
from avlib.datasets.miniature.kitchen_tables import write_mir_tables
from avlib.datasets.miniature.retrieval import miniature_plan
from avlib.errors import DataError

BOTH = ("original", "llm")


def read(folder, relevancy="all", kinds=BOTH):
    return epic_mir.read(epic_mir.files(folder, relevancy, kinds))


@pytest.mark.parametrize("suffix", ["csv", "pkl"])
def test_the_public_tables_are_read(shared_data, suffix):
    folder = shared_data / "epic100"
    found = epic_mir.read(
        {
            "clips": folder / f"EPIC_100_validation.{suffix}",
            "sentences": folder / f"EPIC_100_retrieval_test_sentence.{suffix}",
        }
    )
    assert len(found.clips) == 9668
    assert found.clips["video_id"].nunique() == 138
    assert len(found.sentences) == 3842
    assert found.sentences["text"].nunique() == 3835
    durations = found.clips["stop_s"] - found.clips["start_s"]
    assert (durations > 10).sum() == 687
    assert (durations.min(), durations.max()) == pytest.approx((0.5, 146.98))
    # 1 + 0.89, the last bit of which is not that of 1.89
    assert found.clips.iloc[0].tolist() == ["P01_11_0", "P01_11", 0.0, 1 + 0.89, 1, 113]
    assert found.clip_classes.groupby("group").size()["verb"] == 9668
    assert found.questions.empty


def test_sentences_have_the_texts_of_their_clips_as_published_code_compares_them(
    shared_data, caplog
):
    folder = shared_data / "epic100"
    files = {
        "clips": folder / "EPIC_100_validation.csv",
        "sentences": folder / "EPIC_100_retrieval_test_sentence.csv",
    }
    found = epic_mir.read(files)
    own = found.texts.set_index("event_id")["text"]
    assert (own[found.sentences["event_id"]].to_numpy() == found.sentences["text"]).all()
    assert "6 of 3842 sentences have another text than their clip" in caplog.text


def test_the_last_sample_depends_on_how_a_time_is_summed():
    column = pd.Series(["00:05:07.40", "01:00:00.007", "00:00:09.1234", "00:00:09"], name="t")
    assert clip_times(column, "t.csv").tolist() == [307.4, 3600.007, 9.1234, 9.0]
    assert int(clip_times(pd.Series(["00:01:40.49"]), "t.csv")[0] * 48000) == 4823520


@pytest.mark.parametrize("text", ["1.5", "00:00", "00:00:61.0", "00:00:-1.0", "00:00:1e3", "x:0:0"])
def test_other_forms_of_times_are_refused(text):
    with pytest.raises(DataError, match=r"t\.csv: row 2: t is .*expected HH:MM:SS.fff"):
        clip_times(pd.Series(["00:00:01", text], name="t"), "t.csv")


def test_texts_of_both_kinds_and_their_sentences_are_read(tmp_path):
    found = read(write_mir(tmp_path))
    assert found.clips["start_s"].tolist() == [1.0, 1.0, 3600.007]
    assert found.clips["start_frame"].tolist() == [60, 60, 60]
    assert found.texts.to_numpy().tolist() == [
        ["c0", "original", "take plate"],
        ["c1", "original", "wash, dry"],
        ["c2", "original", "take plate"],
        ["c0", "llm", "sound of take plate"],
        ["c1", "llm", "sound of wash, dry"],
        ["c2", "llm", "sound of take plate"],
    ]
    assert found.sentences[["kind", "event_id"]].to_numpy().tolist() == [
        ["original", "c0"],
        ["original", "c1"],
        ["llm", "c1"],
        ["llm", "c2"],
    ]
    assert found.clip_classes.to_numpy().tolist()[:4] == [
        ["c0", "verb", 0],
        ["c0", "noun", 2],
        ["c0", "noun", 5],
        ["c1", "verb", 3],
    ]


def test_descriptions_need_not_exist_where_they_are_not_used(tmp_path):
    write_mir(tmp_path)
    for path in tmp_path.glob("*_gpt.csv"):
        path.unlink()
    assert set(read(tmp_path, kinds=("original",)).texts["kind"]) == {"original"}


def test_columns_are_read_by_place_whatever_their_names(tmp_path):
    folder = write_mir(tmp_path)
    path = folder / "EPIC_100_retrieval_test_gpt.csv"
    text = path.read_text().replace("narration_id,", "id,", 1).replace(",narration,", ",sound,", 1)
    path.write_text(text)
    assert read(folder).texts["text"].tolist()[3] == "sound of take plate"


def test_a_pickle_stands_in_for_a_missing_text(tmp_path):
    write_rows(tmp_path / "a.csv", [])
    (tmp_path / "b.pkl").touch()
    found = epic_mir.clip_files(tmp_path, "a", "b", ())
    assert [path.name for path in found.values()] == ["a.csv", "b.pkl"]
    assert epic_mir.clip_files(tmp_path, "c", "d", ())["clips"].name == "c.csv"


def test_the_names_of_subsets_say_what_they_keep(tmp_path):
    assert tuple(epic_mir.SUFFIXES) == RELEVANCIES
    found = epic_mir.files(tmp_path, "low", BOTH)
    assert [path.name for path in found.values()] == [
        "EPIC_100_retrieval_test_gptfiltered_low.csv",
        "EPIC_100_retrieval_test_sentence_gptfiltered_low.csv",
        "EPIC_100_retrieval_test_gptfiltered_low_gpt.csv",
        "EPIC_100_retrieval_test_sentence_gptfiltered_low_gpt.csv",
    ]


def test_texts_of_a_language_model_may_have_a_relevance_matrix_of_their_own(tmp_path):
    found = epic_mir.relevancy_files(tmp_path, "high", "caption", "llm")
    name = "caption_relevancy_EPIC_100_retrieval_test_gptfiltered_high"
    assert found == [tmp_path / "relevancy" / f"{name}{end}.pkl" for end in ("_gpt", "")]
    assert epic_mir.relevancy_files(tmp_path, "all", "verb", "original") == [
        tmp_path / "relevancy/verb_relevancy_EPIC_100_retrieval_test.pkl"
    ]


@pytest.mark.parametrize("relevancy", RELEVANCIES)
def test_the_miniature_is_read(tmp_path, relevancy):
    plan = miniature_plan("epic_mir", videos=2, seed=0)
    write_mir_tables(tmp_path, plan, 0)
    found = read(tmp_path, relevancy)
    assert 0 < len(found.clips) <= 32
    assert set(found.clips["video_id"]) <= {recording.video_id for recording in plan}


EMPTY_TEXT = [*DESCRIBED[1][:8], "", *DESCRIBED[1][9:]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clips": []}, r"test.csv: has no rows, expected one a clip"),
        (
            {"clips": [CLIPS[0], clip_row("c0"), CLIPS[2]]},
            r"test.csv: row 2: clip 'c0' is row 1, too; expected it once",
        ),
        (
            {"clips": [*CLIPS, clip_row("c3", start="00:00:03.00")]},
            r"test.csv: row 4: clip 'c3' lasts from 3.0 to 2.5 s, expected a stop after the start",
        ),
        (
            {"clips": [clip_row("c0", all_noun_classes="__import__('os').abort()")]},
            r"test.csv: line 2, row 1: all_noun_classes is .*, expected whole numbers as in \[2, 5",
        ),
        ({"clips": [clip_row("c0", verb_class="take")]}, r"row 1: verb_class is 'take', expected"),
        ({"clips": [clip_row("c0", start="1.5")]}, r"row 1: start_timestamp is '1.5', expected HH"),
        (
            {"described": DESCRIBED[:2]},
            r"test_gpt.csv: has 2 rows, expected 3 as in .*test.csv; row 3 of it, 'c2', has no des",
        ),
        (
            {"described": [*DESCRIBED, clip_row("c9")]},
            r"test_gpt.csv: row 4: describes 'c9', which .*test.csv does not have",
        ),
        (
            {"described": [*DESCRIBED, DESCRIBED[0]]},
            r"test_gpt.csv: row 4: clip 'c0' is row 1, too; expected it once",
        ),
        (
            {"described": [DESCRIBED[0], DESCRIBED[2], DESCRIBED[1]]},
            r"test_gpt.csv: row 2: describes 'c2', expected 'c1' as in the same row of .*test.csv",
        ),
        ({"described": [DESCRIBED[0], EMPTY_TEXT]}, r"row 2: narration is '', expected a text"),
        ({"sentences": []}, r"sentence.csv: has no rows, expected one a sentence"),
        (
            {"sentences": [*SENTENCES, ["c9", "fly"]]},
            r"sentence.csv: row 3: the sentence 'fly' is of clip 'c9', which .*test.csv does not",
        ),
        (
            {"sounds": [*SOUNDS, ["c9", "buzz"]]},
            r"sentence_gpt.csv: row 3: the sentence 'buzz' is of clip 'c9', which .*_gpt.csv does",
        ),
        (
            {"sentences": [SENTENCES[0], SENTENCES[0]]},
            r"sentence.csv: row 2: clip 'c0' is row 1, too; expected it once",
        ),
    ],
)
def test_what_does_not_fit_is_named_with_file_and_row(tmp_path, changes, message):
    with pytest.raises(DataError, match=message) as error:
        read(write_mir(tmp_path, **changes))
    assert "\n" not in str(error.value)


def test_a_known_column_at_another_place_is_named(tmp_path):
    path = write_mir(tmp_path) / "EPIC_100_retrieval_test.csv"
    path.write_text(path.read_text().replace("participant_id,", "", 1).replace(",P01,", ","))
    with pytest.raises(DataError, match="'video_id' is column 2, expected as column 3"):
        read(tmp_path)


def test_a_table_with_too_few_columns_is_named(tmp_path):
    path = write_mir(tmp_path) / "EPIC_100_retrieval_test_gpt.csv"
    write_rows(path, [["c0", "x"]], ("narration_id", "text"))
    with pytest.raises(DataError, match="has 2 columns, expected 'narration' as column 9"):
        read(tmp_path)
