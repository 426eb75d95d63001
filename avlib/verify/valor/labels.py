"""Operations of LLP's labels, of pseudo labels, and of the places that stand for segments."""

import numpy as np

from avlib.datasets.llp import (
    DenseRow,
    WeakVideo,
    class_id_of,
    class_ids_of,
    dense_labels,
    read_dense,
    read_videos,
    weak_labels,
)
from avlib.extractors.clap.log_mel import segment_bounds, stretch_indices
from avlib.extractors.segments import spread_indices
from avlib.valor.pseudo_labels import pseudo_labels
from avlib.verify.by_class import Arguments, Inputs, Results, operation

MODALITIES = ("audio", "visual")


@operation("valor", "labels")
def labels(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the labels of `filenames` that are made of rows of the label files.

    Rows are those of the files: `weak` name, classes; `audio` and `visual` name, start, stop,
    class.
    """
    names = inputs["filenames"]
    weak = {name: WeakVideo(name, class_ids_of(text)) for name, text in inputs["weak"]}
    results = {"weak": weak_labels([weak[name] for name in names])}
    for modality in MODALITIES:
        rows = [
            DenseRow(name, int(start), int(stop), class_id_of(label))
            for name, start, stop, label in inputs[modality]
        ]
        results[f"gt_{modality}"] = dense_labels(names, rows)
    return results


@operation("valor", "file_labels")
def file_labels(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the labels of videos as the public files have them.

    `filenames` are those of the videos; without it they are all of `weak`.
    """
    videos = {video.filename: video for video in read_videos(inputs["weak"])}
    chosen = [videos[name] for name in inputs.get("filenames", list(videos))]
    names = [video.filename for video in chosen]
    dense = {f"gt_{m}": dense_labels(names, read_dense(inputs[m])) for m in MODALITIES}
    return {"label": weak_labels(chosen), **dense}


class ThresholdArguments(Arguments):
    """Threshold of each class."""

    thresholds: list[float]


@operation("valor", "pseudo_labels")
def pseudo(arguments: ThresholdArguments, inputs: Inputs) -> Results:
    """Return the labels that given logits of a teacher and weak labels lead to."""
    return {"labels": pseudo_labels(inputs["logits"], inputs["weak"], arguments.thresholds)}


class SpreadArguments(Arguments):
    """How many frames are chosen."""

    chosen: int


@operation("valor", "frame_indices")
def frame_indices(arguments: SpreadArguments, inputs: Inputs) -> Results:
    """Return the chosen frames of videos, by their numbers of frames."""
    return {str(n): spread_indices(n, arguments.chosen) for n in inputs["frames"]}


@operation("valor", "segment_samples")
def segment_samples(arguments: Arguments, inputs: Inputs) -> Results:
    """Return start and stop of the segments of recordings, by their numbers of samples."""
    return {str(n): segment_bounds(n) for n in inputs["samples"]}


@operation("valor", "stretched_samples")
def stretched_samples(arguments: Arguments, inputs: Inputs) -> Results:
    """Return the samples that recordings are stretched with, by their numbers of samples."""
    return {str(n): np.asarray(stretch_indices(n)) for n in inputs["samples"]}
