"""Stage fuse_study: scores of a study's soundtracks fused with those of its videos."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from avlib.datasets.kinetics import match_key
from avlib.errors import DataError
from avlib.evaluation.class_names import read_classes
from avlib.soundtracks.fusion import FusionSettings, MatchedScores, fuse, pair_scores
from avlib.soundtracks.score_files import ScoreTable, read_soundtracks, read_video_scores

logger = logging.getLogger(__name__)


def fuse_study(
    *,
    soundtrack_scores: Path,
    soundtracks: Path,
    classes: Path,
    video_scores: Path,
    videos: Path,
    settings: FusionSettings,
    report_target: Path,
    sweep_target: Path,
    answers_target: Path,
) -> None:
    """Write what the soundtracks of split `test`, their videos and the fusion of both score.

    The weight is chosen on the videos of split `val`, if any has both scores, else on each half
    of the evaluated ones for the other half; or on all evaluated ones, as published.

    Args:
        soundtrack_scores: `.npy` file of `score_soundtracks`.
        soundtracks: its table, of kind SOUNDTRACKS.
        classes: JSON with the names of the classes, as `class_id`.
        video_scores: `.npy` file (N, K), (N, 1, K) or (K, N, 1), of `score_pictures` or given.
        videos: its table, of kind SCORED_VIDEOS; or the list of videos that a given file is in
            the order of, as `Kinetics_600_vallist.txt`, whose names are matched by `match_key`.
        settings: how.
        report_target: as in `fuse`.
        sweep_target: as in `fuse`.
        answers_target: as in `fuse`.

    Raises:
        DataError: if scores, names and classes do not go together, no name is in both, or the
            videos are too few to choose a weight.
    """
    num_classes = len(read_classes(classes))
    ears = read_soundtracks(soundtrack_scores, soundtracks, num_classes)
    eyes = read_video_scores(video_scores, videos, num_classes)
    key = str if "split" in eyes.rows else match_key
    validation = None
    if settings.weight_from == "validation" and _have_both(ears, eyes, "val", key):
        validation = _pair(ears, eyes, "val", key)
    fuse(
        _pair(ears, eyes, "test", key),
        settings=settings,
        validation=validation,
        report_target=report_target,
        sweep_target=sweep_target,
        answers_target=answers_target,
    )


def _have_both(ears: ScoreTable, eyes: ScoreTable, split: str, key: Callable[[str], str]) -> bool:
    """Say whether a video of a split has scores by eye and a soundtrack with a clip."""
    chosen = ears.rows[(ears.rows["split"] == split) & (ears.rows["clips"] > 0)]
    return not {key(v) for v in chosen["video_id"]}.isdisjoint(map(key, eyes.rows["video_id"]))


def _pair(
    ears: ScoreTable, eyes: ScoreTable, split: str, key: Callable[[str], str]
) -> MatchedScores:
    """Return the scores of the videos of one split.

    Videos of which no split is known are those that no soundtrack of another split belongs to.
    """
    if "split" in eyes.rows:
        is_of_split = eyes.rows["split"] == split
    else:
        others = {key(v) for v in ears.rows["video_id"][ears.rows["split"] != split]}
        is_of_split = ~eyes.rows["video_id"].map(key).isin(others)
    audio = ears.part((ears.rows["split"] == split).to_numpy())
    video = eyes.part(is_of_split.to_numpy())
    labels, clips = audio.rows["class_id"].to_numpy(), audio.rows["clips"].to_numpy()
    matched = pair_scores(audio.scores, video.scores, labels, clips, key)
    _check_numbers(audio, video, matched)
    return matched


def _check_numbers(audio: ScoreTable, video: ScoreTable, matched: MatchedScores) -> None:
    """Refuse scores of videos whose list gives other numbers to the classes."""
    heard = audio.rows["class_id"].to_numpy()[matched.matches.audio_rows]
    listed = video.rows["class_id"].iloc[matched.matches.video_rows]
    differs = (listed.notna() & (listed != heard).fillna(False)).to_numpy(dtype=bool)
    if differs.any():
        row = int(np.argmax(differs))
        name = video.rows["video_id"].iloc[matched.matches.video_rows[row]]
        raise DataError(
            f"{name} is of class {heard[row]} in the study, but of {listed.iloc[row]} in the list "
            f"of {video.scores.source} ({differs.sum()} videos differ); number the classes alike"
        )
