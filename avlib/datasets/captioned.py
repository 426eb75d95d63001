"""Clips with texts: what the benchmarks of retrieval share, and what their readers return.

Paths of published files are named by role, in a mapping that is plain enough for JSON.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.published import Lookup, read_published
from avlib.datasets.tables import CAPTIONED_CLIPS, CLIP_CLASSES, QUESTIONS, SENTENCES, TEXTS
from avlib.errors import DataError
from avlib.io.tables import TableSchema

logger = logging.getLogger(__name__)

KINDS = ("original", "llm")  # of texts
RELEVANCIES = ("all", "low", "moderate", "high")  # of the sound for the text
# The published tables of clips have 15 columns, and all but the times are read by their place.
CLIP_PLACES = {"narration_id": 0, "video_id": 2, "start_frame": 6, "stop_frame": 7, "narration": 8}
TEXT_PLACES = {"narration_id": 0, "narration": 8}
SENTENCE_LOOKUP = Lookup(  # the official pickle calls the id `index`
    aliases=("index",), places={"narration_id": 0, "narration": 1}
)
_TIME = re.compile(r"([0-9]{1,6}):([0-5]?[0-9]):([0-5]?[0-9])(?:\.([0-9]{1,18}))?")


@dataclass(frozen=True)
class CaptionedClips:
    """The tables of a benchmark, or of a subset of it; those that it lacks have no rows.

    Attributes:
        clips: table of kind CAPTIONED_CLIPS.
        texts: table of kind TEXTS.
        clip_classes: table of kind CLIP_CLASSES.
        sentences: table of kind SENTENCES.
        questions: table of kind QUESTIONS.
    """

    clips: pd.DataFrame
    texts: pd.DataFrame
    clip_classes: pd.DataFrame
    sentences: pd.DataFrame
    questions: pd.DataFrame

    def tables(self) -> dict[str, tuple[pd.DataFrame, TableSchema]]:
        """Return the tables with their schemas, by the name of their file."""
        return {
            "clips": (self.clips, CAPTIONED_CLIPS),
            "texts": (self.texts, TEXTS),
            "clip_classes": (self.clip_classes, CLIP_CLASSES),
            "sentences": (self.sentences, SENTENCES),
            "questions": (self.questions, QUESTIONS),
        }


def as_rows(rows: Any, schema: TableSchema) -> pd.DataFrame:
    """Return rows as a table with the columns of a schema."""
    return pd.DataFrame(rows, columns=[column.name for column in schema.columns])


def published_file(folder: Path, name: str) -> Path:
    """Return a table of a folder: the text `<name>.csv`, or the pickle where only that exists."""
    text, pickled = folder / f"{name}.csv", folder / f"{name}.pkl"
    return pickled if pickled.is_file() and not text.is_file() else text


def clip_times(timestamps: "pd.Series[str]", path: Path) -> NDArray[np.float64]:
    """Return HH:MM:SS.fff as seconds, the whole ones plus the fraction.

    The order of sums matters, as a first sample is truncated: 3660.07 is 3660 + 0.07.

    Args:
        timestamps: a column; the fraction may have any number of digits, or none.
        path: of the table, for messages.

    Raises:
        DataError: naming the first row with another form, counted from 1.
    """
    values = np.empty(len(timestamps))
    for row, text in enumerate(timestamps):
        found = _TIME.fullmatch(text)
        if found is None:
            where = f"{path}: row {row + 1}: {timestamps.name}"
            raise DataError(f"{where} is {text[:80]!r}, expected HH:MM:SS.fff")
        hours, minutes, seconds = map(int, found.groups()[:3])
        fraction = found[4] or "0"
        values[row] = 3600 * hours + 60 * minutes + seconds + int(fraction) / 10 ** len(fraction)
    return values


def clips_of(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return rows of a published table of clips as CAPTIONED_CLIPS, after checking them.

    Args:
        table: narration_id, video_id, start_timestamp, stop_timestamp; start_frame and stop_frame
            where there are frames.
        path: of the table, for messages.

    Raises:
        DataError: if there is no clip, one stops before it starts, or two have one id; the message
            names the row, counted from 1.
    """
    if table.empty:
        raise DataError(f"{path}: has no rows, expected one a clip")
    clips = as_rows(
        {
            "event_id": table["narration_id"],
            "video_id": table["video_id"],
            "start_s": clip_times(table["start_timestamp"], path),
            "stop_s": clip_times(table["stop_timestamp"], path),
            "start_frame": table.get("start_frame"),
            "stop_frame": table.get("stop_frame"),
        },
        CAPTIONED_CLIPS,
    )
    clips = clips.astype({"start_frame": "Int64", "stop_frame": "Int64"})
    wrong = np.flatnonzero(clips["stop_s"] < clips["start_s"])
    if len(wrong):
        clip = clips.iloc[wrong[0]]
        raise DataError(
            f"{path}: row {wrong[0] + 1}: clip {clip['event_id']!r} lasts from {clip['start_s']} "
            f"to {clip['stop_s']} s, expected a stop after the start"
        )
    check_distinct(clips["event_id"], path, "clip")
    return clips


