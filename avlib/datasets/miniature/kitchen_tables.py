"""Tables of the miniatures of AudioEpicMIR and EpicSoundsRet, in the layout of EPIC-KITCHENS."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from avlib.datasets.epic_mir import SUFFIXES
from avlib.datasets.miniature.kitchen import COUNTER, NOUNS, SOUND_CLASSES, VERBS
from avlib.datasets.miniature.kitchen_texts import class_description, description, narration
from avlib.datasets.miniature.kitchen_videos import PlannedClip, PlannedRecording
from avlib.io.atomic import atomic_path
from avlib.seeds import generator

COLUMNS = (
    *("narration_id", "participant_id", "video_id"),
    *("narration_timestamp", "start_timestamp", "stop_timestamp", "start_frame", "stop_frame"),
    *("narration", "verb", "verb_class", "noun", "noun_class", "all_nouns", "all_noun_classes"),
)
TEXT = COLUMNS.index("narration")
MIR_TABLE = "EPIC_100_retrieval_test"
SOUNDS_TABLE = "EPIC_Sounds_test_epicmirstyle"
_ON_COUNTER_SHARE = 0.3  # of the things that are put somewhere
_PUT = 1  # class of the verb

Row = tuple[object, ...]


def write_mir_tables(target: Path, plan: Sequence[PlannedRecording], seed: int) -> None:
    """Write the tables of AudioEpicMIR: all clips, and those of each level."""
    clips = list(_numbered(plan))
    rows = [_mir_row(recording, i, clip, seed) for recording, i, clip in clips]
    described = [
        (*row[:TEXT], description(clip.action, _texts(seed, recording, i, "llm")), *row[TEXT + 1 :])
        for row, (recording, i, clip) in zip(rows, clips, strict=True)
    ]
    for level, suffix in SUFFIXES.items():
        kept = [i for i, (_, _, clip) in enumerate(clips) if level in ("all", clip.level)]
        for kind, table in (("", rows), ("_gpt", described)):
            chosen = [table[i] for i in kept]
            _write(target / f"{MIR_TABLE}{suffix}{kind}.csv", COLUMNS, chosen)
            sentences = target / f"{MIR_TABLE}_sentence{suffix}{kind}.csv"
            _write(sentences, ("narration_id", "narration"), _sentences(chosen))


def write_sound_tables(target: Path, plan: Sequence[PlannedRecording], seed: int) -> None:
    """Write the tables of EpicSoundsRet: clips with the names of their classes, and the classes."""
    described = {i: class_description(i, generator(seed, "class", i)) for i in SOUND_CLASSES}
    for kind, text in (("", SOUND_CLASSES), ("_gpt", described)):
        rows = []
        for recording, number, clip in _numbered(plan):
            class_id, name = clip.action.sound_class
            labels = (name, class_id, name, class_id, [name], [class_id])
            rows.append((*_span(recording, number, clip), text[class_id], *labels))
        _write(target / f"{SOUNDS_TABLE}_mainclasses{kind}.csv", COLUMNS, rows)
        sentences = target / f"{SOUNDS_TABLE}_sentence_mainclasses{kind}.csv"
        _write(sentences, ("narration_id", "narration"), _sentences(rows))


def _numbered(
    plan: Sequence[PlannedRecording],
) -> Iterator[tuple[PlannedRecording, int, PlannedClip]]:
    for recording in plan:
        for number, clip in enumerate(recording.clips):
            yield recording, number, clip


def _mir_row(recording: PlannedRecording, number: int, clip: PlannedClip, seed: int) -> Row:
    rng = _texts(seed, recording, number, "original")
    verb, noun = VERBS[clip.action.verb], NOUNS[clip.action.noun]
    is_on_counter = verb.class_id == _PUT and rng.random() < _ON_COUNTER_SHARE
    text = narration(clip.action, rng, is_on_counter=is_on_counter)
    nouns = [(noun.class_id, noun.words[0]), *([COUNTER] if is_on_counter else [])]
    names, class_ids = [name for _, name in nouns], [class_id for class_id, _ in nouns]
    labels = (text.split()[0], verb.class_id, names[0], class_ids[0], names, class_ids)
    return (*_span(recording, number, clip), text, *labels)


def _span(recording: PlannedRecording, number: int, clip: PlannedClip) -> Row:
    """Return the columns before the text; frames are counted from 1."""
    times = (clip.start_s + 0.1, clip.start_s, clip.stop_s)
    return (
        f"{recording.video_id}_{number}",
        recording.video_id.partition("_")[0],
        recording.video_id,
        *(_timestamp(time_s) for time_s in times),
        max(1, clip.start),
        clip.stop,
    )


def _timestamp(time_s: float) -> str:
    """Return a time as `HH:MM:SS.ff`."""
    hundredths = round(100 * time_s)
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 100:02}.{rest % 100:02}"


def _texts(seed: int, recording: PlannedRecording, number: int, kind: str) -> np.random.Generator:
    return generator(seed, "kitchen text", recording.video_id, number, kind)


def _sentences(rows: Sequence[Row]) -> list[Row]:
    """Return id and text of the first row with each text."""
    first = {row[TEXT]: row[0] for row in reversed(rows)}
    return [(row[0], row[TEXT]) for row in rows if first[row[TEXT]] == row[0]]


def _write(target: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    with atomic_path(target) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
