"""Search for moments like one of a video, by the embeddings of all seconds of a study."""

import difflib
import math
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from avlib.errors import DataError
from avlib.tagging.archive import LEGS, Archive
from avlib.tagging.queries import leg_weights
from avlib.tagging.scans import best_hits, cosines_of, fused, standardised
from avlib.tagging.scores import EQUAL_WEIGHT, FEW_SECONDS
from avlib.tagging.search import Found, LegMeaning

NEAR_S = 5  # from the moment: seconds of its own video that are not found


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
        queries = {leg: archive.embeddings(leg, own, own + 1)[0] for leg in legs}
        z = {leg: cosines_of(archive, leg, vector) for leg, vector in queries.items()}
        is_raw = len(archive) < FEW_SECONDS
        if not is_raw:
            z = {leg: standardised(cosines) for leg, cosines in z.items()}
        scores = fused(z, EQUAL_WEIGHT)
        first = int(archive.firsts[number])
        stop = first + int(archive.seconds[number])
        scores[max(own - NEAR_S, first) : min(own + NEAR_S + 1, stop)] = np.nan
        hits = best_hits(archive, scores, z, top)
        weights = leg_weights(EQUAL_WEIGHT, legs)
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