def check_distinct(ids: "pd.Series[str]", path: Path, what: str) -> None:
    """Check that ids are distinct.

    Raises:
        DataError: naming the first row that repeats one, counted from 1.
    """
    repeated = np.flatnonzero(ids.duplicated())
    if len(repeated):
        row, event_id = repeated[0], ids.iloc[repeated[0]]
        first = int(np.argmax(ids == event_id)) + 1
        raise DataError(
            f"{path}: row {row + 1}: {what} {event_id!r} is row {first}, too; expected it once"
        )


def read_descriptions(path: Path, clips: "pd.Series[str]", clips_path: Path) -> "pd.Series[str]":
    """Return the texts of a table that describes the clips of another one, row by row.

    Args:
        path: table of the layout of clips, with a description in place of the narration.
        clips: ids of the clips.
        clips_path: their table, for messages.

    Raises:
        DataError: if the table has other rows; the message names the first, counted from 1.
    """
    table = read_published(
        path, texts=("narration_id", "narration"), lookup=Lookup(places=TEXT_PLACES)
    )
    ids = table["narration_id"]
    check_distinct(ids, path, "clip")
    strangers = np.flatnonzero(~ids.isin(clips))
    if len(strangers):
        row = strangers[0]
        raise DataError(
            f"{path}: row {row + 1}: describes {ids.iloc[row]!r}, which {clips_path} does not have"
        )
    if len(ids) != len(clips):
        lacking = clips[~clips.isin(ids)]
        raise DataError(
            f"{path}: has {len(ids)} rows, expected {len(clips)} as in {clips_path}; "
            f"row {lacking.index[0] + 1} of it, {lacking.iloc[0]!r}, has no description"
        )
    other = np.flatnonzero(ids.to_numpy() != clips.to_numpy())
    if len(other):
        row = other[0]
        raise DataError(
            f"{path}: row {row + 1}: describes {ids.iloc[row]!r}, expected {clips.iloc[row]!r} as "
            f"in the same row of {clips_path}"
        )
    return table["narration"]


def read_sentences(
    path: Path, kind: str, texts: "pd.Series[str]", clips_path: Path
) -> pd.DataFrame:
    """Return the candidate sentences of one kind as SENTENCES.

    A sentence has the text of its clip, as in published code: the last rows of the public table of
    EPIC-KITCHENS-100 have the texts of each other.

    Args:
        path: table of narration_id, narration.
        kind: of the texts.
        texts: text of each clip, indexed by its id.
        clips_path: table of the clips, for messages.

    Raises:
        DataError: if there is no sentence, or one is of no clip, or of the clip of another; the
            message names the row, counted from 1.
    """
    table = read_published(path, texts=("narration_id", "narration"), lookup=SENTENCE_LOOKUP)
    ids = table["narration_id"]
    if table.empty:
        raise DataError(f"{path}: has no rows, expected one a sentence")
    unknown = np.flatnonzero(~ids.isin(texts.index))
    if len(unknown):
        row = unknown[0]
        raise DataError(
            f"{path}: row {row + 1}: the sentence {table['narration'].iloc[row][:80]!r} is of clip "
            f"{ids.iloc[row]!r}, which {clips_path} does not have"
        )
    check_distinct(ids, path, "clip")
    own = texts[ids].reset_index(drop=True)
    n_other = int((own != table["narration"]).sum())
    if n_other:
        logger.warning(
            "%s: %d of %d sentences have another text than their clip; that of the clip is used, "
            "as by the published code",
            *(path, n_other, len(table)),
        )
    return as_rows({"kind": kind, "event_id": ids, "text": own}, SENTENCES)


def texts_and_sentences(
    files: Mapping[str, Path], clips: pd.DataFrame, narrations: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return TEXTS and SENTENCES of a benchmark whose files are published tables.

    Args:
        files: `clips` and `sentences`, and those of a language model, `clips_llm` and
            `sentences_llm`, where they are used.
        clips: the clips of `files["clips"]`.
        narrations: their texts.

    Raises:
        DataError: as `read_descriptions` and `read_sentences`.
    """
    texts, sentences = [], []
    for kind, suffix in zip(KINDS, ("", "_llm"), strict=True):
        source = files.get(f"clips{suffix}")
        if source is None:
            continue
        ids = clips["event_id"]
        found = (
            read_descriptions(source, ids, files["clips"])
            if suffix
            else pd.Series(narrations, dtype=object)
        )
        texts.append(as_rows({"event_id": ids, "kind": kind, "text": found}, TEXTS))
        by_clip = pd.Series(found.to_numpy(), index=pd.Index(ids))
        sentences.append(read_sentences(files[f"sentences{suffix}"], kind, by_clip, source))
    return pd.concat(texts, ignore_index=True), pd.concat(sentences, ignore_index=True)
