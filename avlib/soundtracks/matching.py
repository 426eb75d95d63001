"""Audio and visual scores of the same videos, matched by name and not by row."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.soundtracks.score_files import NamedScores, ScoreTable
from avlib.soundtracks.sweep import Paired

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Matches:
    """Which rows of two tables are of the same video.

    Attributes:
        audio_rows: (M,) rows of the soundtracks, ascending.
        video_rows: (M,) rows of their videos.
        without_video: names of the soundtracks without scores of the video.
        without_audio: names of the videos without a soundtrack.
    """

    audio_rows: NDArray[np.int64]
    video_rows: NDArray[np.int64]
    without_video: list[str]
    without_audio: list[str]


def match_scores(
    audio: NamedScores, video: NamedScores, key: Callable[[str], str] = str
) -> Matches:
    """Return which rows are of the same video.

    Args:
        audio: scores of soundtracks.
        video: scores of videos.
        key: maps the names of one video to one value.

    Raises:
        DataError: if the classes differ in number, two rows have one name, or no name matches.
    """
    classes = audio.scores.shape[1], video.scores.shape[1]
    if classes[0] != classes[1]:
        raise DataError(
            f"{audio.source} has scores of {classes[0]} classes, {video.source} of {classes[1]}; "
            f"fuse scores of the same classes"
        )
    audio_row, video_row = (_rows_by_key(scores, key) for scores in (audio, video))
    common = [k for k in audio_row if k in video_row]
    if not common:
        raise DataError(
            f"no name of {audio.source} is one of {video.source}: {_example(audio)} against "
            f"{_example(video)}; check the lists that name the rows"
        )
    return Matches(
        np.array([audio_row[k] for k in common]),
        np.array([video_row[k] for k in common]),
        [audio.video_ids[row] for k, row in audio_row.items() if k not in video_row],
        [video.video_ids[row] for k, row in video_row.items() if k not in audio_row],
    )


def _rows_by_key(scores: NamedScores, key: Callable[[str], str]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, video_id in enumerate(scores.video_ids):
        other = rows.setdefault(key(video_id), row)
        if other != row:
            raise DataError(f"{scores.source}: rows {other} and {row} are of one video, {video_id}")
    return rows


def _example(scores: NamedScores) -> str:
    return f"{len(scores.video_ids)} like {scores.video_ids[0]!r}" if scores.video_ids else "none"


@dataclass(frozen=True)
class MatchedScores:
    """Audio and visual scores of the same videos.

    Attributes:
        video_ids: names of the videos whose soundtrack has a clip, in the order of soundtracks.
        pairs: their scores.
        all_pairs: also those of soundtracks without a clip, whose scores are 0.
        without_clips: names of the latter.
        matches: the rows of all of them.
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
    """Return the scores of the videos that have both, in the order of the soundtracks.

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
    _check_classes(audio, labels)
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


def _check_classes(audio: NamedScores, labels: NDArray[np.int64]) -> None:
    """Check that the class of each soundtrack has scores."""
    num_classes = audio.scores.shape[1]
    wrong = (labels < 0) | (labels >= num_classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{audio.video_ids[row]}: class {labels[row]}, but {audio.source} has scores of the "
            f"classes 0 to {num_classes - 1}"
        )


def pair_split(
    audio: ScoreTable, video: ScoreTable, split: str, key: Callable[[str], str]
) -> MatchedScores:
    """Return the scores of the videos of one split.

    A video without a known split is of that split if no soundtrack of another one matches it.

    Raises:
        DataError: as `pair_scores`, or if the list of the videos has other class numbers.
    """
    if "split" in video.rows:
        is_of_split = video.rows["split"] == split
    else:
        others = {key(v) for v in audio.rows["video_id"][audio.rows["split"] != split]}
        is_of_split = ~video.rows["video_id"].map(key).isin(others)
    audio = audio.part((audio.rows["split"] == split).to_numpy())
    video = video.part(is_of_split.to_numpy())
    labels, clips = audio.rows["class_id"].to_numpy(), audio.rows["clips"].to_numpy()
    matched = pair_scores(audio.scores, video.scores, labels, clips, key)
    _check_class_ids(audio, video, matched)
    return matched


def _check_class_ids(audio: ScoreTable, video: ScoreTable, matched: MatchedScores) -> None:
    """Refuse scores of videos whose list has other class numbers than the study."""
    known = audio.rows["class_id"].to_numpy()[matched.matches.audio_rows]
    listed = video.rows["class_id"].iloc[matched.matches.video_rows]
    differs = (listed.notna() & (listed != known).fillna(False)).to_numpy(dtype=bool)
    if differs.any():
        row = int(np.argmax(differs))
        name = video.rows["video_id"].iloc[matched.matches.video_rows[row]]
        raise DataError(
            f"{name} is of class {known[row]} in the study, but of {listed.iloc[row]} in the list "
            f"of {video.scores.source} ({differs.sum()} videos differ); number the classes alike"
        )
