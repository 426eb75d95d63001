"""Stage evaluate_llp: how well a variant parses the events of the test videos.

Source: the measures of LLP (Tian et al., ECCV 2020, section 5), as VALOR (Lai et al., NeurIPS
2023) reports them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avlib.datasets.llp import CLASSES, WeakVideo, read_videos, weak_labels
from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.evaluation.metrics_file import (
    Origin,
    origin_notes,
    videos_left_out,
    weights_entry,
    write_metrics,
)
from avlib.extractors.tables import FEATURES
from avlib.io.arrays import read_arrays
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.valor.metrics import Events, event_records, find_events, parsing_metrics, video_label_f
from avlib.valor.stages import dense_events

SPLIT = "test"
TITLES = {
    "parser": "The parser",
    "vggish": "VGGish",
    "res152": "ResNet-152",
    "r2plus1d_18": "R(2+1)D-18",
    "clip": "CLIP",
    "clap": "CLAP",
}
MISSING = "no file in a given folder of features; see llp.missing"
SMALL = (
    "{} is a narrow network that was trained here on rendered examples, in place of published "
    "weights; the numbers are not to be compared with those of the paper."
)


@dataclass(frozen=True)
class ParsingModels:
    """Weights behind a variant's answers, by name as in TITLES.

    Attributes:
        weights: files.
        origins: how they were made.
    """

    weights: Mapping[str, Path]
    origins: Mapping[str, Origin]


def evaluate_llp(
    *,
    study: Mapping[str, str],
    labels: Mapping[str, Path],
    predictions: Path,
    threshold: float,
    iou: float,
    models: ParsingModels,
    manifest: Path | None,
    indices: Mapping[str, Sequence[Path]],
    events_target: Path,
    target: Path,
) -> None:
    """Write the events that were found in the test videos, and the metrics of a variant.

    Args:
        study: fields that begin the file: `study`, `variant` and `config_hash`.
        labels: tables of LLP by name: test, audio and visual.
        predictions: `.npz` file of `predict_parser`.
        threshold: probabilities at or above it are positive.
        iou: overlap at which an event is found.
        models: weights behind the answers.
        manifest: table of kind MANIFEST, where there are videos.
        indices: tables of kind FEATURES by kind of feature, of those that were made here.
        events_target: table of kind EVENTS to write.
        target: JSON file to write.

    Raises:
        DataError: if the predictions cannot be read or are of other videos.
    """
    listed, answers = read_videos(labels[SPLIT]), read_arrays(predictions)
    videos = _in_order(listed, answers["video_ids"].tolist(), predictions)
    found = find_events(answers["video_probs"], answers["segment_probs"], threshold)
    write_table(_table(found, videos), events_target, EVENTS)
    label_f = video_label_f(answers["video_probs"], weak_labels(videos), threshold)
    write_metrics(
        target,
        {**study, "split": SPLIT},
        metrics={
            SPLIT: parsing_metrics(found, dense_events(labels, videos), iou),
            "video_label_f": 100.0 * float(np.nanmean(label_f)),
            "threshold": threshold,
            "iou": iou,
        },
        counts={
            "videos": {"listed": len(listed), "evaluated": len(videos)},
            "left_out": _left_out(listed, videos, manifest, indices),
        },
        models={
            name: weights_entry(path, models.origins[name]) for name, path in models.weights.items()
        },
        notes=[*_notes(models.origins), *_same_events(found, study["variant"])],
        inputs={**labels, "predictions": predictions},
    )


def _in_order(listed: Sequence[WeakVideo], video_ids: list[str], source: Path) -> list[WeakVideo]:
    by_id = {video.video_id: video for video in listed}
    unknown = [video_id for video_id in video_ids if video_id not in by_id]
    if unknown:
        raise DataError(f"{source}: video {unknown[0]!r} is not in the test list; predict again")
    return [by_id[video_id] for video_id in video_ids]


def _table(found: Events, videos: Sequence[WeakVideo]) -> pd.DataFrame:
    """Return events as a table, by video, modality, class and time."""
    names = [video.video_id for video in videos]
    of_modality = {m: event_records(masks, names, CLASSES) for m, masks in found._asdict().items()}
    rows = [
        (video_id, SPLIT, modality, float(start), float(stop), label, CLASSES.index(label))
        for number in range(len(videos))
        for modality, records in of_modality.items()
        for video_id, start, stop, label in records[number]
    ]
    columns = ["video_id", "split", "modality", "start_s", "stop_s", "label", "class_id"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "event_id", [f"event_{number}" for number in range(len(table))])
    return table.assign(verb_class=pd.NA, noun_class=pd.NA)


def _left_out(
    listed: Sequence[WeakVideo],
    videos: Sequence[WeakVideo],
    manifest: Path | None,
    indices: Mapping[str, Sequence[Path]],
) -> list[dict[str, Any]]:
    """Return which videos of any split were left out, by what, and why.

    Of those that given folders lack only the ones of the test split are named.
    """
    tables = {} if manifest is None else {"manifest": read_table(manifest, MANIFEST)}
    for kind, paths in indices.items():
        tables[kind] = pd.concat([read_table(path, FEATURES) for path in paths])
    found = videos_left_out(tables) if tables else []
    lost = {video.video_id for video in listed} - {video.video_id for video in videos}
    for video_id in sorted(lost - {row["video_id"] for row in found}):
        row = {"video_id": video_id, "split": SPLIT, "left_out_by": "features"}
        found.append(row | {"status": "missing", "message": MISSING})
    return found


def _notes(origins: Mapping[str, Origin]) -> list[str]:
    """Return what a reader must know before comparing the numbers with others."""
    notes = origin_notes(origins, TITLES)
    for name in notes.keys() - {"parser"}:
        notes[name] = SMALL.format(TITLES[name])
    return list(notes.values())


def _same_events(found: Events, variant: str) -> list[str]:
    """Return a sentence for each modality in which all videos have the same events."""
    notes = []
    for modality, masks in found._asdict().items():
        videos = np.asarray(masks)
        if len(videos) > 1 and (videos == videos[0]).all():
            events = "the same events" if videos.any() else "no event"
            model = f"{variant}, {modality}"
            notes.append(f"{model}: the parser finds {events} in all {len(videos)} test videos.")
    return notes
