"""Golden cases of the metrics of event parsing."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.llp import CLASSES
from avlib.valor.metrics import (
    Events,
    Scores,
    count_events,
    data_set_scores,
    event_records,
    event_scores,
    find_events,
    segment_scores,
    video_label_f,
)
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.valor.labels import file_labels

SHAPE = re.compile(r"\[:, :(\d+)\]\.reshape\(N, (\d+), (\d+)\)")
SPLIT = re.compile(r"\b(val|test) (?:annotations|videos)\b")
MODALITIES = ("audio", "visual", "audio_visual")
COUNTS = ("true_positive", "false_negative", "false_positive")  # order of the golden arrays


def masks(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the scores of given predictions and labels."""
    predicted, truth = _events(case, "pred"), _events(case, "gt")
    yield from _table(case, segment_scores(predicted, truth), event_scores(predicted, truth))
    yield from _files(case)


def probabilities(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare all that follows from given probabilities: events, scores, counts and records."""
    video_probs, truth = case.arrays["video_prob"], _events(case, "gt")
    predicted = find_events(video_probs, case.arrays["frame_prob"])
    for name, found in zip(("audio", "visual"), predicted, strict=True):
        golden = _unpacked(case, f"pred_{name}")
        yield compare_exactly(f"pred_{name}", np.asarray(found).tolist(), golden.tolist())
    segments = segment_scores(predicted, truth)
    yield from _table(case, segments, event_scores(predicted, truth))
    counts = [vars(segments.counts[m])[name] for m in MODALITIES for name in COUNTS]
    results = {
        "classwise_f": segments.class_f,
        "classwise_counts": np.stack(counts, axis=1),
        "video_level_f": video_label_f(video_probs, case.arrays["label"]),
    }
    for name, result in results.items():
        if name in case.arrays:
            yield compare(name, result, case.arrays[name], case.tolerance(name))
    yield from _records(case, predicted)
    yield from _files(case)


def _events(case: Case, prefix: str) -> Events:
    return Events(_unpacked(case, f"{prefix}_audio"), _unpacked(case, f"{prefix}_visual"))


def _unpacked(case: Case, name: str) -> NDArray[np.bool_]:
    """Return an array of bits as (N, K, T)."""
    found = SHAPE.search(case.content["unpack"])
    if found is None:
        raise ValueError(f"no shape of the masks in {case.content['unpack']!r}")
    bits, classes, seconds = map(int, found.groups())
    unpacked = np.unpackbits(case.arrays[name], axis=1)[:, :bits]
    return unpacked.reshape(-1, classes, seconds).astype(bool)


def _table(case: Case, segments: Scores, events: Scores) -> Iterator[Comparison]:
    results: dict[str, Any] = {"seg": segments.video_f, "event": events.video_f}
    scores = data_set_scores(segments.video_f, events.video_f)
    results["aggregate__f64"] = [scores[name] for name in case.content["fields_of_aggregate"]]
    for name, result in results.items():
        yield compare(name, result, case.arrays[name], case.tolerance(name))


def _records(case: Case, predicted: Events) -> Iterator[Comparison]:
    names = case.content.get("filenames", ())
    for modality, masks_of in predicted._asdict().items():
        golden = case.content.get(f"predicted_{modality}_records_first_videos")
        if golden is not None:
            records = event_records(masks_of, names, CLASSES)[: len(golden)]
            result = [[list(record) for record in video] for video in records]
            yield compare_exactly(f"predicted_{modality}_records", result, golden)


def _files(case: Case) -> Iterator[Comparison]:
    """Compare the labels of the case with those of the public files, where it tells the videos."""
    split = SPLIT.search(case.content.get("what", ""))
    found = file_labels(case, split[1], case.content.get("filenames", ())) if split else None
    for name, result in (found or {}).items():
        if name in case.arrays and len(result) == len(case.arrays[name]):
            golden = _unpacked(case, name) if name.startswith("gt_") else case.arrays[name]
            yield compare_exactly(f"{name} of the files", result.tolist(), golden.tolist())


def edges(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the events of single rows, and the counts of pairs of them."""
    c: Mapping[str, Any] = case.content
    sequences = np.array(c["sequences"], dtype=bool)  # (rows, T)
    records = event_records(sequences[:, None], [""] * len(sequences), [""])
    events = [[[start, stop] for _, start, stop, _ in row] for row in records]
    yield compare_exactly("events", events, c["events"])
    pairs = np.array(c["pair_i_j_tp_fp_fn"])[:, :2]
    predicted, truth = (sequences[column].T[:, :, None] for column in pairs.T)
    counts = count_events(predicted, truth)
    rows = np.hstack([pairs, *vars(counts).values()]).tolist()
    yield compare_exactly("counts of pairs", rows, c["pair_i_j_tp_fp_fn"])
