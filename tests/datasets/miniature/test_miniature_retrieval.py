import ast
import csv
import json
import subprocess
import sys

import av
import numpy as np
import pytest

from avlib.datasets import ego_mcq, epic_mir, epic_sounds_ret
from avlib.datasets.ego_mcq import FILES
from avlib.datasets.epic_mir import SUFFIXES
from avlib.datasets.miniature.kitchen import ACTIONS, SOUND_CLASSES
from avlib.datasets.miniature.kitchen_questions import (
    INTER,
    INTRA,
    write_questions,
)
from avlib.datasets.miniature.kitchen_tables import (
    COLUMNS,
    write_mir_tables,
    write_sound_tables,
)
from avlib.datasets.miniature.kitchen_texts import class_description, description, vocabulary
from avlib.datasets.miniature.kitchen_videos import FPS, LEVELS, render_recording
from avlib.datasets.miniature.retrieval import (
    ANNOTATIONS,
    BENCHMARKS,
    EGO_FPS,
    miniature_plan,
    render_miniature,
)
from avlib.errors import ConfigError
from avlib.media.recordings import CHUNK_S
from avlib.retrieval.annotations import check_annotations

SIZES = {"epic_mir": (2, 9), "epic_sounds_ret": (2, 9), "ego_mcq": (5, 6)}  # videos, clips
WRITERS = {
    "epic_mir": write_mir_tables,
    "epic_sounds_ret": write_sound_tables,
    "ego_mcq": write_questions,
}


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """By benchmark: a folder with the tables of a small miniature, and its plan."""
    made = {}
    for benchmark, (videos, clips) in SIZES.items():
        folder = tmp_path_factory.mktemp(benchmark)
        plan = miniature_plan(benchmark, videos=videos, clips=clips, seed=0)
        WRITERS[benchmark](folder / ANNOTATIONS[benchmark], plan, 0)
        made[benchmark] = folder, plan
    return made


