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

from avlib.datasets.soundtrack_scores import Matches, NamedScores, match_scores
from avlib.errors import DataError
from avlib.evaluation.soundtrack_fusion import (
    Criterion,
    Paired,
    Space,
    fusion_metrics,
    sweep,
    weight_grid,
)
from avlib.io.atomic import atomic_path, write_json

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
        video_ids: names of the videos, as the soundtracks have them.
        pairs: their scores, as given.
        matches: which rows they were.
    """

    video_ids: list[str]
    pairs: Paired
    matches: Matches


def pair_scores(
    audio: NamedScores,
    video: NamedScores,
    labels: NDArray[np.int64],
    key: Callable[[str], str] = str,
) -> MatchedScores:
    """Return the scores of the videos that both have, in the order of the soundtracks.

    Args:
        audio: scores of soundtracks.
        video: scores of videos.
        labels: (N,) true class of each soundtrack.
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
    for names, lacking in (
        (found.without_video, f"soundtracks have no scores in {video.source}"),
        (found.without_audio, f"videos have no scores in {audio.source}"),
    ):
        if names:
            logger.warning("%d %s and are left out, %s the first", len(names), lacking, names[0])
    return MatchedScores(
        [audio.video_ids[row] for row in found.audio_rows],
        Paired(
            audio.scores[found.audio_rows],
            video.scores[found.video_rows],
            labels[found.audio_rows],
        ),
        found,
    )


def fuse(
    evaluated: MatchedScores,
    *,
    settings: FusionSettings,
    validation: MatchedScores | None,
    report_target: Path,
    sweep_target: Path,
) -> None:
    """Write what audio, video and their fusion score, and the sweep over the evaluated videos.

    Args:
        evaluated: what is reported on.
        settings: how.
        validation: other videos to choose the weight on; None chooses it on each half of the
            evaluated ones, by a hash of their names, for the other half.
        report_target: JSON file with `scores` and `probabilities`, each as `fusion_metrics`, the
            `counts` of videos, and the names of those that were left out.
        sweep_target: CSV file with weight, top1, top5 and mean of the scores.

    Raises:
        DataError: if the videos are too few for two halves.
    """
    halves = np.array([name_half(video_id) for video_id in evaluated.video_ids])
    needs_halves = settings.weight_from == "validation" and validation is None
    if needs_halves and len(set(halves)) < 2:
        raise DataError(
            f"{len(halves)} videos cannot be parted in two to choose the weight of the fusion; "
            f"give scores of validation videos or set fusion.weight_from: evaluation"
        )
    report: dict[str, Any] = {}
    spaces: dict[str, Space] = {"scores": settings.space, "probabilities": "softmax"}
    for name, space in spaces.items():
        report[name] = fusion_metrics(
            evaluated.pairs.as_space(space),
            settings.weights,
            weight_from=settings.weight_from,
            validation=None if validation is None else validation.pairs.as_space(space),
            halves=halves,
            criterion=settings.criterion,
        )
    found = evaluated.matches
    report["without_video"], report["without_audio"] = found.without_video, found.without_audio
    report["counts"] = {
        "matched": len(found.audio_rows),
        "without_video": len(found.without_video),
        "without_audio": len(found.without_audio),
    }
    rows = sweep(evaluated.pairs.as_space(settings.space), settings.weights).rows()
    with atomic_path(sweep_target) as partial:
        pd.DataFrame(rows, columns=SWEEP_COLUMNS).to_csv(partial, index=False)
    write_json(report_target, report)


def name_half(video_id: str) -> int:
    """Return 0 or 1, the half of the data that a name falls into, whatever the other names."""
    return hashlib.sha256(video_id.encode()).digest()[0] % 2
