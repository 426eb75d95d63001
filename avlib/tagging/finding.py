"""Stage find_events: events of labels, or of the classes themselves, in all videos of an archive.

The score of a label in a second is what `avlib.tagging.scores` says, in deviations from the mean of
all seconds. That needs an archive in which the thing is rare: where it is short, or its mean second
holds the thing, the weighted mean of the probabilities of the classes takes its place. The names of
classes are what the networks were trained on, so their own probabilities count.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from avlib.tagging.archive import LEGS, Archive, LegName, ScoredVideo
from avlib.tagging.recipes import Tagging
from avlib.tagging.scores import (
    FEW_SECONDS,
    LOGARITHMS,
    Array,
    Moments,
    decoded,
    encoded,
    fuse,
    query_scores,
    sound_weights,
    tag_scores,
)
from avlib.tagging.words import ClassWeights

ROWS_AT_ONCE = 1024


class Scored(NamedTuple):
    """The scores of one label in one video.

    Attributes:
        label: what is looked for.
        scores: (T,) of each second.
        onset, offset: thresholds of events, in the unit of the scores.
    """

    label: str
    scores: Array
    onset: float
    offset: float


class Tagger(Protocol):
    """Scores seconds by labels."""

    def candidates(self, video: ScoredVideo) -> Iterator[Scored]:
        """Yield the labels that reach their onset in a video, with their scores."""

    def units(self) -> dict[str, str]:
        """Return the unit of the scores of each label: deviations or probability."""


class LabelTagger:
    """Scores by labels in free text.

    Args:
        archive: all seconds; mean and deviation are theirs.
        labels: what is looked for.
        meanings: of the labels, in the vocabulary of each leg.
        tagging: thresholds.
    """

    def __init__(
        self,
        archive: Archive,
        labels: Sequence[str],
        meanings: Mapping[LegName, ClassWeights],
        tagging: Tagging,
    ) -> None:
        self._labels, self._meanings, self._tagging = labels, meanings, tagging
        self._sound_weight = sound_weights(
            meanings["sound"].reliability, meanings["picture"].reliability
        )
        n_labels = len(labels)
        both = {leg: self._moments_of(archive, leg) for leg in LEGS}
        self._moments = {
            leg: Moments(m.seconds, m.mean[:n_labels], m.deviation[:n_labels])
            for leg, m in both.items()
        }
        means = {leg: m.mean[n_labels:, None] for leg, m in both.items() if m.seconds}
        mean_second = self._fused(means)[:, 0] if means else np.zeros(n_labels)
        is_held = mean_second >= tagging.probability_onset
        self._is_raw: NDArray[np.bool_] = is_held | (len(archive) < FEW_SECONDS)

    def _moments_of(self, archive: Archive, leg: LegName) -> Moments:
        """Return mean and deviation of the scores, and below them of the probabilities."""
        videos = (video for video in archive.videos() if leg in video.scores)
        parts = (np.concatenate(self._query(video, leg)) for video in videos)
        return Moments.of(parts, 2 * len(self._labels))

    def _query(self, video: ScoredVideo, leg: LegName) -> tuple[Array, Array]:
        """Return scores (Q, T) and probabilities (Q, T) by a leg."""
        codes, meaning = video.scores[leg], self._meanings[leg]
        scores, probabilities = [], []
        for first in range(0, len(codes), ROWS_AT_ONCE):
            part = codes[first : first + ROWS_AT_ONCE]
            scores.append(query_scores(LOGARITHMS[part], meaning.classes, meaning.weights))
            probabilities.append(query_scores(decoded(part), meaning.classes, meaning.weights))
        return np.concatenate(scores, axis=1), np.concatenate(probabilities, axis=1)

    def _fused(self, legs: Mapping[LegName, Array]) -> Array:
        return fuse(legs.get("sound"), legs.get("picture"), self._sound_weight)

    def candidates(self, video: ScoredVideo) -> Iterator[Scored]:
        """Yield the labels that reach their onset in a video, with their scores."""
        found = {leg: self._query(video, leg) for leg in video.scores}
        z = {leg: self._moments[leg].standardised(scores) for leg, (scores, _) in found.items()}
        raw = self._fused({leg: probabilities for leg, (_, probabilities) in found.items()})
        scores = np.where(self._is_raw[:, None], raw, tag_scores(self._fused(z)))
        for label, values, is_raw in zip(self._labels, scores, self._is_raw, strict=True):
            onset, offset = _thresholds(self._tagging, is_raw=bool(is_raw))
            if values.max() >= onset:
                yield Scored(label, values, onset, offset)

    def units(self) -> dict[str, str]:
        """Return the unit of the scores of each label: deviations or probability."""
        kinds = np.where(self._is_raw, "probability", "deviations").tolist()
        return dict(zip(self._labels, kinds, strict=True))


class ClassTagger:
    """Scores by the classes that the networks know, each by the probability of its own leg.

    Args:
        archive: all seconds.
        tagging: thresholds.
    """

    def __init__(self, archive: Archive, tagging: Tagging) -> None:
        self._classes = {leg: archive.legs[leg].classes for leg in LEGS}
        self._tagging = tagging

    def candidates(self, video: ScoredVideo) -> Iterator[Scored]:
        """Yield the classes that reach their onset in a video, with their scores."""
        onset, offset = _thresholds(self._tagging, is_raw=True)
        lowest = encoded(onset)
        for leg, codes in video.scores.items():
            for number in np.flatnonzero(codes.max(axis=0) >= lowest).tolist():
                scores = decoded(codes[:, number])
                if scores.max() >= onset:
                    yield Scored(self._classes[leg][number], scores, onset, offset)

    def units(self) -> dict[str, str]:
        """Return the unit of the scores of every class, by no label in particular."""
        return {"": "probability"}


def _thresholds(tagging: Tagging, *, is_raw: bool) -> tuple[float, float]:
    if is_raw:
        return tagging.probability_onset, tagging.probability_offset
    return tagging.onset, tagging.offset
