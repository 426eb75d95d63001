"""Stage evaluate_llp: events and metrics of a variant on the test videos.

Source: the measures of LLP (Tian et al., ECCV 2020, section 5), as VALOR (Lai et al., NeurIPS
2023) reports them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.llp import CLASSES, WeakVideo, read_dense_labels, read_videos, weak_labels
from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.evaluation.metrics_file import (
    Provenance,
    origin_notes,
    videos_left_out,
    weights_entries,
    write_metrics,
)
from avlib.extractors.tables import FEATURES
from avlib.io.arrays import read_arrays
from avlib.io.tables import read_table, write_table
from avlib.media.tables import MANIFEST
from avlib.origins import Origin
from avlib.valor.metrics import Events, event_records, find_events, parsing_metrics, video_label_f
from avlib.valor.recipes import ParserEvaluation

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
SMALL_NETWORK_NOTE = (
    "{} is a narrow network that was trained here on rendered examples, in place of published "
    "weights; the numbers are not to be compared with those of the paper."
)


def evaluate_llp(
    inputs: Mapping[str, Path],
    *,
    provenance: Provenance,
    evaluation: ParserEvaluation,
    status: Mapping[str, Sequence[Path]],
    events_target: Path,
    target: Path,
) -> None:
    """Write the detected events of the test videos, and the metrics of a variant.

    Args:
        inputs: tables of LLP, `test`, `audio` and `visual`, and `predictions` of `parse_events`.
        provenance: its study names the `variant`; its models are of TITLES.
        evaluation: section of the configuration.
        status: tables with the status of the videos: `manifest`, if there are videos, and of kind
            FEATURES by kind of feature that is extracted here.
        events_target: table of kind EVENTS to write.
        target: JSON file to write.

    Raises:
        DataError: if the predictions cannot be read or are of other videos.
    """
    listed, predictions = read_videos(inputs[SPLIT]), read_arrays(inputs["predictions"])
    videos = _in_order(listed, predictions["video_ids"].tolist(), inputs["predictions"])
    threshold, video_probs = evaluation.threshold, predictions["video_probs"]
    found = find_events(video_probs, predictions["segment_probs"], threshold)
    write_table(_table(found, videos), events_target, EVENTS)
    truth = Events(**read_dense_labels(inputs, videos))
    label_f = video_label_f(video_probs, weak_labels(videos), threshold)
    write_metrics(
        target,
        {**provenance.study, "split": SPLIT},
        metrics=_metrics(found, truth, label_f, evaluation),
        counts=_counts(listed, videos, status),
        models=weights_entries(provenance.models, provenance.origins),
        notes=[*_notes(provenance.origins), *_same_events(found, provenance.study["variant"])],
        inputs={**inputs, **provenance.inputs},
    )


def _in_order(listed: Sequence[WeakVideo], video_ids: list[str], source: Path) -> list[WeakVideo]:
    by_id = {video.video_id: video for video in listed}
    unknown = [video_id for video_id in video_ids if video_id not in by_id]
    if unknown:
        raise DataError(f"{source}: video {unknown[0]!r} is not in the test list; predict again")
    return [by_id[video_id] for video_id in video_ids]


def _table(found: Events, videos: Sequence[WeakVideo]) -> pd.DataFrame:
    """Return events as a table, ordered by video, modality, class and time."""
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
    return table.reindex(columns=[column.name for column in EVENTS.columns])


def _metrics(
    found: Events, truth: Events, label_f: NDArray[np.float64], evaluation: ParserEvaluation
) -> dict[str, Any]:
    return {
        SPLIT: parsing_metrics(found, truth, evaluation.iou),
        "video_label_f": 100.0 * float(np.nanmean(label_f)),
        "threshold": evaluation.threshold,
        "iou": evaluation.iou,
    }


def _counts(
    listed: Sequence[WeakVideo],
    videos: Sequence[WeakVideo],
    status: Mapping[str, Sequence[Path]],
) -> dict[str, Any]:
    return {
        "videos": {"listed": len(listed), "evaluated": len(videos)},
        "left_out": _left_out(listed, videos, status),
    }


def _left_out(
    listed: Sequence[WeakVideo],
    videos: Sequence[WeakVideo],
    status: Mapping[str, Sequence[Path]],
) -> list[dict[str, Any]]:
    """Return the videos of any split that are left out, with stage, status and message.

    Videos that are missing in given folders are listed for the test split only.
    """
    tables = {}
    for name, paths in status.items():
        schema = MANIFEST if name == "manifest" else FEATURES
        tables[name] = pd.concat([read_table(path, schema) for path in paths])
    found = videos_left_out(tables) if tables else []
    lost = {video.video_id for video in listed} - {video.video_id for video in videos}
    for video_id in sorted(lost - {row["video_id"] for row in found}):
        row = {"video_id": video_id, "split": SPLIT, "left_out_by": "features"}
        found.append(row | {"status": "missing", "message": MISSING})
    return found


def _notes(origins: Mapping[str, Origin]) -> list[str]:
    """Return the notes on networks whose weights are not the published ones."""
    notes = origin_notes(origins, TITLES)
    for name in notes.keys() - {"parser"}:
        notes[name] = SMALL_NETWORK_NOTE.format(TITLES[name])
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
