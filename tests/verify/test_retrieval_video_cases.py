"""Golden cases of EgoVLP."""

import pytest
from tiny_golden import GOLDEN, changed, failures

CASES = "retrieval/egovlp_forward.json"
TABLES = ["temporal_embed_2", "temporal_embed_4", "temporal_embed_16"]


def test_the_tensors_have_the_published_names():
    assert failures(GOLDEN / "retrieval/state_dict_egovlp_4f.json") == []


def test_the_table_of_frames_is_cut_or_filled_with_zeros(tmp_path):
    assert failures(changed(CASES, tmp_path, lambda cases, arrays: None, TABLES)) == []

    def change(cases, arrays):
        cases["temporal_embed_16"]["arguments"]["stored_frames"] = 3

    assert len(failures(changed(CASES, tmp_path, change, TABLES))) == 1


@pytest.mark.slow
def test_embeddings_of_clips_and_texts_are_the_published_ones():
    assert failures(GOLDEN / CASES) == []
