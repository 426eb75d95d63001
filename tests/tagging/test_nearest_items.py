"""Items nearest to words by embeddings, against the plain way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlib.errors import DataError
from avlib.tagging.nearest_items import Items, Space, nearest_items


def made_items(number):
    starts = np.arange(number) / 2
    return Items("seconds", [f"video {i % 3}" for i in range(number)], starts, starts + 1)


def made_space(name, rng, items, width):
    """Return a space with several embeddings of some items, none of others, and some damaged."""
    rows = rng.integers(0, items, 2 * items)
    vectors = rng.normal(size=(2 * items, width)).astype(np.float32)
    vectors[rng.random(2 * items) < 0.05] = np.nan
    parts = np.array_split(np.arange(2 * items), 5)
    return Space(name, rng.normal(size=width), [(rows[part], vectors[part]) for part in parts])


def plain_scores(space, items):
    """Return the cosine of each item that has an embedding, in deviations if there are many."""
    best = {}
    for rows, vectors in space.blocks:
        for row, vector in zip(rows.tolist(), vectors.astype(np.float64), strict=True):
            length = np.linalg.norm(vector) * np.linalg.norm(space.vector)
            cosine = vector @ space.vector / length
            if np.isfinite(cosine):
                best[row] = max(best.get(row, -2), cosine)
    values = np.array(list(best.values()))
    if items < 100:
        return best
    return {row: (value - values.mean()) / values.std() for row, value in best.items()}


@settings(max_examples=40)
@given(number=st.integers(5, 150), top=st.integers(1, 200), seed=st.integers(0, 99))
def test_the_hits_are_those_of_sorting_all_items(number, top, seed):
    rng = np.random.default_rng(seed)
    items = made_items(number)
    spaces = [made_space("clap", rng, number, 4), made_space("clip", rng, number, 3)]
    found = nearest_items("a dog", items, spaces, top, "a remark")
    plain = {space.network: plain_scores(space, number) for space in spaces}
    rows = set().union(*plain.values())
    scores = {
        row: np.mean([own[row] for own in plain.values() if row in own]) for row in sorted(rows)
    }
    place = [(items.video_ids[row], items.start_s[row]) for row in range(number)]
    best = sorted(rows, key=lambda row: (-scores[row], place[row]))[:top]
    assert [(hit.video_id, hit.start_s) for hit in found.hits] == [place[row] for row in best]
    np.testing.assert_allclose([hit.score for hit in found.hits], [scores[row] for row in best])
    for hit, row in zip(found.hits, best, strict=True):
        parts = {name: own[row] for name, own in plain.items() if row in own}
        assert hit.parts == pytest.approx(parts)
    assert (found.searched, found.items, found.remark) == (len(rows), "seconds", "a remark")
    assert found.unit == ("cosine" if number < 100 else "deviations")


def test_embeddings_by_other_weights_than_those_of_the_words_are_one_line():
    space = Space("clip", np.ones(4), [(np.arange(3), np.ones((3, 5)))])
    with pytest.raises(DataError, match="clip: its stored embeddings have 5 channels"):
        nearest_items("a dog", made_items(3), [space], 2)


def test_without_any_embedding_nothing_is_found():
    space = Space("clip", np.ones(4), [])
    assert nearest_items("a dog", made_items(3), [space], 2).hits == []
