"""EpicSoundsRet (Oncescu et al., ICASSP 2024): retrieval of the sounds of EPIC-SOUNDS.

The authors share tables of their own selection of clips, in the layout of AudioEpicMIR. Without
them, a benchmark of the same kind is built from the official table of the validation split.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from avlib.datasets.captioned import (
    CLIP_PLACES,
    KINDS,
    CaptionedClips,
    as_rows,
    check_distinct,
    clips_of,
    texts_and_sentences,
)
from avlib.datasets.epic_mir import SUFFIXES, clip_files, matrix_files
from avlib.datasets.published import Lookup, read_published
from avlib.datasets.tables import CLIP_CLASSES, QUESTIONS, SENTENCES, TEXTS
from avlib.errors import DataError
from avlib.io.pickle_parts import shown

logger = logging.getLogger(__name__)

PLACED = ("narration_id", "video_id", "narration")  # columns that are read by their place
OWN_NOTE = (
    "clips and sentences are built from EPIC_Sounds_validation by this project; they are not the "
    "authors' selection"
)


def files(folder: Path, split: str, relevancy: str, kinds: Sequence[str]) -> dict[str, Path]:
    """Return the authors' tables that are needed, by role.

    Args:
        folder: of the tables.
        split: test or val, both selected by the authors from labelled data.
        relevancy: all; another one where there are tables of that subset, named as AudioEpicMIR's.
        kinds: of texts that are used; the original ones are read in any case.
    """
    head, tail = f"EPIC_Sounds_{split}_epicmirstyle", f"mainclasses{SUFFIXES[relevancy]}"
    return clip_files(folder, f"{head}_{tail}", f"{head}_sentence_{tail}", kinds)


def own_files(table: Path, descriptions: Path | None) -> dict[str, Path]:
    """Return, by role, what the benchmark is built from without the authors' tables.

    Args:
        table: EPIC_Sounds_validation.csv or .pkl.
        descriptions: table of two columns, class and description, for texts of a language model.
    """
    found = {"events": table}
    return found if descriptions is None else found | {"descriptions": descriptions}


def relevancy_files(folder: Path, split: str, relevancy: str, kind: str) -> list[Path]:
    """Return the authors' files that may hold the relevance matrix, the preferred one first.

    It is 1 for the same class, else 0, and goes by the name of `verb`.
    """
    tail = f"mainclasses{SUFFIXES[relevancy]}"
    return matrix_files(folder, f"verb_relevancy_EPIC_Sounds_{split}_epicmirstyle_{tail}", kind)


def read(files: Mapping[str, Path]) -> CaptionedClips:
    """Return the tables of the benchmark.

    Args:
        files: by role, as `files` or `own_files` return them.

    Raises:
        UnsafePickleError, DataError: if a file is no such table, or does not fit the others; the
            message names the file and the row.
    """
    return _build(files) if "events" in files else _read_published(files)


def _read_published(files: Mapping[str, Path]) -> CaptionedClips:
    path = files["clips"]
    table = read_published(
        path,
        texts=("narration_id", "video_id", "start_timestamp", "stop_timestamp", "narration"),
        lookup=Lookup(places={name: CLIP_PLACES[name] for name in PLACED}),
    )
    clips = clips_of(table, path)
    texts, sentences = texts_and_sentences(files, clips, table["narration"].tolist())
    # The text of a clip is its class; those with a sentence are numbered in the order of these.
    names = sentences["text"][sentences["kind"] == "original"]
    labels = table["narration"]
    numbers = {name: n for n, name in enumerate(dict.fromkeys([*names, *labels]))}
    classes = _classes(clips["event_id"], labels.map(numbers))
    return CaptionedClips(clips, texts, classes, sentences, as_rows([], QUESTIONS))


def _classes(event_ids: "pd.Series[str]", numbers: "pd.Series[int]") -> pd.DataFrame:
    rows = {"event_id": event_ids, "group": "class", "class_id": numbers.astype("int64")}
    return as_rows(rows, CLIP_CLASSES)


def _build(files: Mapping[str, Path]) -> CaptionedClips:
    """Return the benchmark of ours: the text is the class, a sentence its first clip."""
    path = files["events"]
    table = read_published(
        path,
        texts=("annotation_id", "video_id", "start_timestamp", "stop_timestamp", "class"),
        whole=("class_id",),
    )
    _check_numbers(table.astype({"class_id": "int64"}), path)
    clips = clips_of(table.rename(columns={"annotation_id": "narration_id"}), path)
    texts_of = {"original": {name: name for name in table["class"]}}
    if "descriptions" in files:
        texts_of["llm"] = _read_descriptions(files["descriptions"], table["class"], path)
    is_first = ~table["class"].duplicated()
    texts, sentences = [], []
    for kind in (kind for kind in KINDS if kind in texts_of):
        found = table["class"].map(texts_of[kind])
        rows = {"event_id": clips["event_id"], "kind": kind, "text": found}
        texts.append(as_rows(rows, TEXTS))
        sentences.append(as_rows(pd.DataFrame(rows)[is_first], SENTENCES))
    return CaptionedClips(
        clips,
        pd.concat(texts, ignore_index=True),
        _classes(clips["event_id"], table["class_id"]),
        pd.concat(sentences, ignore_index=True),
        as_rows([], QUESTIONS),
    )


def _check_numbers(table: pd.DataFrame, path: Path) -> None:
    """Check that a class has one number, and no other class has it."""
    for one, other in (("class", "class_id"), ("class_id", "class")):
        first = table.groupby(one)[other].transform("first")
        wrong = (first != table[other]).to_numpy()
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"{path}: row {row + 1}: {one} {shown(table[one][row])} has {other} "
                f"{shown(table[other][row])}, and {shown(first[row])} in a row before"
            )


def _read_descriptions(path: Path, classes: "pd.Series[str]", source: Path) -> dict[str, str]:
    """Return the description of each class that a clip has."""
    places = Lookup(places={"class": 0, "description": 1})
    table = read_published(path, texts=("class", "description"), lookup=places)
    check_distinct(table["class"], path, "class")
    found = dict(zip(table["class"], table["description"], strict=True))
    lacking = sorted(set(classes) - found.keys())
    if lacking:
        row = int((classes == lacking[0]).argmax()) + 1
        raise DataError(
            f"{path}: no description of class {lacking[0]!r}, which {source} has in row {row}"
        )
    unused = table["class"][~table["class"].isin(classes)]
    if len(unused):
        logger.warning(
            "%s: %d descriptions are of no clip, the first in row %d, %r",
            *(path, len(unused), unused.index[0] + 1, unused.iloc[0]),
        )
    return found
