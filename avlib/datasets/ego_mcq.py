"""AudioEgoMCQ (Oncescu et al., ICASSP 2024): a text, and which of five clips of Ego4D fits it.

The authors share files of questions, and beside each one with texts by a language model. Times are
seconds of the whole recording, which may be cut into chunks, see `avlib.media.recordings`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from avlib.datasets.captioned import CaptionedClips, as_rows
from avlib.datasets.tables import CAPTIONED_CLIPS, CLIP_CLASSES, QUESTIONS, SENTENCES, TEXTS
from avlib.errors import DataError
from avlib.io.json_files import read_published_json
from avlib.io.pickle_parts import is_unicode, shown
from avlib.io.text_tables import number_of

_FULL = "egomcq_aud_full_filtered_query_and_answer_filter_cliptextfull_silence"
# Names of files without `.json`. Those of subsets list the two levels that were taken out.
FILES = {
    "all": _FULL,
    "low": f"{_FULL}_moderate_high",
    "moderate": f"{_FULL}_low_high",
    "high": f"{_FULL}_low_moderate",
}
TYPES = {1: "inter_video", 2: "intra_video"}
N_CHOICES = 5
_LONGEST_S = 1e9


class _Question(NamedTuple):
    """A question of a file, checked: choices are clips as (recording, start_s, stop_s)."""

    key: str
    kind: str
    text: str
    answer: int
    choices: Sequence[tuple[str, float, float]]


def files(folder: Path, relevancy: str, kinds: Sequence[str]) -> dict[str, Path]:
    """Return the files of questions that are needed, by role.

    Args:
        folder: of the authors' files.
        relevancy: one of FILES.
        kinds: of texts that are used; the original ones are read in any case.
    """
    found = {"questions": folder / f"{FILES[relevancy]}.json"}
    if "llm" in kinds:
        found["questions_llm"] = folder / f"{FILES[relevancy]}_gpt.json"
    return found


def clip_id(recording: str, start_s: float, stop_s: float) -> str:
    """Return the id of a clip."""
    return f"{recording}:{start_s!r}-{stop_s!r}"


def read(files: Mapping[str, Path]) -> CaptionedClips:
    """Return the questions, and each clip once; the texts of questions are those of their answers.

    Args:
        files: by role, as `files` returns them.

    Raises:
        DataError: if a file is no such file, or does not fit the other; the message names the file
            and the question by its key.
    """
    questions = list(_questions(files["questions"]))
    written = _read_texts(files["questions_llm"], questions) if "questions_llm" in files else None
    clips = dict.fromkeys(choice for question in questions for choice in question.choices)
    id_of = {clip: clip_id(*clip) for clip in clips}
    rows: list[tuple[object, ...]] = []
    texts: dict[tuple[str, str, str], None] = {}
    for n, question in enumerate(questions):
        ids = [id_of[choice] for choice in question.choices]
        llm = None if written is None else written[n]
        rows.append((question.key, question.kind, question.text, llm, question.answer, *ids))
        texts[ids[question.answer], "original", question.text] = None
        if llm is not None:
            texts[ids[question.answer], "llm", llm] = None
    table = as_rows([(id_of[clip], *clip, None, None) for clip in clips], CAPTIONED_CLIPS)
    frames = ["start_frame", "stop_frame"]
    table[frames] = table[frames].astype("Int64")
    return CaptionedClips(
        table,
        as_rows(list(texts), TEXTS),
        as_rows([], CLIP_CLASSES),
        as_rows([], SENTENCES),
        as_rows(rows, QUESTIONS),
    )


def _items(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the questions of a file in the order of their keys."""
    content = read_published_json(path)
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds {shown(content)}, expected an object of questions")
    for number in range(len(content)):
        if str(number) not in content:
            stranger = min(content.keys() - set(map(str, range(len(content)))))
            raise DataError(
                f"{path}: no question {str(number)!r}, but {stranger[:80]!r}; expected the keys 0 "
                f"to {len(content) - 1} for {len(content)} questions"
            )
        yield str(number), content[str(number)]


def _questions(path: Path) -> Iterator[_Question]:
    for key, item in _items(path):
        where = f"{path}: question {key!r}"
        kind, answer = _field(item, "types", where), _field(item, "answer", where)
        if not _is_whole(kind) or kind not in TYPES:
            raise DataError(f"{where}: types is {shown(kind)}, expected 1 or 2")
        if not _is_whole(answer) or not 0 <= answer < N_CHOICES:
            raise DataError(f"{where}: answer is {shown(answer)}, expected 0 to {N_CHOICES - 1}")
        choices = _field(item, "choices", where)
        numbers = [str(n) for n in range(N_CHOICES)]
        if not isinstance(choices, dict) or choices.keys() != set(numbers):
            found = f"{len(choices)} choices" if isinstance(choices, dict) else shown(choices)
            raise DataError(f"{where}: has {found}, expected 5, named 0 to 4")
        yield _Question(
            key,
            TYPES[kind],
            _text(item, where),
            answer,
            [_clip(choices[n], f"{where}: choice {n}") for n in numbers],
        )


def _read_texts(path: Path, questions: Sequence[_Question]) -> list[str]:
    """Return the texts of a language model, in the order of the questions."""
    texts = [_text(item, f"{path}: question {key!r}") for key, item in _items(path)]
    if len(texts) != len(questions):
        number = min(len(texts), len(questions))
        what = "has no description" if len(texts) < len(questions) else "is not in the other file"
        raise DataError(
            f"{path}: has {len(texts)} questions, expected {len(questions)}; "
            f"question '{number}' {what}"
        )
    return texts


def _field(item: Any, name: str, where: str) -> Any:
    if not isinstance(item, dict):
        raise DataError(f"{where}: is {shown(item)}, expected an object with {name!r}")
    if name not in item:
        raise DataError(f"{where}: has no {name!r}; there are {sorted(item)[:20]}")
    return item[name]


def _text(item: Any, where: str) -> str:
    text = _field(_field(item, "query", where), "clip_text", f"{where}: query")
    if not isinstance(text, str) or not text.strip() or not is_unicode(text):
        raise DataError(f"{where}: clip_text of the query is {shown(text)}, expected a text")
    return text


def _clip(record: Any, where: str) -> tuple[str, float, float]:
    """Return recording, start and stop of a clip, not before the start of the recording."""
    recording = _field(record, "video_uid", where)
    if not isinstance(recording, str) or not recording or not is_unicode(recording):
        raise DataError(f"{where}: video_uid is {shown(recording)}, expected a text")
    start_s, stop_s = (_seconds(record, name, where) for name in ("clip_start", "clip_end"))
    if stop_s < start_s:
        raise DataError(
            f"{where}: lasts from {start_s} to {stop_s} s, expected clip_end after clip_start"
        )
    return recording, max(0.0, start_s), max(0.0, stop_s)


def _seconds(record: Any, name: str, where: str) -> float:
    value = _field(record, name, where)
    if isinstance(value, str):
        value = number_of(value, f"{where}: {name}")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) < _LONGEST_S:  # of NaN it is false
        raise DataError(f"{where}: {name} is {shown(value)}, expected seconds")
    return float(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
