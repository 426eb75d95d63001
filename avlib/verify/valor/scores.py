"""Operations of the metrics of event parsing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.llp import CLASSES
from avlib.valor.metrics import (
    Events,
    count_events,
    data_set_scores,
    event_records,
    event_scores,
    find_events,
    segment_scores,
    video_label_f,
)
from avlib.verify.by_class import Arguments, Inputs, Results, operation

MODALITIES = ("audio", "visual", "audio_visual")
COUNTS = ("true_positive", "false_negative", "false_positive")  # order of `classwise_counts`


class ScoreArguments(Arguments):
    """Which means over the data set are wanted, in this order."""

    fields: list[str]


@operation("valor", "scores")
def scores(arguments: ScoreArguments, inputs: Inputs) -> Results:
    """Return the scores of predictions (N, K, T), and of the data set in percent.

    The predictions are given, or follow from the probabilities `video_prob` and `frame_prob`;
    with `label`, weak labels, and `filenames` there is more that follows from these.
    """
    truth = _events(inputs, "gt")
    if "video_prob" in inputs:
        predicted = find_events(inputs["video_prob"], inputs["frame_prob"])
    else:
        predicted = _events(inputs, "pred")
    segments, events = segment_scores(predicted, truth), event_scores(predicted, truth)
    of_data_set = data_set_scores(segments.video_f, events.video_f)
    counts = [vars(segments.counts[m])[name] for m in MODALITIES for name in COUNTS]
    results: dict[str, Any] = {
        "pred_audio": np.asarray(predicted.audio),
        "pred_visual": np.asarray(predicted.visual),
        "seg": segments.video_f,
        "event": events.video_f,
        "aggregate": [of_data_set[name] for name in arguments.fields],
        "classwise_f": segments.class_f,
        "classwise_counts": np.stack(counts, axis=1),
    }
    if "label" in inputs:
        results["video_level_f"] = video_label_f(inputs["video_prob"], inputs["label"])
    if "filenames" in inputs:
        for modality, masks in predicted._asdict().items():
            records = event_records(masks, inputs["filenames"], CLASSES)
            of_videos = [[list(record) for record in video] for video in records]
            results |= {f"records/{modality}/{i}": x for i, x in enumerate(of_videos)}
    return results


def _events(inputs: Inputs, prefix: str) -> Events:
    masks: list[NDArray[np.bool_]] = [
        inputs[f"{prefix}_{modality}"].astype(bool) for modality in ("audio", "visual")
    ]
    return Events(*masks)


@operation("valor", "event_edges")
def event_edges(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the events of rows of seconds, and the counts of pairs of rows.

    A row of `pairs` is the numbers of prediction and truth, to which are added the true
    positives, false positives and false negatives.
    """
    sequences = np.array(inputs["sequences"], dtype=bool)  # (rows, T)
    records = event_records(sequences[:, None], [""] * len(sequences), [""])
    pairs = np.array(inputs["pairs"]).reshape(-1, 2)
    predicted, truth = (sequences[column].T[:, :, None] for column in pairs.T)
    counts = count_events(predicted, truth)
    return {
        "events": [[[start, stop] for _, start, stop, _ in row] for row in records],
        "pairs": np.hstack([pairs, *vars(counts).values()]),
    }
