"""Small published tables of retrieval for tests, as lists of rows and as files."""

import csv
import json
from pathlib import Path

COLUMNS = (
    *("narration_id", "participant_id", "video_id"),
    *("narration_timestamp", "start_timestamp", "stop_timestamp", "start_frame", "stop_frame"),
    *("narration", "verb", "verb_class", "noun", "noun_class", "all_nouns", "all_noun_classes"),
)
TEXT = COLUMNS.index("narration")


def clip_row(event_id, text="take plate", start="00:00:01.00", stop="00:00:02.50", **values):
    """Return a row of a table of clips; `values` are those of further columns by name."""
    row = dict.fromkeys(COLUMNS, "x")
    row |= {"narration_id": event_id, "participant_id": "P01", "video_id": "P01_11"}
    row |= {"start_timestamp": start, "stop_timestamp": stop, "start_frame": 60, "stop_frame": 150}
    row |= {"narration": text, "verb_class": 0, "all_noun_classes": "[2, 5]"}
    return list((row | values).values())


CLIPS = [
    clip_row("c0", "take plate"),
    clip_row("c1", "wash, dry", verb_class=3, all_noun_classes="[7]"),
    clip_row("c2", "take plate", "01:00:00.007", "01:00:03"),
]
DESCRIBED = [[*row[:TEXT], f"sound of {row[TEXT]}", *row[TEXT + 1 :]] for row in CLIPS]
SENTENCES = [["c0", "take plate"], ["c1", "wash, dry"]]
SOUNDS = [["c1", "sound of wash, dry"], ["c2", "sound of take plate"]]


def write_rows(path: Path, rows, columns=COLUMNS) -> Path:
    """Write a table as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def write_mir(
    folder: Path,
    suffix="",
    *,
    clips=CLIPS,
    sentences=SENTENCES,
    described=DESCRIBED,
    sounds=SOUNDS,
    names=("EPIC_100_retrieval_test", "EPIC_100_retrieval_test_sentence"),
) -> Path:
    """Write the four tables of a benchmark of clips; return their folder."""
    pair = ("narration_id", "narration")
    write_rows(folder / f"{names[0]}{suffix}.csv", clips)
    write_rows(folder / f"{names[1]}{suffix}.csv", sentences, pair)
    write_rows(folder / f"{names[0]}{suffix}_gpt.csv", described)
    write_rows(folder / f"{names[1]}{suffix}_gpt.csv", sounds, pair)
    return folder


def record(uid="u0", start=10.0, stop=12.5, text="cuts an onion", **values):
    """Return a clip as files of questions have it."""
    return {
        "video_uid": uid,
        "video_dur": 1000.0,
        "narration_source": "narration_pass_1",
        "narration_ind": 3,
        "narration_time": start,
        "clip_start": start,
        "clip_end": stop,
        "clip_text": text,
        "tag_verb": "__import__('os').abort()",
        "tag_noun": "[3]",
    } | values


def question(answer=1, kind=1, text="cuts an onion", **values):
    """Return a question about clips of five videos, the first of which begins too early."""
    choices = {str(i): record(f"u{i}", -0.5 if i == 0 else 10.0, 12.5) for i in range(5)}
    query = choices.get(str(answer), choices["0"]) | {"clip_text": text}
    return {"answer": answer, "types": kind, "query": query, "choices": choices} | values


def write_questions(path: Path, questions) -> Path:
    """Write questions, a list of them or an object."""
    named = questions if isinstance(questions, dict) else dict(enumerate(questions))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(named))
    return path
