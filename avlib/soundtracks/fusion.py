"""Fusion of the scores of soundtracks with those of their videos, from tables to a report.

Source: the published soundtrack classification of Kinetics-600, whose weight is chosen on the
videos that it is reported on; here that is an option.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.atomic import atomic_path, write_json
from avlib.io.tables import write_table
from avlib.soundtracks.fusion_metrics import (
    Criterion,
    Fused,
    Paired,
    Space,
    fuse_scores,
    fusion_metrics,
    reference_metrics,
    sweep,
    weight_grid,
)
from avlib.soundtracks.score_files import Matches, NamedScores, match_scores
from avlib.soundtracks.tables import FUSED_ANSWERS

logger = logging.getLogger(__name__)

SWEEP_COLUMNS = ("weight", "top1", "top5", "mean")


@dataclass(frozen=True)
class FusionSettings:
    """How scores are fused.

    Attributes:
        space: what is added up, beside the probabilities, which are fused too.
        weight_from: where the weight is chosen, as in `fusion_metrics`.
        criterion: what is to be highest there.
        start: first weight of the audio, in units of 1 / `denominator`.
        stop: last weight.
        step: from one weight to the next.
        denominator: of all of them.
    """

    space: Space = "logit"
    weight_from: Literal["validation", "evaluation"] = "validation"
    criterion: Criterion = "mean_top1_top5"
    start: int = 0
    stop: int = 499
    step: int = 1
    denominator: int = 1000

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights of the audio that are tried, ascending."""
        return weight_grid(self.start, self.stop, self.step, self.denominator)


@dataclass(frozen=True)
class MatchedScores:
    """Scores of the same videos by ear and by eye, with what was left out.

    Attributes:
        video_ids: names of the videos, as the soundtracks have them, whose sound has a clip.
        pairs: their scores, as given.
        all_pairs: also those of soundtracks without a clip, whose scores are 0.
        without_clips: names of the latter.
        matches: which rows they were, all of them.
    """

    video_ids: list[str]
    pairs: Paired
    all_pairs: Paired
    without_clips: list[str]
    matches: Matches


def pair_scores(
    audio: NamedScores,
    video: NamedScores,
    labels: NDArray[np.int64],
    clips: NDArray[np.int64],
    key: Callable[[str], str] = str,
) -> MatchedScores:
    """Return the scores of the videos that both have, in the order of the soundtracks.

    Args:
        audio: scores of soundtracks.
        video: scores of videos.
        labels: (N,) true class of each soundtrack.
        clips: (N,) number of its clips.
        key: as in `match_scores`.

    Raises:
        DataError: as `match_scores`, or if a class has no scores.
    """
    found = match_scores(audio, video, key)
    num_classes = audio.scores.shape[1]
    wrong = (labels < 0) | (labels >= num_classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{audio.video_ids[row]}: class {labels[row]}, but {audio.source} has scores of the "
            f"classes 0 to {num_classes - 1}"
        )
    rows = found.audio_rows
    pairs = Paired(audio.scores[rows], video.scores[found.video_rows], labels[rows])
    has_clips = clips[rows] > 0
    matched = MatchedScores(
        video_ids=[audio.video_ids[row] for row in rows[has_clips]],
        pairs=pairs.part(has_clips),
        all_pairs=pairs,
        without_clips=[audio.video_ids[row] for row in rows[~has_clips]],
        matches=found,
    )
    for names, lacking in (
        (found.without_video, f"soundtracks have no scores in {video.source}"),
        (found.without_audio, f"videos have no scores in {audio.source}"),
        (matched.without_clips, f"soundtracks of {audio.source} are shorter than a clip"),
    ):
        if names:
            logger.warning("%d %s and are left out, %s the first", len(names), lacking, names[0])
    return matched


def fuse(
    evaluated: MatchedScores,
    *,
    settings: FusionSettings,
    validation: MatchedScores | None,
    report_target: Path,
    sweep_target: Path,
    answers_target: Path,
) -> None:
    """Write what audio, video and their fusion score, and the sweep over the evaluated videos.

    Videos whose sound is shorter than a clip are left out, but for what is counted as published.

    Args:
        evaluated: what is reported on.
        settings: how.
        validation: other videos to choose the weight on; None chooses it on each half of the
            evaluated ones, by a hash of their names, for the other half.
        report_target: JSON file with `scores` and `probabilities`, each as `fusion_metrics`,
            `reference` as `reference_metrics`, the `counts` of videos, and the names of those
            that were left out.
        sweep_target: CSV file with weight, top1, top5 and mean of the scores.
        answers_target: table of kind FUSED_ANSWERS, of the scores.

    Raises:
        DataError: if no video is left, or they are too few for two halves.
    """
    halves = np.array([name_half(video_id) for video_id in evaluated.video_ids])
    if not len(halves):
        raise DataError("no video with scores by eye has a soundtrack as long as a clip")
    needs_halves = settings.weight_from == "validation" and validation is None
    if needs_halves and len(set(halves)) < 2:
        raise DataError(
            f"{len(halves)} videos cannot be parted in two to choose the weight of the fusion; "
            f"give scores of validation videos or set fusion.weight_from: evaluation"
        )

    def in_space(space: Space) -> tuple[Paired, Fused]:
        pairs = evaluated.pairs.as_space(space)
        return pairs, fuse_scores(
            pairs,
            settings.weights,
            weight_from=settings.weight_from,
            validation=None if validation is None else validation.pairs.as_space(space),
            halves=halves,
            criterion=settings.criterion,
        )

    pairs, fused = in_space(settings.space)
    report = {
        **_counts(evaluated, validation),
        "scores": fusion_metrics(pairs, fused),
        "probabilities": fusion_metrics(*in_space("softmax")),
        "reference": reference_metrics(evaluated.all_pairs, settings.weights),
    }
    write_table(_answers(evaluated.video_ids, pairs, fused), answers_target, FUSED_ANSWERS)
    rows = sweep(pairs, settings.weights).rows()
    with atomic_path(sweep_target) as partial:
        pd.DataFrame(rows, columns=SWEEP_COLUMNS).to_csv(partial, index=False)
    write_json(report_target, report)


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


def _answers(video_ids: list[str], pairs: Paired, fused: Fused) -> pd.DataFrame:
    """Return the rows of FUSED_ANSWERS; of equal scores the lower class is the answer."""
    scores = {"audio": pairs.audio, "video": pairs.video, "fusion": fused.scores}
    answers = {name: values.argmax(axis=1) for name, values in scores.items()}
    columns = {"video_id": video_ids, "class_id": pairs.labels, "weight": fused.item_weights}
    return pd.DataFrame(columns | answers)


def name_half(video_id: str) -> int:
    """Return 0 or 1, the half of the data that a name falls into, whatever the other names."""
    return hashlib.sha256(video_id.encode()).digest()[0] % 2
