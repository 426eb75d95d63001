"""Stage fuse_scores: scores of a study's soundtracks fused with those of its videos.

Source: the published soundtrack classification of Kinetics-600, whose weight is chosen on the
videos that it is reported on; here that is an option.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.kinetics import match_key
from avlib.errors import DataError
from avlib.evaluation.class_names import read_classes
from avlib.io.atomic import atomic_path, write_json
from avlib.io.tables import write_table
from avlib.soundtracks.fusion_metrics import Fused, fuse_pairs, fusion_metrics, reference_metrics
from avlib.soundtracks.matching import MatchedScores, pair_split
from avlib.soundtracks.metrics import in_space
from avlib.soundtracks.score_files import (
    FusionFiles,
    ScoreFiles,
    ScoreTable,
    read_soundtracks,
    read_video_scores,
)
from avlib.soundtracks.sweep import Fusion, Paired, Space, sweep
from avlib.soundtracks.tables import FUSED_ANSWERS

SWEEP_COLUMNS = ("weight", "top1", "top5", "mean")


def fuse_scores(
    audio: ScoreFiles, video: ScoreFiles, classes: Path, *, fusion: Fusion, targets: FusionFiles
) -> None:
    """Write the metrics of audio, video and their fusion on split `test`, and the whole sweep.

    The weight is chosen on the videos of split `val`, if any has both scores, else on each half
    of the evaluated ones for the other half; or on all evaluated ones, as published.

    Args:
        audio: scores of `score_soundtracks`, rows of kind SOUNDTRACKS.
        video: scores (N, K), (N, 1, K) or (K, N, 1), of `score_videos` or given; rows of kind
            SCORED_VIDEOS, or the list of videos that a given file is in the order of, as
            `Kinetics_600_vallist.txt`, whose names are matched by `match_key`.
        classes: JSON with the names of the classes, as `class_id`.
        fusion: how.
        targets: files to write.

    Raises:
        DataError: if scores, names and classes do not match, no name is in both, or the
            videos are too few to choose a weight.
    """
    num_classes = len(read_classes(classes))
    heard, seen = read_soundtracks(audio, num_classes), read_video_scores(video, num_classes)
    key = str if "split" in seen.rows else match_key
    validation = None
    if fusion.weight_from == "validation" and _have_both(heard, seen, "val", key):
        validation = pair_split(heard, seen, "val", key)
    evaluated = pair_split(heard, seen, "test", key)
    fuse(evaluated, fusion=fusion, validation=validation, targets=targets)


def _have_both(audio: ScoreTable, video: ScoreTable, split: str, key: Callable[[str], str]) -> bool:
    """Say whether a video of a split has visual scores and a soundtrack with a clip."""
    chosen = audio.rows[(audio.rows["split"] == split) & (audio.rows["clips"] > 0)]
    return not {key(v) for v in chosen["video_id"]}.isdisjoint(map(key, video.rows["video_id"]))


def fuse(
    evaluated: MatchedScores,
    *,
    fusion: Fusion,
    validation: MatchedScores | None,
    targets: FusionFiles,
) -> None:
    """Write the metrics of audio, video and their fusion, and the sweep over evaluated videos.

    Videos whose sound is shorter than a clip are left out, except from the published counting.

    Args:
        evaluated: videos that are reported on.
        fusion: how.
        validation: other videos to choose the weight on; None: each half of the evaluated ones, by
            a hash of their names, for the other half.
        targets: files to write.

    Raises:
        DataError: if no video is left, or there are too few for two halves.
    """
    needs_both = fusion.weight_from == "validation" and validation is None
    halves = _halves(evaluated.video_ids, needs_both=needs_both)

    pairs, fused = _fused_in(fusion.space, fusion, evaluated, validation, halves)
    report = {
        **_counts(evaluated, validation),
        "scores": fusion_metrics(pairs, fused),
        "probabilities": fusion_metrics(
            *_fused_in("softmax", fusion, evaluated, validation, halves)
        ),
        "reference": reference_metrics(evaluated.all_pairs, fusion.weights),
    }
    predictions = _predictions(evaluated.video_ids, pairs, fused)
    write_table(predictions, targets.predictions, FUSED_ANSWERS)
    rows = sweep(pairs, fusion.weights).rows()
    with atomic_path(targets.sweep) as partial:
        pd.DataFrame(rows, columns=SWEEP_COLUMNS).to_csv(partial, index=False)
    write_json(targets.report, report)


def _fused_in(
    space: Space,
    fusion: Fusion,
    evaluated: MatchedScores,
    validation: MatchedScores | None,
    halves: NDArray[np.int64],
) -> tuple[Paired, Fused]:
    """Return the evaluated scores in a space, and their fusion there."""
    pairs = _as_space(evaluated.pairs, space)
    return pairs, fuse_pairs(
        pairs,
        fusion.weights,
        weight_from=fusion.weight_from,
        validation=None if validation is None else _as_space(validation.pairs, space),
        halves=halves,
        criterion=fusion.criterion,
    )


def _halves(video_ids: Sequence[str], *, needs_both: bool) -> NDArray[np.int64]:
    """Return the half of the data that each video is in."""
    halves = np.array([name_half(video_id) for video_id in video_ids])
    if not len(halves):
        raise DataError("no video with visual scores has a soundtrack as long as a clip")
    if needs_both and len(set(halves)) < 2:
        raise DataError(
            f"{len(halves)} videos cannot be split in two to choose the weight of the fusion; "
            f"give scores of validation videos or set fusion.weight_from: evaluation"
        )
    return halves


def _as_space(pairs: Paired, space: Space) -> Paired:
    """Return both scores, given as logits, in another space."""
    return Paired(in_space(pairs.audio, space), in_space(pairs.video, space), pairs.labels)


def _counts(evaluated: MatchedScores, validation: MatchedScores | None) -> dict[str, Any]:
    found = evaluated.matches
    left_out = {
        "without_video": found.without_video,
        "without_audio": found.without_audio,
        "without_clips": evaluated.without_clips,
    }
    counts = {
        "evaluated": len(evaluated.video_ids),
        "validation": 0 if validation is None else len(validation.video_ids),
    }
    return {**left_out, "counts": counts | {name: len(ids) for name, ids in left_out.items()}}


def _predictions(video_ids: list[str], pairs: Paired, fused: Fused) -> pd.DataFrame:
    """Return the rows of FUSED_ANSWERS; of equal scores the lower class is predicted."""
    scores = {"audio": pairs.audio, "video": pairs.video, "fusion": fused.scores}
    predicted = {name: values.argmax(axis=1) for name, values in scores.items()}
    columns = {"video_id": video_ids, "class_id": pairs.labels, "weight": fused.item_weights}
    return pd.DataFrame(columns | predicted)


def name_half(video_id: str) -> int:
    """Return 0 or 1, the half of the data that a name is in, independent of other names."""
    return hashlib.sha256(video_id.encode()).digest()[0] % 2