def rows(folder, name):
    with (folder / "retrieval_annotations" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def questions(folder, name):
    return json.loads((folder / "dataset" / f"{name}.json").read_text("utf-8"))


def decode(path):
    """Return the number of frames, the last one, and the sound (2, n_samples)."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    with av.open(str(path)) as container:
        sound = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    return len(frames), frames[-1].to_ndarray(format="rgb24"), sound


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_larger_miniature_begins_with_the_smaller_one(benchmark):
    small = miniature_plan(benchmark, videos=5, clips=12, seed=3)
    assert miniature_plan(benchmark, videos=7, clips=12, seed=3)[:5] == small
    assert miniature_plan(benchmark, videos=5, clips=12, seed=4) != small


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_clips_follow_each_other_and_show_each_action_once(benchmark):
    for recording in miniature_plan(benchmark, videos=6, clips=len(ACTIONS), seed=1):
        clips = recording.clips
        assert len({clip.action for clip in clips}) == len(clips)
        assert {clip.level for clip in clips} == set(LEVELS)
        bounds = [t for clip in clips for t in (clip.start, clip.stop)]
        assert bounds == sorted(set(bounds)) and bounds[-1] < recording.frames
        lengths = [clip.stop_s - clip.start_s for clip in clips]
        assert lengths[0] > 10 and 1 <= min(lengths[1:]) <= max(lengths[1:]) <= 4


def test_planning_needs_no_torch():
    look = (
        "import sys; from avlib.datasets.miniature.retrieval import miniature_plan as plan;"
        "plan('epic_mir', seed=0); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


@pytest.mark.parametrize(
    ("benchmark", "sizes"),
    [("epic_mir", (0, 5)), ("epic_mir", (1, 37)), ("ego_mcq", (4, 9)), ("ego_mcq", (5, 4))],
)
def test_a_size_out_of_range_is_named(benchmark, sizes):
    with pytest.raises(ConfigError, match=f"not {sizes[0]} of {sizes[1]}"):
        miniature_plan(benchmark, videos=sizes[0], clips=sizes[1], seed=0)


@pytest.mark.parametrize("benchmark", ["epic_mir", "epic_sounds_ret"])
def test_the_planned_files_are_rendered_with_bytes_that_depend_on_the_seed(tmp_path, benchmark):
    made = {}
    for name, seed, workers in (("first", 0, 1), ("again", 0, 2), ("other", 1, 1)):
        sizes = {"videos": 2, "clips": 2, "seed": seed, "workers": workers}
        plan = render_miniature(benchmark, tmp_path / name, **sizes)
        assert plan == miniature_plan(benchmark, videos=2, clips=2, seed=seed)
        made[name] = contents(tmp_path / name)
        files = {str(path) for path in made[name] if path.suffix.lower() == ".mp4"}
        assert files == {path for recording in plan for path in recording.paths}
    assert made["again"] == made["first"] != made["other"]


KINDS = ("original", "llm")
READ_FILES = {
    "epic_mir": lambda folder, level: epic_mir.files(folder, level, KINDS),
    "epic_sounds_ret": lambda folder, level: epic_sounds_ret.files(folder, "test", level, KINDS),
    "ego_mcq": lambda folder, level: ego_mcq.files(folder, level, KINDS),
}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_what_is_written_is_read_as_published_files_are(written, benchmark):
    folder, plan = written[benchmark]
    levels = ["all"] if benchmark == "epic_sounds_ret" else list(SUFFIXES)
    root = folder / ANNOTATIONS[benchmark]
    read = check_annotations(benchmark, {n: READ_FILES[benchmark](root, n) for n in levels})
    planned = {(r.video_id, c.stop_s) for r in plan for c in r.clips}
    assert {(c.video_id, c.stop_s) for c in read.clips.itertuples()} == planned
    assert set(read.texts["kind"]) == set(KINDS)
    n_questions = 2 * len(planned) if benchmark == "ego_mcq" else 0
    assert len(read.questions) == n_questions


def test_tables_have_the_published_layout_and_describe_the_planned_clips(written):
    folder, plan = written["epic_mir"]
    table = rows(folder, "EPIC_100_retrieval_test")
    assert tuple(table[0]) == COLUMNS and len(COLUMNS) == 15
    clips = [(recording, clip) for recording in plan for clip in recording.clips]
    for row, (recording, clip) in zip(table, clips, strict=True):
        hours, minutes, seconds = row["stop_timestamp"].split(":")
        assert 3600 * int(hours) + 60 * int(minutes) + float(seconds) == clip.stop_s
        assert row["video_id"] == recording.video_id
        assert int(row["stop_frame"]) == round(clip.stop_s * FPS)
        nouns = ast.literal_eval(row["all_noun_classes"])
        assert nouns[0] == int(row["noun_class"])
        assert ("counter" in row["narration"]) == (len(nouns) == 2)


def test_descriptions_are_of_the_same_clips_row_by_row(written):
    folder, _ = written["epic_mir"]
    for suffix in SUFFIXES.values():
        table = rows(folder, f"EPIC_100_retrieval_test{suffix}")
        described = rows(folder, f"EPIC_100_retrieval_test{suffix}_gpt")
        for row, other in zip(table, described, strict=True):
            assert row | {"narration": ""} == other | {"narration": ""}
            assert row["narration"] != other["narration"]


@pytest.mark.parametrize("kind", ["", "_gpt"])
def test_sentences_are_the_distinct_texts_of_a_table(written, kind):
    folder, _ = written["epic_mir"]
    for suffix in SUFFIXES.values():
        texts = [row["narration"] for row in rows(folder, f"EPIC_100_retrieval_test{suffix}{kind}")]
        found = rows(folder, f"EPIC_100_retrieval_test_sentence{suffix}{kind}")
        assert [row["narration"] for row in found] == list(dict.fromkeys(texts))


def test_subsets_by_level_divide_the_clips(written):
    folder, _ = written["epic_mir"]
    parts = [rows(folder, f"EPIC_100_retrieval_test{SUFFIXES[level]}") for level in LEVELS]
    ids = [row["narration_id"] for part in parts for row in part]
    assert sorted(ids) == sorted(r["narration_id"] for r in rows(folder, "EPIC_100_retrieval_test"))
    assert [len(part) for part in parts] == [6, 6, 6]


def test_sounds_have_one_sentence_a_class(written):
    folder, _ = written["epic_sounds_ret"]
    for kind in ("", "_gpt"):
        table = rows(folder, f"EPIC_Sounds_test_epicmirstyle_mainclasses{kind}")
        sentences = rows(folder, f"EPIC_Sounds_test_epicmirstyle_sentence_mainclasses{kind}")
        assert len(sentences) == len({row["verb_class"] for row in table})
        assert {row["narration"] for row in sentences} == {row["narration"] for row in table}


def test_both_kinds_of_questions_are_asked_about_each_clip(written):
    folder, plan = written["ego_mcq"]
    asked = questions(folder, FILES["all"])
    assert set(asked) == {str(i) for i in range(2 * sum(len(r.clips) for r in plan))}
    for question in asked.values():
        choices = [question["choices"][str(i)] for i in range(5)]
        assert question["query"] == choices[question["answer"]]
        assert len({(c["tag_verb"], c["tag_noun"]) for c in choices}) == 5
        videos = {choice["video_uid"] for choice in choices}
        assert len(videos) == {INTER: 5, INTRA: 1}[question["types"]]


def test_questions_by_level_and_with_descriptions_have_the_same_choices(written):
    folder, _ = written["ego_mcq"]
    everything = questions(folder, FILES["all"])
    parts = [questions(folder, FILES[level]) for level in LEVELS]
    assert sum(len(part) for part in parts) == len(everything)
    for name in FILES.values():
        plain, described = questions(folder, name), questions(folder, f"{name}_gpt")
        assert plain.keys() == described.keys()
        for key, question in plain.items():
            assert described[key]["choices"] == question["choices"]
            assert described[key]["query"]["clip_text"] != question["query"]["clip_text"]


@pytest.mark.slow
def test_a_recording_of_more_than_ten_minutes_has_two_files(tmp_path):
    long = miniature_plan("ego_mcq", videos=5, clips=6, seed=0)[0]
    render_recording(tmp_path, long, seed=0, shown=EGO_FPS // FPS)
    first, second = (decode(tmp_path / path) for path in long.paths)
    n_frames = long.frames * EGO_FPS // FPS
    assert [first[0], second[0]] == [CHUNK_S * EGO_FPS, n_frames - CHUNK_S * EGO_FPS]
    for _, _, sound in (first, second):
        assert np.abs(sound[:, :40_000]).max() > 0
    assert any(clip.start_s < CHUNK_S < clip.stop_s for clip in long.clips)


def test_an_action_is_heard_and_seen_where_the_plan_has_it(tmp_path):
    (recording,) = miniature_plan("epic_mir", videos=1, clips=4, seed=0)
    render_recording(tmp_path, recording, seed=0, shown=1)
    _, _, sound = decode(tmp_path / recording.paths[0])
    mono = sound.mean(axis=0)
    loudness = [
        mono[round(22_050 * clip.start_s) : round(22_050 * clip.stop_s)].std()
        for clip in recording.clips[:3]
    ]
    assert loudness == sorted(loudness) and loudness[2] > 5 * loudness[0]


def test_no_text_has_a_word_beyond_the_vocabulary():
    rng = np.random.default_rng(0)
    words = vocabulary()
    assert len(set(words)) == len(words) < 400
    texts = [description(action, rng) for action in ACTIONS for _ in range(10)]
    texts += [class_description(class_id, rng) for class_id in SOUND_CLASSES for _ in range(10)]
    spoken = {word for text in texts for word in text.lower().strip(".").split()}
    assert spoken <= set(words)
