"""Stage find_events: events of labels, or of the classes themselves, in all videos of an archive.

The score of a label in a second is what `avlib.tagging.scores` says, in deviations from the mean of
all seconds. That needs an archive in which the thing is rare: where it is short, or its mean second
holds the thing, the weighted mean of the probabilities of the classes takes its place. The names of
classes are what the networks were trained on, so their own probabilities count.

A network that takes texts needs no classes: its score is the cosine of the embeddings of the second
and the label, and the probability a softmax over the labels and what else there may be.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from avlib.tagging.archive import LEGS, Archive, Codes, LegName, ScoredVideo, Vectors
from avlib.tagging.recipes import Tagging
from avlib.tagging.scores import (
    EQUAL_WEIGHT,
    FEW_SECONDS,
    LOGARITHMS,
    SHORTEST,
    Array,
    MeanDeviation,
    decoded,
    encoded,
    fuse,
    label_probabilities,
    query_scores,
    sound_weights,
    tag_scores,
)
from avlib.tagging.vocabulary import NEAR
from avlib.tagging.words import ClassWeights, LabelVectors

ROWS_AT_ONCE = 1024

Meaning = ClassWeights | LabelVectors  # of labels, in the vocabulary of a leg or by its text tower


class Candidate(NamedTuple):
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

    def candidates(self, video: ScoredVideo) -> Iterator[Candidate]:
        """Yield the labels that reach their onset in a video, with their scores."""

    def units(self) -> dict[str, str]:
        """Return the unit of the scores of each label: deviations or probability."""


class LabelTagger:
    """Scores by labels in free text.

    Args:
        archive: all seconds; mean and deviation are theirs.
        labels: what is looked for.
        meanings: of the labels, in the vocabulary of each leg, or by its text tower.
        tagging: thresholds.
    """

    def __init__(
        self,
        archive: Archive,
        labels: Sequence[str],
        meanings: Mapping[LegName, Meaning],
        tagging: Tagging,
    ) -> None:
        self._archive, self._labels, self._tagging = archive, labels, tagging
        self._meanings, n_labels = meanings, len(labels)
        self._is_known, self._sound_weight = _trust(meanings, n_labels)
        both = {leg: self._mean_deviation(archive, leg) for leg in LEGS}
        self._statistics = {
            leg: MeanDeviation(m.seconds, m.mean[:n_labels], m.deviation[:n_labels])
            for leg, m in both.items()
        }
        means = {
            leg: (m.mean[n_labels:] * self._is_known[leg])[:, None]
            for leg, m in both.items()
            if m.seconds
        }
        mean_second = self._fused(means)[:, 0] if means else np.zeros(n_labels)
        is_held = mean_second >= tagging.probability_onset
        self._is_raw: NDArray[np.bool_] = is_held | (len(archive) < FEW_SECONDS)

    def _mean_deviation(self, archive: Archive, leg: LegName) -> MeanDeviation:
        """Return mean and deviation of the scores, and below them of the probabilities."""
        videos = (video for video in archive.videos() if leg in video.scores)
        parts = (np.concatenate(self._query(video, leg)) for video in videos)
        return MeanDeviation.of(parts, 2 * len(self._labels))

    def _query(self, video: ScoredVideo, leg: LegName) -> tuple[Array, Array]:
        """Return scores (Q, T) and probabilities (Q, T) by a leg."""
        meaning, parts = self._meanings[leg], []
        for first in range(0, video.seconds, ROWS_AT_ONCE):
            last = min(first + ROWS_AT_ONCE, video.seconds)
            if isinstance(meaning, ClassWeights):
                parts.append(_by_classes(video.scores[leg][first:last], meaning))
            else:
                rows = video.first + first, video.first + last
                parts.append(_by_text(self._archive.embeddings(leg, *rows), meaning))
        scores, probabilities = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        return scores, probabilities

    def _fused(self, legs: Mapping[LegName, Array]) -> Array:
        return fuse(legs.get("sound"), legs.get("picture"), self._sound_weight)

    def candidates(self, video: ScoredVideo) -> Iterator[Candidate]:
        """Yield the labels that reach their onset in a video, with their scores."""
        found = {leg: self._query(video, leg) for leg in video.scores}
        known = {leg: self._is_known[leg][:, None] for leg in found}
        z = {
            leg: self._statistics[leg].standardised(s) * known[leg] for leg, (s, _) in found.items()
        }
        raw = self._fused({leg: p * known[leg] for leg, (_, p) in found.items()})
        scores = np.where(self._is_raw[:, None], raw, tag_scores(self._fused(z)))
        for label, values, is_raw in zip(self._labels, scores, self._is_raw, strict=True):
            onset, offset = _thresholds(self._tagging, is_raw=bool(is_raw))
            if values.max() >= onset:
                yield Candidate(label, values, onset, offset)

    def units(self) -> dict[str, str]:
        """Return the unit of the scores of each label: deviations or probability."""
        kinds = np.where(self._is_raw, "probability", "deviations").tolist()
        return dict(zip(self._labels, kinds, strict=True))


def _by_classes(codes: Codes, meaning: ClassWeights) -> tuple[Array, Array]:
    """Return scores (Q, T) and probabilities (Q, T) by the classes that labels mean."""
    return (
        query_scores(LOGARITHMS[codes], meaning.classes, meaning.weights),
        query_scores(decoded(codes), meaning.classes, meaning.weights),
    )


def _by_text(embeddings: Vectors, meaning: LabelVectors) -> tuple[Array, Array]:
    """Return cosines (Q, T) and probabilities (Q, T) by the vectors of labels."""
    vectors = embeddings.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.maximum(lengths, SHORTEST)
    labels, others = meaning.labels @ vectors.T, meaning.others @ vectors.T
    return labels, label_probabilities(labels, others, meaning.scale)


def _trust(
    meanings: Mapping[LegName, Meaning], n_labels: int
) -> tuple[dict[LegName, NDArray[np.bool_]], Array]:
    """Return which labels each leg knows, and the weight of sound.

    A text tower knows every label, as well as the other leg does; beside it, classes do not count
    for labels that none is near to.
    """
    is_known = {leg: np.ones(n_labels, dtype=bool) for leg in LEGS}
    classes = {leg: m for leg, m in meanings.items() if isinstance(m, ClassWeights)}
    if len(classes) == len(LEGS):
        sound, picture = (classes[leg].reliability for leg in LEGS)
        return is_known, sound_weights(sound, picture)
    weight = np.full(n_labels, EQUAL_WEIGHT)
    for leg, meaning in classes.items():
        is_known[leg] = meaning.reliability >= NEAR
        weight = np.where(is_known[leg], weight, 0.0 if leg == "sound" else 1.0)
    return is_known, weight


class ClassTagger:
    """Scores by the classes that the networks know, each by the probability of its own leg.

    Args:
        archive: all seconds.
        tagging: thresholds.
    """

    def __init__(self, archive: Archive, tagging: Tagging) -> None:
        self._classes = {leg: archive.legs[leg].classes for leg in LEGS}
        self._tagging = tagging

    def candidates(self, video: ScoredVideo) -> Iterator[Candidate]:
        """Yield the classes that reach their onset in a video, with their scores."""
        onset, offset = _thresholds(self._tagging, is_raw=True)
        lowest = encoded(onset)
        for leg, codes in video.scores.items():
            for number in np.flatnonzero(codes.max(axis=0) >= lowest).tolist():
                scores = decoded(codes[:, number])
                if scores.max() >= onset:
                    yield Candidate(self._classes[leg][number], scores, onset, offset)

    def units(self) -> dict[str, str]:
        """Return the unit of the scores of every class, by no label in particular."""
        return {"": "probability"}


def _thresholds(tagging: Tagging, *, is_raw: bool) -> tuple[float, float]:
    if is_raw:
        return tagging.probability_onset, tagging.probability_offset
    return tagging.onset, tagging.offset
