"""Operations of LLP's labels, of the places that stand for segments, and of the metrics."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from avlib.datasets import llp
from avlib.extractors.clap.log_mel import segment_bounds, stretch_indices
from avlib.extractors.segments import spread_indices
from avlib.valor import metrics
from avlib.valor.pseudo_labels import pseudo_labels
from avlib.verify.cases import CaseError
from avlib.verify.operations import Array, Results, operation

MODALITIES = ("audio", "visual", "audio_visual")
COUNTS = ("true_positive", "false_negative", "false_positive")  # order of `classwise_counts`


@operation("valor", "labels")
def labels(
    filenames: Sequence[str],
    weak: Sequence[tuple[str, str]],
    audio: Sequence[tuple[str, int, int, str]],
    visual: Sequence[tuple[str, int, int, str]],
) -> Results:
    """Return the labels of `filenames` that are made of rows of the label files.

    Rows are those of the files: `weak` name, classes; `audio` and `visual` name, start, stop,
    class.
    """
    videos = {name: llp.WeakVideo(name, llp.class_ids_of(text)) for name, text in weak}
    results = {"weak": llp.weak_labels([videos[name] for name in filenames])}
    for modality, given in (("audio", audio), ("visual", visual)):
        rows = [
            llp.DenseRow(name, int(start), int(stop), llp.class_id_of(label))
            for name, start, stop, label in given
        ]
        results[f"gt_{modality}"] = llp.dense_labels(filenames, rows)
    return results


@operation("valor", "file_labels")
def file_labels(
    weak: Path, audio: Path, visual: Path, filenames: Sequence[str] | None = None
) -> Results:
    """Return the labels of videos, by default of all of `weak`, as the public files have them."""
    videos = {video.filename: video for video in llp.read_videos(weak)}
    chosen = [videos[name] for name in (list(videos) if filenames is None else filenames)]
    names = [video.filename for video in chosen]
    return {
        "label": llp.weak_labels(chosen),
        "gt_audio": llp.dense_labels(names, llp.read_dense(audio)),
        "gt_visual": llp.dense_labels(names, llp.read_dense(visual)),
    }


@operation("valor", "pseudo_labels")
def pseudo(logits: Array, weak: Array, *, thresholds: list[float]) -> Results:
    """Return the labels that given logits of a teacher and weak labels lead to."""
    return {"labels": pseudo_labels(logits, weak, thresholds)}


@operation("valor", "frame_indices")
def frame_indices(frames: Sequence[int], *, chosen: int) -> Results:
    """Return the chosen frames of videos, by their numbers of frames."""
    return {str(n): spread_indices(n, chosen) for n in frames}


@operation("valor", "segment_samples")
def segment_samples(samples: Sequence[int]) -> Results:
    """Return start and stop of the segments of recordings, by their numbers of samples."""
    return {str(n): segment_bounds(n) for n in samples}


@operation("valor", "stretched_samples")
def stretched_samples(samples: Sequence[int]) -> Results:
    """Return the samples that recordings are stretched with, by their numbers of samples."""
    return {str(n): np.asarray(stretch_indices(n)) for n in samples}


def predicted_events(
    pred_audio: Array | None = None,
    pred_visual: Array | None = None,
    video_prob: Array | None = None,
    frame_prob: Array | None = None,
) -> metrics.Events:
    """Return predictions (N, K, T) that are given, or follow from the probabilities."""
    if video_prob is not None and frame_prob is not None:
        return metrics.find_events(video_prob, frame_prob)
    if pred_audio is not None and pred_visual is not None:
        return metrics.Events(pred_audio.astype(bool), pred_visual.astype(bool))
    raise CaseError("the case has neither inputs 'pred_...' nor 'video_prob', 'frame_prob'")


@operation("valor", "scores", predict=predicted_events)
def scores(
    predict: Callable[[], metrics.Events],
    gt_audio: Array,
    gt_visual: Array,
    video_prob: Array | None = None,
    label: Array | None = None,
    filenames: Sequence[str] | None = None,
    *,
    fields: list[str],
) -> Results:
    """Return the scores of predictions (N, K, T), and `fields` of the data set in percent.

    With `label`, weak labels, and `filenames` there is more that follows from these.
    """
    truth, predicted = metrics.Events(gt_audio.astype(bool), gt_visual.astype(bool)), predict()
    segments = metrics.segment_scores(predicted, truth)
    events = metrics.event_scores(predicted, truth)
    of_data_set = metrics.data_set_scores(segments.video_f, events.video_f)
    counts = [vars(segments.counts[m])[name] for m in MODALITIES for name in COUNTS]
    results: dict[str, Any] = {
        "pred_audio": np.asarray(predicted.audio),
        "pred_visual": np.asarray(predicted.visual),
        "seg": segments.video_f,
        "event": events.video_f,
        "aggregate": [of_data_set[name] for name in fields],
        "classwise_f": segments.class_f,
        "classwise_counts": np.stack(counts, axis=1),
    }
    if label is not None and video_prob is not None:
        results["video_level_f"] = metrics.video_label_f(video_prob, label)
    if filenames is not None:
        for modality, masks in predicted._asdict().items():
            records = metrics.event_records(masks, filenames, llp.CLASSES)
            of_videos = [[list(record) for record in video] for video in records]
            results |= {f"records/{modality}/{i}": x for i, x in enumerate(of_videos)}
    return results


@operation("valor", "event_edges")
def event_edges(sequences: Any, pairs: Any) -> Results:
    """Return the events of rows of seconds, and the counts of pairs of rows.

    A row of `pairs` is the numbers of prediction and truth, to which are added the true
    positives, false positives and false negatives.
    """
    rows, numbers = np.array(sequences, dtype=bool), np.array(pairs).reshape(-1, 2)  # (rows, T)
    records = metrics.event_records(rows[:, None], [""] * len(rows), [""])
    predicted, truth = (rows[column].T[:, :, None] for column in numbers.T)
    counts = metrics.count_events(predicted, truth)
    return {
        "events": [[[start, stop] for _, start, stop, _ in row] for row in records],
        "pairs": np.hstack([numbers, *vars(counts).values()]),
    }
