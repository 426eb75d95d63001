"""Search by words in the scored seconds of a study."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.progress import progress
from avlib.tagging.archive import LEGS, Archive, Leg, LegName
from avlib.tagging.queries import RAW, Hit, Query, best_seconds, leg_weights, scales
from avlib.tagging.scans import best_hits, class_scores, cosines_of, fused, standardised
from avlib.tagging.scores import EQUAL_WEIGHT, FEW_SECONDS, FLOOR, sound_weights
from avlib.tagging.search_index import LegQuery, SearchIndex, write_index
from avlib.tagging.vocabulary import NAME_VECTORS, NEAR, NEAREST_SHOWN, Embed, Meanings, meanings_of

INDEX = ".cache/search"  # below the folder of the study
FAR = "no class is near to these words; say in other English words what is heard or seen"

# Makes the unit vector (D,) of the words by the text tower of a leg.
EmbedWords = Callable[[LegName, Leg], NDArray[np.float32]]


@dataclass(frozen=True)
class LegMeaning:
    """What is looked for in a leg.

    Attributes:
        weight: of its score, where a second has both legs.
        reliability: cosine of the words and the class nearest to them; None: no classes count.
        classes: names of the classes nearest to the words, with their weights.
    """

    weight: float
    reliability: float | None = None
    classes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        query: the words, or the moment.
        unit: of all scores: deviations from the mean of all that was searched; where that means
            nothing, probability (of words) or cosine (of embeddings).
        searched: how many items were.
        legs: what was looked for in each.
        hits: by score, the best first.
        remark: what makes the hits doubtful, if something does.
        items: what was searched: seconds, clips or intervals.
    """

    query: str
    unit: str
    searched: int
    legs: Mapping[str, LegMeaning]
    hits: list[Hit]
    remark: str = ""
    items: str = "seconds"


def search_words(
    folder: Path, words: str, embed: Embed, embed_words: EmbedWords, top: int
) -> Found:
    """Return the seconds of a study that words describe.

    Args:
        folder: results of the study, with its scored seconds; the index is kept in it.
        words: in English.
        embed: makes unit vectors of texts, for legs of classes.
        embed_words: makes that of the words, for legs whose network takes texts.
        top: seconds to find, at least 1.

    Raises:
        DataError: if the study has no scored seconds.
    """
    with Archive(folder) as archive:
        kinds = {leg: archive.legs[leg] for leg in LEGS if archive.has_leg(leg).any()}
        if not kinds:
            return Found(words, "probability", 0, {}, [], f"{folder}: no video has a scored second")
        of_classes = {leg: kind for leg, kind in kinds.items() if not kind.takes_texts}
        meanings = (
            meanings_of([words], of_classes, embed, folder / NAME_VECTORS) if of_classes else None
        )
        if meanings is None or len(of_classes) < len(kinds):
            vectors = {leg: embed_words(leg, kinds[leg]) for leg in kinds if leg not in of_classes}
            is_known = meanings is not None and meanings.reliability[0] >= NEAR
            return _scan(archive, words, vectors, meanings if is_known else None, top)
        index = _index(folder, archive)
    return _look_up(index, words, meanings, top)


def _look_up(index: SearchIndex, words: str, meanings: Meanings, top: int) -> Found:
    """Return what the index of scores of classes finds."""
    query = Query(_queries(meanings), _sound_weight(meanings))
    units = scales(index, query)
    is_raw = RAW in units.values()
    hits = best_seconds(index, query, units, top)
    return Found(
        words,
        "probability" if is_raw else "deviations",
        index.seconds,
        _leg_meanings(meanings, leg_weights(query.sound_weight, query.legs)),
        [_probable(hit) for hit in hits] if is_raw else hits,
        "" if meanings.reliability[0] >= NEAR else FAR,
    )


def _scan(
    archive: Archive,
    words: str,
    vectors: Mapping[LegName, NDArray[np.float32]],
    meanings: Meanings | None,
    top: int,
) -> Found:
    """Return what the scores of all seconds find, where embeddings are compared.

    Legs are fused as for words that both know equally well; `meanings` is None where no class is
    near to the words, or none counts. Scores of few seconds are cosines if all legs have such.
    """
    z = {leg: cosines_of(archive, leg, vector) for leg, vector in vectors.items()}
    queries = {} if meanings is None else _queries(meanings)
    z |= {leg: class_scores(archive, leg, query) for leg, query in queries.items()}
    z = {leg: z[leg] for leg in LEGS if leg in z}
    is_raw = len(archive) < FEW_SECONDS and meanings is None
    if not is_raw:
        z = {leg: standardised(values) for leg, values in z.items()}
    weights = leg_weights(EQUAL_WEIGHT, z)
    named = {} if meanings is None else _leg_meanings(meanings, weights)
    return Found(
        words,
        "cosine" if is_raw else "deviations",
        len(archive),
        {leg: named.get(leg, LegMeaning(weights[leg])) for leg in z},
        best_hits(archive, fused(z, EQUAL_WEIGHT), z, top),
    )


def _queries(meanings: Meanings) -> dict[LegName, LegQuery]:
    return {leg: LegQuery(m.classes[0], m.weights[0]) for leg, m in meanings.weights.items()}


def _sound_weight(meanings: Meanings) -> float:
    """Return the weight of sound, by how near the words are to the classes of either leg."""
    found = meanings.weights
    sound, picture = (found[leg].reliability if leg in found else [-1.0] for leg in LEGS)
    return float(sound_weights(sound, picture)[0])


def _leg_meanings(meanings: Meanings, weights: Mapping[LegName, float]) -> dict[str, LegMeaning]:
    """Return what the words mean in the legs of classes, with the weights of the legs."""
    found: dict[str, LegMeaning] = {}
    for leg, own in meanings.weights.items():
        pairs = zip(own.classes[0].tolist(), own.weights[0].tolist(), strict=True)
        names = {meanings.legs[leg].classes[k]: w for k, w in list(pairs)[:NEAREST_SHOWN]}
        found[leg] = LegMeaning(weights[leg], float(own.reliability[0]), names)
    return found


def _probable(hit: Hit) -> Hit:
    """Return a hit with probabilities for means of their logarithms."""
    parts = {leg: float(np.exp(value) - FLOOR) for leg, value in hit.parts.items()}
    return hit._replace(score=float(np.exp(hit.score) - FLOOR), parts=parts)


def _index(folder: Path, archive: Archive) -> SearchIndex:
    """Return the index of a study, made anew where its packs have changed."""
    target, made_from = folder / INDEX, state_of_packs(folder)
    if target.is_dir():
        try:
            index = SearchIndex(target)
        except DataError:
            pass  # of another version, or damaged: made anew
        else:
            if index.made_from == made_from:
                return index
    shown = progress(archive.videos(), "indexing seconds", "videos", total=len(archive.video_ids))
    write_index(target, shown, made_from)
    return SearchIndex(target)


def state_of_packs(folder: Path) -> str:
    """Return a digest of names, sizes and times of the packs of a study."""
    packs = sorted((folder / "seconds").glob("*.h5"))
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in packs]
    return hashlib.sha256(repr(stamps).encode()).hexdigest()
