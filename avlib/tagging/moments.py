"""Search for moments like one of a video, by the embeddings of all seconds of a study."""

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.tagging.archive import LEGS, Archive, LegName
from avlib.tagging.queries import Hit, leg_weights
from avlib.tagging.scores import FEW_SECONDS, LEAST_DEVIATION, sound_weights
from avlib.tagging.search import Found, LegMeaning

NEAR_S = 5  # from the moment: seconds of its own video that are not found

Hits = list[Hit]
Scores = NDArray[np.float64]  # (N,) of all seconds, NaN where a video lacks the leg


class Moment(NamedTuple):
    """A time in a video."""

    video_id: str
    time_s: float

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what `VIDEO@SECONDS` says.

        Raises:
            DataError: if it says nothing of the kind.
        """
        video_id, _, time = text.rpartition("@")
        try:
            time_s = float(time)
        except ValueError:
            time_s = math.nan
        if not video_id or not 0 <= time_s < math.inf:
            raise DataError(f"{text!r} is no moment; write VIDEO@SECONDS, such as kitchen@12.5")
        return cls(video_id, time_s)

    def __str__(self) -> str:
        return f"{self.video_id}@{self.time_s:g}"


def search_like(folder: Path, moment: Moment, top: int) -> Found:
    """Return the seconds of a study that sound and look like a moment of one of its videos.

    Seconds are compared by the cosines of their embeddings, leg by leg, in deviations from the mean
    of all seconds; the legs are fused as for words that both vocabularies know equally well.

    Args:
        folder: results of the study, with its scored seconds.
        moment: in one of its videos.
        top: seconds to find, at least 1.

    Raises:
        DataError: if the study has no scored seconds, or none at the moment.
    """
    with Archive(folder) as archive:
        own = _row(archive, moment, folder)
        number = archive.numbers[moment.video_id]
        legs = [leg for leg in LEGS if archive.is_there[leg][number]]
        z = {leg: _cosines(archive, leg, own) for leg in legs}
        is_raw = len(archive) < FEW_SECONDS
        if not is_raw:
            z = {leg: _standardised(cosines) for leg, cosines in z.items()}
        weight = float(sound_weights([0.0], [0.0])[0])
        scores = _fused(z, weight)
        first = int(archive.firsts[number])
        stop = first + int(archive.seconds[number])
        scores[max(own - NEAR_S, first) : min(own + NEAR_S + 1, stop)] = np.nan
        hits = _best(archive, scores, z, top)
        weights = leg_weights(weight, legs)
        return Found(
            str(moment),
            "cosine" if is_raw else "deviations",
            len(archive),
            {leg: LegMeaning(weights[leg]) for leg in legs},
            hits,
        )


def _row(archive: Archive, moment: Moment, folder: Path) -> int:
    """Return the row of a moment.

    Raises:
        DataError: if it has none; the message has the nearest ids, or the length of the video.
    """
    video_id, time_s = moment
    if video_id not in archive.numbers:
        near = difflib.get_close_matches(video_id, archive.video_ids)
        hint = f"did you mean {' or '.join(near)}?" if near else "seconds.parquet names them"
        raise DataError(f"{folder}: no video {video_id!r} has scored seconds; {hint}")
    number = archive.numbers[video_id]
    seconds = int(archive.seconds[number])
    if not 0 <= time_s < seconds:
        raise DataError(f"{moment}: {video_id} has {seconds} scored seconds; name a time in them")
    return int(archive.firsts[number]) + int(time_s)


def _cosines(archive: Archive, leg: LegName, own: int) -> Scores:
    """Return the cosines of the embeddings of all seconds and that of one of them."""
    asked = archive.embeddings(leg, own, own + 1)[0].astype(np.float32)
    found = np.full(len(archive), np.nan)
    is_there = archive.has_leg(leg)
    for first, last in archive.blocks():
        vectors = archive.embeddings(leg, first, last).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(asked)
        found[first:last] = (vectors @ asked) / np.maximum(lengths, 1e-12)
    found[~is_there] = np.nan
    return found


def _standardised(cosines: Scores) -> Scores:
    return (cosines - np.nanmean(cosines)) / max(float(np.nanstd(cosines)), LEAST_DEVIATION)


def _fused(z: Mapping[LegName, Scores], sound_weight: float) -> Scores:
    """Return the scores of all seconds, by the legs that they share with the moment."""
    weights = leg_weights(sound_weight, z)
    scores: Scores = np.sum([weights[leg] * values for leg, values in z.items()], axis=0)
    for values in z.values():
        scores = np.where(np.isnan(scores), values, scores)  # the other leg is absent
    return scores


def _best(archive: Archive, scores: Scores, z: Mapping[LegName, Scores], top: int) -> Hits:
    """Return the seconds with the best scores, of equal ones the first by video and time."""
    rows = np.flatnonzero(~np.isnan(scores))
    if len(rows) > top:
        rows = rows[scores[rows] >= np.partition(scores[rows], -top)[-top]]
    hits = []
    for row in rows.tolist():
        number = int(np.searchsorted(archive.firsts, row, side="right")) - 1
        legs: dict[str, float] = {
            leg: float(values[row]) for leg, values in z.items() if not np.isnan(values[row])
        }
        second = row - int(archive.firsts[number])
        score = float(scores[row])
        hits.append(Hit(archive.video_ids[number], float(second), second + 1.0, score, legs))
    return sorted(hits, key=lambda hit: (-hit.score, hit.video_id, hit.start_s))[:top]
