import json

import pytest
from retrieval_files import question, record, write_questions

from avlib.datasets import ego_mcq
from avlib.datasets.captioned import RELEVANCIES
from avlib.datasets.miniature.kitchen_questions import write_questions as write_miniature
from avlib.datasets.miniature.retrieval import miniature_plan
from avlib.errors import DataError

BOTH = ("original", "llm")


def read(folder, questions, described=None):
    files = {"questions": write_questions(folder / "q.json", questions)}
    if described is not None:
        files["questions_llm"] = write_questions(folder / "q_gpt.json", described)
    return ego_mcq.read(files)


def test_clips_that_recur_are_one_and_begin_with_the_recording(tmp_path):
    found = read(tmp_path, [question(1), question(0, 2, "peels")], [question(text="a"), question()])
    assert found.clips[["event_id", "video_id", "start_s", "stop_s"]].to_numpy().tolist() == [
        ["u0:0.0-12.5", "u0", 0.0, 12.5],
        *([f"u{i}:10.0-12.5", f"u{i}", 10.0, 12.5] for i in range(1, 5)),
    ]
    first, second = found.questions.itertuples(index=False)
    assert (first.question_id, first.type, first.answer) == ("0", "inter_video", 1)
    assert (first.original, first.llm) == ("cuts an onion", "a")
    assert (second.type, second.original, second.answer) == ("intra_video", "peels", 0)
    assert second.choice_4 == "u4:10.0-12.5"
    assert found.texts.to_numpy().tolist() == [
        ["u1:10.0-12.5", "original", "cuts an onion"],
        ["u1:10.0-12.5", "llm", "a"],
        ["u0:0.0-12.5", "original", "peels"],
        ["u0:0.0-12.5", "llm", "cuts an onion"],
    ]


def test_descriptions_need_not_exist_where_they_are_not_used(tmp_path):
    assert list(ego_mcq.files(tmp_path, "all", ("original",))) == ["questions"]
    assert read(tmp_path, [question()]).questions["llm"].isna().all()


def test_whole_seconds_and_negative_zero_name_the_same_clip(tmp_path):
    choices = question()["choices"] | {"1": record("u0", 0, 3), "2": record("u0", -0.0, 3.0)}
    found = read(tmp_path, [question(choices=choices)])
    assert found.questions["choice_1"].tolist() == found.questions["choice_2"].tolist()
    assert found.questions["choice_1"].tolist() == ["u0:0.0-3.0"]


def test_questions_are_ordered_by_their_keys(tmp_path):
    named = {str(i): question(text=f"t{i}") for i in (10, 2, 0, 1, *range(3, 10))}
    assert read(tmp_path, named).questions["original"].tolist() == [f"t{i}" for i in range(11)]


def test_the_names_of_subsets_list_what_they_lack(tmp_path):
    assert tuple(ego_mcq.FILES) == RELEVANCIES
    ends = {"low": "_moderate_high", "moderate": "_low_high", "high": "_low_moderate", "all": ""}
    for relevancy, end in ends.items():
        plain, described = ego_mcq.files(tmp_path, relevancy, BOTH).values()
        assert plain.name.endswith(f"cliptextfull_silence{end}.json")
        assert described.name.endswith(f"cliptextfull_silence{end}_gpt.json")


@pytest.mark.parametrize("relevancy", RELEVANCIES)
def test_the_miniature_is_read(tmp_path, relevancy):
    write_miniature(tmp_path, miniature_plan("ego_mcq", videos=5, seed=0), 0)
    found = ego_mcq.read(ego_mcq.files(tmp_path, relevancy, BOTH))
    assert set(found.questions["type"]) == {"inter_video", "intra_video"}
    assert set(found.questions.filter(like="choice_").to_numpy().ravel()) == set(
        found.clips["event_id"]
    )


def without(content, name):
    return {key: value for key, value in content.items() if key != name}


FOUR = {str(i): record(f"u{i}") for i in range(4)}


def one_choice(clip):
    return [question(), question(choices={**FOUR, "4": clip})]


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ([question(choices=FOUR)], r"question '0': has 4 choices, expected 5, named 0 to 4"),
        ([question(choices={**FOUR, "5": record()})], r"has 5 choices, expected 5, named 0 to 4"),
        ([question(choices=[1])], r"question '0': has a list, expected 5"),
        ([question(5)], r"question '0': answer is 5, expected 0 to 4"),
        ([question(-1)], r"answer is -1, expected 0 to 4"),
        ([question(True)], r"answer is True, expected 0 to 4"),
        ([question(1.5)], r"answer is 1.5, expected 0 to 4"),
        ([question(), question(kind=3)], r"question '1': types is 3, expected 1 or 2"),
        ([without(question(), "answer")], r"question '0': has no 'answer'; there are \['choices'"),
        ([7], r"question '0': is 7, expected an object with 'types'"),
        ([question(query={})], r"question '0': query: has no 'clip_text'"),
        ([question(text=" ")], r"question '0': clip_text of the query is ' ', expected a text"),
        ({}, r"q.json: holds a dict, expected an object of questions"),
        ([[]], r"question '0': is a list"),
        (
            {"0": question(), "2": question()},
            r"no question '1', but '2'; expected the keys 0 to 1 for 2 questions",
        ),
        ({"0": question(), "note": 1}, r"no question '1', but 'note'"),
        (
            one_choice(record(start=5.0, stop=4.0)),
            r"question '1': choice 4: lasts from 5.0 to 4.0 s, expected clip_end after clip_start",
        ),
        (one_choice(record(start="5 s")), r"choice 4: clip_start is '5 s', expected a number"),
        (one_choice(record(start=float("nan"))), r"choice 4: clip_start is nan, expected seconds"),
        (one_choice(record(start=10**400)), r"choice 4: clip_start is .*, expected seconds"),
        (one_choice(record(uid="")), r"choice 4: video_uid is '', expected a text"),
        (one_choice(without(record(), "clip_end")), r"choice 4: has no 'clip_end'"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_question(tmp_path, questions, message):
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, questions)
    assert str(error.value).startswith(f"{tmp_path}/q.json: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ([question()], r"q_gpt.json: has 1 questions, expected 2; question '1' has no description"),
        ([question()] * 3, r"has 3 questions, expected 2; question '2' is not in the other file"),
        ([question(), question(text="")], r"q_gpt.json: question '1': clip_text of the query is"),
    ],
)
def test_descriptions_that_do_not_fit_are_named(tmp_path, described, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, [question(), question()], described)


def test_a_key_that_occurs_twice_is_refused(tmp_path):
    path = tmp_path / "q.json"
    one = json.dumps(question())
    path.write_text(f'{{"0": {one}, "0": {one}}}')
    with pytest.raises(DataError, match="'0' occurs twice"):
        ego_mcq.read({"questions": path})


def test_a_damaged_or_missing_file_is_named(tmp_path):
    (tmp_path / "q.json").write_text('{"0": ')
    with pytest.raises(DataError, match=r"q\.json: not readable as JSON"):
        ego_mcq.read({"questions": tmp_path / "q.json"})
    with pytest.raises(DataError, match=r"absent\.json: cannot be read"):
        ego_mcq.read({"questions": tmp_path / "absent.json"})


def test_times_may_be_written_as_text(tmp_path):
    clips = read(tmp_path, [question(choices={**FOUR, "4": record(start="0.5")})]).clips
    assert clips["start_s"].tolist()[-1] == 0.5
