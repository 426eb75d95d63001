"""Search in the scored seconds of a study: by words, or by a moment of one of its videos."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from avlib.errors import DataError
from avlib.progress import progress
from avlib.tagging.archive import LEGS, Archive
from avlib.tagging.queries import RAW, Hit, Query, best_seconds, leg_weights, scales
from avlib.tagging.scores import FLOOR, sound_weights
from avlib.tagging.search_index import LegQuery, SearchIndex, write_index
from avlib.tagging.vocabulary import NEAR, NEAREST_SHOWN, Embed, meanings_of

INDEX = ".cache/search"  # below the folder of the study
NAMES = ".cache/names"


@dataclass(frozen=True)
class LegMeaning:
    """What is looked for in a leg.

    Attributes:
        weight: of its score, where a second has both legs.
        reliability: cosine of the words and the class nearest to them; None: no words are given.
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
            nothing, probability (of words) or cosine (of a moment).
        searched: how many items were.
        legs: what was looked for in each.
        hits: by score, the best first.
        remark: what makes the hits doubtful, if something does.
        items: what was searched, seconds or clips.
    """

    query: str
    unit: str
    searched: int
    legs: Mapping[str, LegMeaning]
    hits: list[Hit]
    remark: str = ""
    items: str = "seconds"


def search_words(folder: Path, words: str, embed: Embed, top: int) -> Found:
    """Return the seconds of a study that words describe.

    Args:
        folder: results of the study, with its scored seconds; the index is kept in it.
        words: in English.
        embed: makes unit vectors of texts.
        top: seconds to find, at least 1.

    Raises:
        DataError: if the study has no scored seconds, or there are no words.
    """
    if not words.strip():
        raise DataError("no words to search for; say what is heard or seen")
    with Archive(folder) as archive:
        index = _index(folder, archive)
        kinds = {leg: archive.legs[leg] for leg in LEGS if leg in index.legs}
    if not kinds:
        return Found(words, "probability", 0, {}, [], f"{folder}: no video has a scored second")
    meanings = meanings_of([words], kinds, embed, folder / NAMES)
    found = {leg: LegQuery(m.classes[0], m.weights[0]) for leg, m in meanings.weights.items()}
    reliability = {leg: float(m.reliability[0]) for leg, m in meanings.weights.items()}
    sound, picture = (np.array([reliability.get(leg, -1.0)]) for leg in LEGS)
    query = Query(found, float(sound_weights(sound, picture)[0]))
    units = scales(index, query)
    is_raw = RAW in units.values()
    hits = best_seconds(index, query, units, top)
    weights = leg_weights(query.sound_weight, kinds)
    legs: dict[str, LegMeaning] = {
        leg: LegMeaning(weights[leg], reliability[leg], _named(kind.classes, found[leg]))
        for leg, kind in kinds.items()
    }
    return Found(
        words,
        "probability" if is_raw else "deviations",
        index.seconds,
        legs,
        [_probable(hit) for hit in hits] if is_raw else hits,
        "" if max(reliability.values()) >= NEAR else _FAR,
    )


_FAR = "no class is near to these words; say in other English words what is heard or seen"


def _named(names: tuple[str, ...], query: LegQuery) -> dict[str, float]:
    """Return the weights of the classes nearest to the words, by their names."""
    pairs = zip(query.classes.tolist(), query.weights.tolist(), strict=True)
    return {names[number]: weight for number, weight in list(pairs)[:NEAREST_SHOWN]}


def _probable(hit: Hit) -> Hit:
    """Return a hit with probabilities for means of their logarithms."""
    parts = {leg: float(np.exp(value) - FLOOR) for leg, value in hit.parts.items()}
    return hit._replace(score=float(np.exp(hit.score) - FLOOR), parts=parts)


def _index(folder: Path, archive: Archive) -> SearchIndex:
    """Return the index of a study, made anew where its packs have changed."""
    packs = sorted((folder / "seconds").glob("*.h5"))
    stamps = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in packs]
    made_from = hashlib.sha256(repr(stamps).encode()).hexdigest()
    target = folder / INDEX
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
