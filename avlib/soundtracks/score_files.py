"""Files of audio and visual scores: arrays whose rows have names, ours and published ones.

Source: the published score arrays of Kinetics-600: audio (N, K), visual (N, 1, K), described
there as K x N x 1, each with a list file that names the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.kinetics import read_video_list
from avlib.errors import DataError
from avlib.io.atomic import atomic_path
from avlib.io.tables import read_table
from avlib.io.torn import torn
from avlib.soundtracks.tables import SCORED_VIDEOS, SOUNDTRACKS


@dataclass(frozen=True)
class ScoreFiles:
    """An array of scores, and what names its rows.

    Attributes:
        scores: `.npy` file.
        rows: table of the rows; of published scores the list of videos that they are in order of.
    """

    scores: Path
    rows: Path


@dataclass(frozen=True)
class FusionFiles:
    """Fused scores.

    Attributes:
        report: JSON file with `scores` and `probabilities`, each as `fusion_metrics`, `reference`
            as `reference_metrics`, the `counts` of videos, and the names of those left out.
        sweep: CSV file with weight, top1, top5 and mean of the scores.
        predictions: table of kind FUSED_ANSWERS, of the scores.
    """

    report: Path
    sweep: Path
    predictions: Path


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
    """Scores with a table of their rows.

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


def read_scores(path: Path, video_ids: Sequence[str], num_classes: int) -> NamedScores:
    """Return the scores in a `.npy` file of our or of a published layout.

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
        raise torn(path, ".npy file", error) from error
    return NamedScores(video_ids, _as_rows(array, len(video_ids), num_classes, path), str(path))


def read_soundtracks(files: ScoreFiles, num_classes: int) -> ScoreTable:
    """Return scores of soundtracks and their table of kind SOUNDTRACKS.

    Raises:
        DataError: as `read_scores`, or if the table cannot be read.
    """
    rows = read_table(files.rows, SOUNDTRACKS)
    return ScoreTable(rows, read_scores(files.scores, rows["video_id"].tolist(), num_classes))


def read_video_scores(files: ScoreFiles, num_classes: int) -> ScoreTable:
    """Return scores of videos and the table or list of their rows.

    Args:
        files: scores in any layout of `read_scores`; and a table of kind SCORED_VIDEOS, whose
            name ends in `.parquet`, or a list of the videos as `read_video_list` reads it, without
            splits and possibly without classes.
        num_classes: classes K.

    Raises:
        DataError: as `read_scores`, or if the names cannot be read.
    """
    if files.rows.suffix == ".parquet":
        rows = read_table(files.rows, SCORED_VIDEOS)
    else:
        rows = read_video_list(files.rows).rename(columns={"name": "video_id"})
    return ScoreTable(rows, read_scores(files.scores, rows["video_id"].tolist(), num_classes))


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


def save_array(array: NDArray[np.floating], target: Path) -> None:
    """Write an array as a `.npy` file, whole or not at all."""
    with atomic_path(target) as partial, partial.open("wb") as file:
        np.save(file, array, allow_pickle=False)
