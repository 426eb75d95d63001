"""Golden cases of LLP's labels, of pseudo labels, and of the places that stand for segments."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly, data_folder

logger = logging.getLogger(__name__)

FRAMES = re.compile(r"frames(\d+)")
FIRST, LAST, EVERY = (re.compile(p) for p in (r"first(\d+)", r"last(\d+)", r"at_k_times_(\d+)"))


def labels(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the arrays that are made of rows of the label files."""
    rows, names = case.content["rows"], case.content["filenames"]
    weak = {name: WeakVideo(name, class_ids_of(text)) for name, text in rows["weak"]}
    results = {"weak": weak_labels([weak[name] for name in names])}
    for modality in ("audio", "visual"):
        dense = [
            DenseRow(n, int(a), int(b), class_id_of(label)) for n, a, b, label in rows[modality]
        ]
        results[f"gt_{modality}"] = dense_labels(names, dense)
    for name, result in results.items():
        yield compare(name, result, case.arrays[name], case.tolerance(name))


def file_labels(case: Case, split: str, names: Sequence[str]) -> dict[str, NDArray[Any]] | None:
    """Return the labels of videos as the public files have them.

    The files are not part of this repository. Without them, or where they lack a video, this is
    None, which is logged.

    Args:
        case: beside which they are looked for.
        split: val or test.
        names: file names of videos; none: all of the split.

    Returns:
        `label` (N, K), `gt_audio` and `gt_visual` (N, K, T).
    """
    folder = data_folder(case.path) / "llp"
    paths = {
        "weak": folder / f"AVVP_{split}_pd.csv",
        "gt_audio": folder / "AVVP_eval_audio.csv",
        "gt_visual": folder / "AVVP_eval_visual.csv",
    }
    if not all(path.is_file() for path in paths.values()):
        logger.warning("%s: not compared with the label files, not all in %s", case.id, folder)
        return None
    videos = {video.filename: video for video in read_videos(paths.pop("weak"))}
    if unknown := [name for name in names if name not in videos]:
        logger.warning("%s: not compared with the label files, no %s", case.id, unknown[0])
        return None
    chosen = [videos[name] for name in names or videos]
    dense = {
        name: dense_labels([v.filename for v in chosen], read_dense(path))
        for name, path in paths.items()
    }
    return {"label": weak_labels(chosen), **dense}


def pseudo(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the labels that given logits of both teachers lead to."""
    for modality in ("visual", "audio"):
        limits = case.content[f"thresholds_{modality}"]
        name = f"{modality}_pseudo"
        result = pseudo_labels(case.arrays[f"{modality}_logits"], case.arrays["weak"], limits)
        yield compare(name, result, case.arrays[name], case.tolerance(name))


def index_rules(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare which frames and samples stand for the segments of a clip."""
    for name, golden in case.content.items():
        if found := FRAMES.fullmatch(name):
            result = {n: spread_indices(int(n), int(found[1])).tolist() for n in golden}
            for n, frames in golden.items():
                yield compare_exactly(f"{name} of {n}", result[n], frames)
    for entry in case.content.get("audio_segments", ()):
        n = entry["n_samples"]
        bounds = segment_bounds(n).tolist()
        yield compare_exactly(f"audio_segments of {n}", bounds, entry["start_stop"])
    for entry in case.content.get("audio_stretch", ()):
        yield from _stretch(entry)


def _stretch(golden: Mapping[str, Any]) -> Iterator[Comparison]:
    n = golden["n_samples"]
    places = stretch_indices(n)
    for name, values in golden.items():
        result: Any
        if name == "sum":
            result = int(places.sum())
        elif found := FIRST.fullmatch(name):
            result = places[: int(found[1])].tolist()
        elif found := LAST.fullmatch(name):
            result = places[-int(found[1]) :].tolist()
        elif found := EVERY.fullmatch(name):
            result = places[np.arange(len(values)) * int(found[1])].tolist()
        else:
            continue
        yield compare_exactly(f"audio_stretch of {n}, {name}", result, values)
