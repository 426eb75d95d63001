"""Search among the clips of a retrieval study, by embeddings as its stages write them."""

import numpy as np
import pandas as pd
import pytest

from avlib.clip_search import best_clips, has_clips, search_clips
from avlib.datasets.tables import CAPTIONED_CLIPS
from avlib.errors import ConfigError, DataError
from avlib.io.embeddings import WHOLE, Embeddings, write_embeddings
from avlib.io.tables import write_table
from avlib.report.found_seconds import search_lines
from avlib.studies import Config

ASKED = {"clap": np.eye(4, dtype=np.float32)[0], "egovlp": np.eye(3, dtype=np.float32)[1]}


def write_study(folder, n_clips):
    """Write clips of which the first is what ASKED asks for; the second has no picture."""
    rng = np.random.default_rng(0)
    ids = [f"clip {i}" for i in range(n_clips)]
    rows = {"event_id": ids, "video_id": [f"video {i % 3}" for i in range(n_clips)]}
    rows |= {"start_s": np.arange(n_clips) + 0.5, "stop_s": np.arange(n_clips) + 2.5}
    rows |= {"start_frame": None, "stop_frame": None}
    write_table(pd.DataFrame(rows), folder / "annotations/all/clips.parquet", CAPTIONED_CLIPS)
    for network, vector in ASKED.items():
        vectors = rng.normal(size=(n_clips, len(vector))).astype(np.float32)
        vectors[0] = 5 * vector
        keys = ids
        if network == "egovlp":
            keys, vectors = [ids[0], *ids[2:]], np.delete(vectors, 1, axis=0)
        for shard in range(2):  # a second row of a clip is another crop
            own = slice(shard, None, 2)
            part = [*keys[own], *keys[own]]
            content = np.concatenate([vectors[own], -vectors[own]])
            crops = np.repeat([WHOLE, 7], len(keys[own]))
            write_embeddings(
                folder / f"embeddings/{network}/{shard}.h5",
                Embeddings(part, crops, content, [""] * len(part)),
            )


@pytest.mark.parametrize(("n_clips", "unit"), [(120, "deviations"), (20, "cosine")])
def test_the_clip_nearest_in_all_networks_is_the_first(tmp_path, n_clips, unit):
    write_study(tmp_path, n_clips)
    found = best_clips(tmp_path, "rinse a pan", ASKED, 5)
    best = found.hits[0]
    assert best[:3] == ("video 0", 0.5, 2.5)
    assert (found.unit, found.searched, found.items) == (unit, n_clips, "clips")
    assert best.score == pytest.approx(np.mean(list(best.parts.values())))
    assert [hit.score for hit in found.hits] == sorted((h.score for h in found.hits), reverse=True)
    assert "clips; scores are" in search_lines(found)[0]


def test_a_clip_that_a_network_lacks_has_the_score_of_the_others(tmp_path):
    write_study(tmp_path, 20)
    found = best_clips(tmp_path, "rinse a pan", ASKED, 20)
    (hit,) = [hit for hit in found.hits if hit.start_s == 1.5]
    assert set(hit.parts) == {"clap"}
    assert hit.score == hit.parts["clap"]


def test_a_folder_says_whether_it_has_clips(tmp_path):
    assert not has_clips(tmp_path)
    write_study(tmp_path, 20)
    assert has_clips(tmp_path)


def test_empty_words_and_a_study_of_another_kind_are_one_line(tmp_path):
    write_study(tmp_path / "ave", 20)
    with pytest.raises(DataError, match="no words"):
        search_clips(tmp_path / "ave", "", Config(), 5)
    with pytest.raises(ConfigError, match="ave has no network clap"):
        search_clips(tmp_path / "ave", "rinse a pan", Config(), 5)
