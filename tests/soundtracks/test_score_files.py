import numpy as np
import pytest

from avlib.errors import DataError
from avlib.soundtracks.matching import match_scores
from avlib.soundtracks.score_files import NamedScores, read_scores

RNG = np.random.default_rng(0)
SCORES = RNG.standard_normal((5, 3))
IDS = ["v_a", "v_b", "v_c", "v_d", "v_e"]


def named(ids, source, num_classes=3):
    return NamedScores(ids, RNG.standard_normal((len(ids), num_classes)), source)


@pytest.mark.parametrize(
    "layout",
    [
        lambda scores: scores,
        lambda scores: scores[:, None].astype(np.float32),
        lambda scores: scores.T[:, :, None],
        lambda scores: np.asfortranarray(scores),
    ],
    ids=["rows", "published file", "published description", "fortran"],
)
def test_every_layout_of_the_scores_is_read(tmp_path, layout):
    np.save(tmp_path / "scores.npy", layout(SCORES))
    found = read_scores(tmp_path / "scores.npy", IDS, 3)
    np.testing.assert_allclose(found.scores, SCORES, rtol=1e-6)


def test_scores_of_other_classes_or_rows_are_refused_in_one_line(tmp_path):
    np.save(tmp_path / "scores.npy", SCORES[:, None])
    with pytest.raises(DataError, match=r"scores.npy: scores of shape \(5, 1, 3\), but .* 4 class"):
        read_scores(tmp_path / "scores.npy", IDS, 4)
    with pytest.raises(DataError, match="the list names 4 videos"):
        read_scores(tmp_path / "scores.npy", IDS[1:], 3)


def test_files_that_are_no_scores_are_refused(tmp_path):
    path = tmp_path / "scores.npy"
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"not a readable \.npy file"):
        read_scores(path, IDS, 3)
    np.save(path, np.array([object()]), allow_pickle=True)
    with pytest.raises(DataError, match=r"not a readable \.npy file"):
        read_scores(path, IDS, 3)
    np.save(path, np.zeros((5, 3), dtype=int))
    with pytest.raises(DataError, match="holds int64"):
        read_scores(path, IDS, 3)
    np.save(path, np.where(np.eye(5, 3) == 1, np.nan, SCORES))
    with pytest.raises(DataError, match="scores of 3 videos hold NaN or infinity, v_a first"):
        read_scores(path, IDS, 3)


def test_rows_are_matched_by_name_whatever_their_order():
    found = match_scores(named(["c", "x", "a", "b"], "audio"), named(["a", "b", "c", "y"], "video"))
    assert found.audio_rows.tolist() == [0, 2, 3]
    assert found.video_rows.tolist() == [2, 0, 1]
    assert (found.without_video, found.without_audio) == (["x"], ["y"])


def test_names_may_agree_in_a_part_only():
    audio, video = named(["v_a_000001_00001.wav"], "audio"), named(["v_a_000001_000014"], "video")
    found = match_scores(audio, video, key=lambda name: name[:10])
    assert found.video_rows.tolist() == [0]


def test_tables_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError, match="audio has scores of 3 classes, video of 4"):
        match_scores(named(["a"], "audio"), named(["a"], "video", num_classes=4))
    with pytest.raises(DataError, match="no name of audio is one of video: 1 like 'a' against 1"):
        match_scores(named(["a"], "audio"), named(["b"], "video"))
    with pytest.raises(DataError, match="video: rows 0 and 1 are of one video, a"):
        match_scores(named(["a"], "audio"), named(["a", "a"], "video"))
