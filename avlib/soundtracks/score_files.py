"""Scores of soundtracks and of their videos: arrays with names, matched by name and not by row.

Source: the published score arrays of Kinetics-600: (N, K) by ear, (N, 1, K) by eye, described
there as K x N x 1, each with a list file that names the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.kinetics import read_video_list
from avlib.errors import DataError
from avlib.io.atomic import atomic_path
from avlib.io.tables import read_table
from avlib.soundtracks.tables import SCORED_VIDEOS, SOUNDTRACKS


@dataclass(frozen=True)
class NamedScores:
    """One row of scores a video.

    Attributes:
        video_ids: names of the N rows.
        scores: (N, K).
        source: what they were read from, for messages.
    """

    video_ids: Sequence[str]
    scores: NDArray[np.floating]
    source: str

    def __post_init__(self) -> None:
        wrong = ~np.isfinite(self.scores).all(axis=1)
        if wrong.any():
            first = self.video_ids[int(wrong.argmax())]
            raise DataError(
                f"{self.source}: scores of {wrong.sum()} videos hold NaN or infinity, {first} first"
            )


@dataclass(frozen=True)
class ScoreTable:
    """Scores, and what is known of each row beside its name.

    Attributes:
        rows: columns video_id and class_id; split, and clips of soundtracks, where known.
        scores: of the same N rows.
    """

    rows: pd.DataFrame
    scores: NamedScores

    def part(self, chosen: NDArray[np.bool_]) -> "ScoreTable":
        """Return the rows of a mask (N,)."""
        rows, scores = self.rows[chosen], self.scores.scores[chosen]
        return ScoreTable(rows, NamedScores(rows["video_id"].tolist(), scores, self.scores.source))


@dataclass(frozen=True)
class Matches:
    """Which rows of two tables are about the same video.

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


def read_scores(path: Path, video_ids: Sequence[str], num_classes: int) -> NamedScores:
    """Return the scores in a `.npy` file, of ours or in a published layout.

    Args:
        path: array (N, K), (N, 1, K) or (K, N, 1).
        video_ids: names of the N rows.
        num_classes: classes K.

    Raises:
        DataError: if the file cannot be read, or has another number of rows or classes.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a readable .npy file ({error})") from error
    return NamedScores(video_ids, _as_rows(array, len(video_ids), num_classes, path), str(path))


def read_soundtracks(scores: Path, table: Path, num_classes: int) -> ScoreTable:
    """Return scores of soundtracks and their table of kind SOUNDTRACKS.

    Raises:
        DataError: as `read_scores`, or if the table cannot be read.
    """
    rows = read_table(table, SOUNDTRACKS)
    return ScoreTable(rows, read_scores(scores, rows["video_id"].tolist(), num_classes))


def read_video_scores(scores: Path, names: Path, num_classes: int) -> ScoreTable:
    """Return scores of videos and what is known of their rows.

    Args:
        scores: `.npy` file in any layout of `read_scores`.
        names: table of kind SCORED_VIDEOS, whose name ends in `.parquet`; or a list of the videos
            as `read_video_list` has it, which tells no split, and maybe no class.
        num_classes: classes K.

    Raises:
        DataError: as `read_scores`, or if the names cannot be read.
    """
    if names.suffix == ".parquet":
        rows = read_table(names, SCORED_VIDEOS)
    else:
        rows = read_video_list(names).rename(columns={"name": "video_id"})
    return ScoreTable(rows, read_scores(scores, rows["video_id"].tolist(), num_classes))


def _as_rows(
    array: NDArray[np.floating], items: int, num_classes: int, path: Path
) -> NDArray[np.floating]:
    """Return the array as (N, K)."""
    if array.dtype.kind != "f":
        raise DataError(f"{path}: holds {array.dtype}, expected scores as floating-point numbers")
    if array.shape == (items, num_classes):
        return array
    if array.shape == (items, 1, num_classes):
        return array[:, 0]
    if array.shape == (num_classes, items, 1):
        return array[:, :, 0].T
    raise DataError(
        f"{path}: scores of shape {array.shape}, but the list names {items} videos and there are "
        f"{num_classes} classes; expected {(items, num_classes)}, {(items, 1, num_classes)} or "
        f"{(num_classes, items, 1)}"
    )


def write_published(
    scores: NDArray[np.floating], target: Path, kind: Literal["audio", "video"]
) -> None:
    """Write scores (N, K) as the published fusion reads them; their list file names the rows.

    Those of soundtracks are float64 (N, K), those of videos float32 (N, 1, K).
    """
    array = scores.astype(np.float64) if kind == "audio" else scores.astype(np.float32)[:, None]
    save_array(array, target)


def save_array(array: NDArray[np.floating], target: Path) -> None:
    """Write an array as a `.npy` file, whole or not at all."""
    with atomic_path(target) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def match_scores(
    audio: NamedScores, video: NamedScores, key: Callable[[str], str] = str
) -> Matches:
    """Return which rows are about the same video.

    Args:
        audio: scores of soundtracks.
        video: scores of videos.
        key: what two names of one video have in common.

    Raises:
        DataError: if the classes differ in number, two rows have one name, or no name matches.
    """
    classes = audio.scores.shape[1], video.scores.shape[1]
    if classes[0] != classes[1]:
        raise DataError(
            f"{audio.source} has scores of {classes[0]} classes, {video.source} of {classes[1]}; "
            f"fuse scores of the same classes"
        )
    ears, eyes = (_rows_by_key(scores, key) for scores in (audio, video))
    common = [k for k in ears if k in eyes]
    if not common:
        raise DataError(
            f"no name of {audio.source} is one of {video.source}: {_example(audio)} against "
            f"{_example(video)}; check the lists that name the rows"
        )
    return Matches(
        np.array([ears[k] for k in common]),
        np.array([eyes[k] for k in common]),
        [audio.video_ids[row] for k, row in ears.items() if k not in eyes],
        [video.video_ids[row] for k, row in eyes.items() if k not in ears],
    )


def _rows_by_key(scores: NamedScores, key: Callable[[str], str]) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, video_id in enumerate(scores.video_ids):
        other = rows.setdefault(key(video_id), row)
        if other != row:
            raise DataError(
                f"{scores.source}: rows {other} and {row} are about one video, {video_id}"
            )
    return rows


def _example(scores: NamedScores) -> str:
    return f"{len(scores.video_ids)} like {scores.video_ids[0]!r}" if scores.video_ids else "none"
