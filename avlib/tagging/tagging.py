"""Stage find_events: from the scored seconds of a study to tables of events, and what was found."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.errors import DataError
from avlib.extractors.minilm.texts import SentenceEncoder
from avlib.io.atomic import atomic_path, write_json
from avlib.io.json_files import read_cached_json
from avlib.io.provenance import package_versions
from avlib.io.tables import read_table, write_parts, write_table
from avlib.media.manifest import check_bad_fraction, count_files
from avlib.media.tables import MANIFEST
from avlib.progress import progress
from avlib.tagging.archive import Archive, LegName, ScoredVideo
from avlib.tagging.events import find_events
from avlib.tagging.finding import ClassTagger, LabelTagger, Meaning, Tagger
from avlib.tagging.leg_files import LegFiles
from avlib.tagging.recipes import Tagging
from avlib.tagging.tables import BACKGROUND, FOUND_EVENTS, TAGGED_SECONDS
from avlib.tagging.vocabulary import NEAR, Meanings, meanings_of, read_labels

logger = logging.getLogger(__name__)

COMMONEST = 10
TIMES_LISTED = 10  # of an event's label in the summary
EVENT_COLUMNS = [column.name for column in FOUND_EVENTS.columns]


@dataclass(frozen=True, kw_only=True)
class TagFiles:
    """What the stage reads and writes.

    Attributes:
        folder: results of the study, with its scored seconds.
        manifests: of all shards, with what came of each video.
        passed_over: JSON file of numbers of other files by suffix, which may be absent.
        sentences: folder of MiniLM.
        cache: folder for what is made once and kept.
        events: table to write.
        csv: the same as CSV.
        seconds: table to write.
        summary: JSON file to write.
        legs: files of the networks of legs, where one takes labels as they are.
    """

    folder: Path
    manifests: Sequence[Path]
    passed_over: Path
    sentences: Path
    cache: Path
    events: Path
    csv: Path
    seconds: Path
    summary: Path
    legs: Mapping[LegName, LegFiles] = field(default_factory=dict)


def tag_videos(
    files: TagFiles, tagging: Tagging, study: Mapping[str, str], max_bad_fraction: float
) -> None:
    """Find events in all videos of a study, and write them, every second, and a summary.

    Args:
        files: inputs and outputs.
        tagging: labels and thresholds.
        study: fields that begin the summary.
        max_bad_fraction: share of the videos that may be left out.

    Raises:
        DataError: if no label is near to a class, or more videos are left out.
    """
    manifest = pd.concat([read_table(path, MANIFEST) for path in files.manifests])
    check_bad_fraction(manifest, f"videos of {files.folder.name}", max_bad_fraction)
    events: list[pd.DataFrame] = []
    with Archive(files.folder) as archive:
        tagger, labels = _tagger(archive, tagging, files)
        parts = _tagged(archive, tagger, tagging, events)
        write_parts(parts, files.seconds, TAGGED_SECONDS)
        none = pd.DataFrame(columns=EVENT_COLUMNS)
        found = pd.concat(events, ignore_index=True) if events else none
        summary = {
            **study,
            "videos": count_files(manifest, read_cached_json(files.passed_over) or {}),
            "seconds": len(archive),
            "events": len(found),
            "commonest": _commonest(found),
            "units": tagger.units(),
            **labels,
            "weights": {kind.network: kind.weights for kind in archive.legs.values()},
            "versions": package_versions(),
        }
    write_table(found, files.events, FOUND_EVENTS)
    with atomic_path(files.csv) as partial:
        found.to_csv(partial, index=False, lineterminator="\n")
    write_json(files.summary, summary)


def _tagger(archive: Archive, tagging: Tagging, files: TagFiles) -> tuple[Tagger, dict[str, Any]]:
    """Return what scores seconds, and how labels were understood, and which ones are left out."""
    if tagging.labels is None:
        return ClassTagger(archive, tagging), {"labels": {}, "left_out": []}
    labels = read_labels(tagging.labels)
    towers = {leg: kind for leg, kind in archive.legs.items() if kind.takes_texts}
    classes = {leg: kind for leg, kind in archive.legs.items() if leg not in towers}
    by_text: dict[str, Any] = {leg: {"text_tower": kind.network} for leg, kind in towers.items()}
    understood = {label: dict(by_text) for label in labels}
    found: dict[LegName, Meaning] = {}
    left_out: list[str] = []
    if classes:
        meanings = meanings_of(labels, classes, SentenceEncoder(files.sentences).embed, files.cache)
        for label, own in meanings.summary().items():
            understood[label] |= own
        if not towers:  # one knows every label
            meanings, left_out = _near(meanings, tagging.labels)
        labels, found = list(meanings.given), dict(meanings.weights)
    if towers:
        from avlib.tagging.text_towers import label_vectors  # imports torch
    for leg, kind in towers.items():
        given = files.legs[leg]
        assert given.tokenizer is not None
        found[leg] = label_vectors(kind, labels, given.checkpoint, given.tokenizer)
    known = {"labels": understood, "left_out": left_out}
    return LabelTagger(archive, labels, found, tagging), known


def _near(meanings: Meanings, path: Path) -> tuple[Meanings, list[str]]:
    """Return the labels that a class is near to, and why the others are left out.

    Raises:
        DataError: if there are no such labels.
    """
    is_near = meanings.reliability >= NEAR
    left_out = [meanings.remark(number) for number in np.flatnonzero(~is_near).tolist()]
    for remark in left_out:
        logger.warning("left out: %s", remark)
    if not is_near.any():
        raise DataError(f"{path}: {left_out[0]}")
    return meanings.only(is_near), left_out


def _tagged(
    archive: Archive, tagger: Tagger, tagging: Tagging, events: list[pd.DataFrame]
) -> Iterator[pd.DataFrame]:
    """Yield the seconds of each video as rows of a table; add its events to `events`."""
    videos = progress(archive.videos(), "finding events", "videos", total=len(archive.video_ids))
    for video in videos:
        rows, seconds = _tag(video, tagger, tagging)
        if rows:
            table = pd.DataFrame(rows, columns=EVENT_COLUMNS)
            events.append(table.sort_values(["start_s", "stop_s", "label"], kind="stable"))
        yield seconds


def _tag(
    video: ScoredVideo, tagger: Tagger, tagging: Tagging
) -> tuple[list[tuple[str, float, float, str, float]], pd.DataFrame]:
    """Return the events of a video, and its seconds, each with the best label of its events."""
    best, value = np.full(video.seconds, -np.inf), np.full(video.seconds, np.nan)
    label = np.full(video.seconds, BACKGROUND, object)
    events = []
    for found in tagger.candidates(video):
        spans = find_events(found.scores, found.onset, found.offset, tagging.gap, tagging.minimum)
        for start, stop in spans:
            top = float(found.scores[start:stop].max())
            events.append((video.video_id, float(start), float(stop), found.label, top))
            within = np.arange(start, stop)
            # Deviations and probabilities are compared in units of their thresholds.
            within = within[found.scores[within] / found.onset > best[within]]
            best[within] = found.scores[within] / found.onset
            value[within], label[within] = found.scores[within], found.label
    start_s = np.arange(video.seconds, dtype=np.float64)
    seconds = {"video_id": video.video_id, "start_s": start_s, "stop_s": start_s + 1}
    return events, pd.DataFrame(seconds | {"label": label, "score": value})


def _commonest(events: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the labels with most events, those of more seconds first, and their best times."""
    lasting = events.assign(seconds=events["stop_s"] - events["start_s"])
    labels = lasting.groupby("label")["seconds"].agg(["size", "sum"]).reset_index()
    labels = labels.sort_values(["size", "sum", "label"], ascending=[False, False, True])
    found = []
    for row in labels.head(COMMONEST).itertuples(index=False):
        own = events[events["label"] == row.label]
        listed = own.sort_values("score", ascending=False, kind="stable").head(TIMES_LISTED)
        times = listed.sort_index(kind="stable")[["video_id", "start_s", "stop_s"]]
        found.append(
            {
                "label": row.label,
                "events": int(row.size),
                "seconds": float(row.sum),
                "times": times.to_dict("records"),
            }
        )
    return found
