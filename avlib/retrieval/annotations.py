"""Stage read_annotations: published files of a benchmark, or of a subset of it, to tables."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from avlib.datasets import ego_mcq, epic_mir, epic_sounds_ret
from avlib.datasets.captioned import TEXT_PLACES, CaptionedClips
from avlib.datasets.published import Lookup, read_published
from avlib.datasets.tables import CAPTIONED_CLIPS, TEXTS
from avlib.errors import DataError
from avlib.io.tables import read_table, write_table

logger = logging.getLogger(__name__)

Reader = Callable[[Mapping[str, Path]], CaptionedClips]
READERS: Mapping[str, Reader] = {
    "epic_mir": epic_mir.read,
    "ego_mcq": ego_mcq.read,
    "epic_sounds_ret": epic_sounds_ret.read,
}


def write_annotations(
    benchmark: str,
    files: Mapping[str, Path | str],
    targets: Mapping[str, Path],
    *,
    full: Mapping[str, Path] = MappingProxyType({}),
    others: Mapping[str, Path | str] = MappingProxyType({}),
) -> None:
    """Write the tables of a benchmark, or of a subset of it.

    Args:
        benchmark: one of READERS.
        files: published files by role, as `files` of the benchmark's module names them.
        targets: tables to write by name: clips, texts, clip_classes, sentences, questions; without
            rows where the benchmark has none.
        full: of a subset, the tables `clips` and `texts` of the whole benchmark, which are what
            is embedded: a subset must not have others.
        others: published tables of clips of other subsets by their level, none of whose clips may
            be in this one.

    Raises:
        UnsafePickleError, DataError: naming the file and the row, or the question, if a file is no
            such file, or does not fit the others.
    """
    paths = {role: Path(path) for role, path in files.items()}
    found, source = READERS[benchmark](paths), _source(paths)
    if full:
        clips, texts = read_table(full["clips"], CAPTIONED_CLIPS), read_table(full["texts"], TEXTS)
        _check_subset(found, clips, texts, source, full["clips"])
    for path in map(Path, others.values()):
        _check_apart(found.clips["event_id"], source, _clip_ids(path), path)
    tables = found.tables()
    for name, target in targets.items():
        rows, schema = tables[name]
        write_table(rows, target, schema)
    logger.info(
        "%s: %d clips of %d videos, %d sentences, %d questions",
        *(source, len(found.clips), found.clips["video_id"].nunique()),
        *(len(found.sentences), len(found.questions)),
    )


def check_annotations(benchmark: str, files: Mapping[str, Mapping[str, Path]]) -> CaptionedClips:
    """Return the whole benchmark after checking it, and its subsets, as `write_annotations` does.

    Args:
        benchmark: one of READERS.
        files: published files by role, of `all` and of each subset.

    Raises:
        UnsafePickleError, DataError: as `write_annotations`.
    """
    read, whole = READERS[benchmark], _source(files["all"])
    full = read(files["all"])
    before: list[tuple[pd.Series[str], Path]] = []
    for level in (level for level in files if level != "all"):
        subset, source = read(files[level]), _source(files[level])
        _check_subset(subset, full.clips, full.texts, source, whole)
        ids = subset.clips["event_id"]
        if subset.questions.empty:  # a clip may be a choice of several questions
            for others in before:
                _check_apart(ids, source, *others)
        before.append((ids, source))
    return full


def _source(files: Mapping[str, Path]) -> Path:
    """Return the published file that has the clips."""
    return files.get("clips") or files.get("questions") or files["events"]


def _check_subset(
    subset: CaptionedClips, clips: pd.DataFrame, texts: pd.DataFrame, source: Path, whole: Path
) -> None:
    """Check that clips and texts of a subset are those of the whole benchmark.

    Args:
        subset: what was read of it.
        clips: those of the whole benchmark.
        texts: those of the whole benchmark.
        source: published file of the subset's clips, for messages.
        whole: file of the clips of the whole benchmark, for messages.

    Raises:
        DataError: naming the first clip or text that is not, and the row of a clip, from 1.
    """
    ids = subset.clips["event_id"]
    is_known = ids.isin(clips["event_id"]).to_numpy()
    if not is_known.all():
        row = int(np.argmin(is_known))
        raise DataError(
            f"{source}: {_place(subset, row)}: clip {ids[row]!r} is not one of the {len(clips)} of "
            f"the whole benchmark ({whole})"
        )
    columns = ["video_id", "start_s", "stop_s"]
    own = subset.clips[columns].to_numpy()
    others = clips.set_index("event_id").loc[ids, columns].to_numpy()
    differs = (own != others).any(axis=1)
    if differs.any():
        row = int(np.argmax(differs))
        raise DataError(
            f"{source}: {_place(subset, row)}: clip {ids[row]!r} is {_span(own[row])}, but "
            f"{_span(others[row])} in the whole benchmark ({whole})"
        )
    known = set(zip(texts["kind"], texts["text"], strict=True))
    for text in subset.texts.itertuples():
        if (text.kind, text.text) not in known:
            raise DataError(
                f"{source}: clip {text.event_id!r}: no clip of the whole benchmark ({whole}) has "
                f"the text {str(text.text)[:80]!r} of kind {text.kind}"
            )


def _place(subset: CaptionedClips, row: int) -> str:
    """Return where a clip is in its file: the row, or the first question that has it."""
    if subset.questions.empty:
        return f"row {row + 1}"
    event_id = subset.clips["event_id"][row]
    has_it = (subset.questions.filter(like="choice_") == event_id).any(axis=1)
    return f"question {subset.questions['question_id'][int(np.argmax(has_it))]!r}"


def _span(values: "np.ndarray[tuple[int], np.dtype[np.object_]]") -> str:
    return f"{values[1]} to {values[2]} s of {values[0]!r}"


def _clip_ids(path: Path) -> "pd.Series[str]":
    """Return the ids of a published table of clips."""
    lookup = Lookup(places={"narration_id": TEXT_PLACES["narration_id"]})
    return read_published(path, texts=("narration_id",), lookup=lookup)["narration_id"]


def _check_apart(
    ids: "pd.Series[str]", source: Path, others: "pd.Series[str]", other: Path
) -> None:
    """Check that no clip of a subset is in another one, too.

    Raises:
        DataError: naming the first one, and its rows, counted from 1.
    """
    shared = np.flatnonzero(ids.isin(others))
    if len(shared):
        event_id = ids[shared[0]]
        found = int(np.argmax(others == event_id)) + 1
        raise DataError(
            f"{source}: row {shared[0] + 1}: clip {event_id!r} is in {other}, too, in row {found}; "
            "expected each clip in one subset"
        )
