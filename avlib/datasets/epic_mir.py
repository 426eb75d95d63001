"""AudioEpicMIR (Oncescu et al., ICASSP 2024): retrieval of the clips of EPIC-KITCHENS-100.

The multi-instance retrieval task of EPIC-KITCHENS-100, with the sound track in place of frames:
the official tables, and beside them those of the authors, with descriptions by a language model
and with the clips whose sound is of low, moderate or high relevance for their text.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from avlib.datasets.captioned import (
    CLIP_PLACES,
    CaptionedClips,
    as_rows,
    clips_of,
    published_file,
    texts_and_sentences,
)
from avlib.datasets.published import Lookup, read_published
from avlib.datasets.tables import CLIP_CLASSES, QUESTIONS

# What the names of a subset's files end with: the level of relevance that it keeps.
SUFFIXES = {
    "all": "",
    "low": "_gptfiltered_low",
    "moderate": "_gptfiltered_moderate",
    "high": "_gptfiltered_high",
}


def files(folder: Path, relevancy: str, kinds: Sequence[str]) -> dict[str, Path]:
    """Return the published tables that are needed, by role.

    Args:
        folder: the folder `retrieval_annotations`, with the authors' files.
        relevancy: one of SUFFIXES.
        kinds: of texts that are used; the original ones are read in any case.
    """
    suffix = SUFFIXES[relevancy]
    return clip_files(
        folder,
        f"EPIC_100_retrieval_test{suffix}",
        f"EPIC_100_retrieval_test_sentence{suffix}",
        kinds,
    )


def clip_files(folder: Path, clips: str, sentences: str, kinds: Sequence[str]) -> dict[str, Path]:
    """Return tables of clips and sentences by role; those of a language model end with `_gpt`."""
    found = {
        "clips": published_file(folder, clips),
        "sentences": published_file(folder, sentences),
    }
    if "llm" in kinds:
        found["clips_llm"] = published_file(folder, f"{clips}_gpt")
        found["sentences_llm"] = published_file(folder, f"{sentences}_gpt")
    return found


def relevancy_files(folder: Path, relevancy: str, graded_by: str, kind: str) -> list[Path]:
    """Return the files that may hold the relevance matrix, the preferred one first.

    Args:
        folder: of the tables; the files are in its folder `relevancy`.
        relevancy: one of SUFFIXES.
        graded_by: caption, verb or noun.
        kind: of the texts; those of a language model may have a matrix of their own.
    """
    name = f"{graded_by}_relevancy_EPIC_100_retrieval_test{SUFFIXES[relevancy]}"
    return matrix_files(folder, name, kind)


def matrix_files(folder: Path, name: str, kind: str) -> list[Path]:
    """Return `relevancy/<name>.pkl`, after that of the texts of a language model."""
    names = ([f"{name}_gpt"] if kind == "llm" else []) + [name]
    return [folder / "relevancy" / f"{n}.pkl" for n in names]


def read(files: Mapping[str, Path]) -> CaptionedClips:
    """Return the tables of the benchmark, or of a subset.

    The classes of a clip are its verb, and all of its nouns.

    Args:
        files: by role, as `files` returns them.

    Raises:
        UnsafePickleError, DataError: if a file is no such table, or does not fit the others; the
            message names the file and the row.
    """
    path = files["clips"]
    table = read_published(
        path,
        texts=("narration_id", "video_id", "start_timestamp", "stop_timestamp", "narration"),
        whole=("start_frame", "stop_frame", "verb_class"),
        lists=("all_noun_classes",),
        lookup=Lookup(places=CLIP_PLACES),
    )
    clips = clips_of(table, path)
    texts, sentences = texts_and_sentences(files, clips, table["narration"].tolist())
    return CaptionedClips(clips, texts, _classes(table), sentences, as_rows([], QUESTIONS))


def _classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return the verb and the distinct nouns of each clip as CLIP_CLASSES."""
    rows = [
        (event_id, group, int(number))
        for event_id, verb, nouns in zip(
            table["narration_id"], table["verb_class"], table["all_noun_classes"], strict=True
        )
        for group, numbers in (("verb", (verb,)), ("noun", sorted(set(nouns))))
        for number in numbers
    ]
    return as_rows(rows, CLIP_CLASSES)
