import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_golden import GOLDEN, contents

from avlib.errors import DataError
from avlib.extractors.arrange import arrange, export_features, import_features, open_features
from avlib.extractors.intervals import interval_table, read_published_ids, write_published_intervals
from avlib.io.pickles import read_id_array, write_id_array


def random_features(rows: int, views: int = 3, channels: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, views, channels)).astype(np.float32)


def test_arranging_is_the_published_one():
    case = contents("asf/npyfiles.json")["npyfiles"]
    arrays = np.load(GOLDEN / "asf" / "npyfiles.npz")
    features, sources = arrays["features"], case["expected"]["rows"]["value"]
    got = arrange(features, case["inputs"]["ids"]["value"])
    assert set(got) == set(sources)
    for video_id, rows in sources.items():
        np.testing.assert_array_equal(got[video_id], features[rows])
        np.testing.assert_array_equal(got[video_id], arrays[f"out/{video_id}"])


@given(st.permutations([f"{v}_{k}" for v in ("a_1", "b") for k in (1, 2, 9, 10, 100)]))
def test_the_order_of_rows_does_not_matter(interval_ids):
    features = np.array([[[hash(i)]] for i in interval_ids], dtype=np.float64)
    got = arrange(features, interval_ids)
    for video_id, array in got.items():
        expected = [[[hash(f"{video_id}_{k}")]] for k in (1, 2, 9, 10, 100)]
        np.testing.assert_array_equal(array, np.array(expected, dtype=np.float64))


def test_one_view_stays_an_axis():
    assert arrange(random_features(1, views=1), ["a_1"])["a"].shape == (1, 1, 4)


def test_two_rows_of_one_interval_are_refused():
    with pytest.raises(DataError, match="'a_1' has more than one row"):
        arrange(random_features(2), ["a_1", "a_1"])


def test_lengths_must_agree():
    with pytest.raises(DataError, match="2 rows of features for 1 interval"):
        arrange(random_features(2), ["a_1"])


@pytest.fixture
def exported(tmp_path):
    """Features of two videos, exported; the folder, the index and the intervals."""
    folder = tmp_path / "features"
    lengths = {"video_id": ["-x", "b c"], "duration_s": [4.0, 10.0], "frames": np.nan, "fps": 30.0}
    intervals = interval_table(pd.DataFrame(lengths))
    features = arrange(random_features(len(intervals)), intervals["interval_id"].to_list())
    for video_id, array in features.items():
        (folder / "val").mkdir(parents=True, exist_ok=True)
        np.save(folder / "val" / f"{video_id}.npy", array)
    paths = ["val/-x.npy", "val/b c.npy"]
    index = pd.DataFrame({"video_id": ["-x", "b c"], "path": paths, "status": "ok"})
    return folder, index, intervals


def export(exported, tmp_path):
    folder, index, intervals = exported
    target = {"features_npy": tmp_path / "features.npy", "metadata_npy": tmp_path / "metadata.npy"}
    export_features(folder, index, intervals, **target)
    return target


def test_an_export_has_the_rows_of_the_table_in_its_order(exported, tmp_path):
    _, index, intervals = exported
    shuffled = intervals.sample(frac=1, random_state=0)
    target = export((exported[0], index, shuffled), tmp_path)
    assert read_id_array(target["metadata_npy"]) == shuffled["interval_id"].to_list()
    features = np.load(target["features_npy"])
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, random_features(len(intervals))[shuffled.index])


def test_export_and_import_are_inverse_to_the_byte(exported, tmp_path):
    folder, _, _ = exported
    target = export(exported, tmp_path)
    ids = read_id_array(target["metadata_npy"])
    videos = import_features(
        target["features_npy"], ids, target["metadata_npy"], tmp_path / "again"
    )
    assert sorted(videos) == ["-x", "b c"]
    for video_id in videos:
        again = tmp_path / "again" / f"{video_id}.npy"
        assert again.read_bytes() == (folder / "val" / f"{video_id}.npy").read_bytes()


def test_ids_may_come_from_the_interval_table(exported, tmp_path):
    _, _, intervals = exported
    target = export(exported, tmp_path)
    write_published_intervals(intervals, tmp_path / "t.pkl")
    assert read_published_ids(tmp_path / "t.pkl") == read_id_array(target["metadata_npy"])


def test_videos_without_features_are_left_out_of_an_export(exported, tmp_path):
    folder, index, intervals = exported
    index.loc[1, ["path", "status"]] = "", "unreadable"
    target = export((folder, index, intervals), tmp_path)
    assert set(read_id_array(target["metadata_npy"])) == {
        i for i in intervals["interval_id"] if i.startswith("-x")
    }


def test_an_array_of_other_length_than_its_intervals_is_named(exported, tmp_path):
    folder, _, _ = exported
    np.save(folder / "val" / "b c.npy", random_features(44))
    with pytest.raises(
        DataError, match=r"b c: .*b c\.npy has the shape \(44, 3, 4\).*\(45, 3, 4\)"
    ):
        export(exported, tmp_path)
    assert not (tmp_path / "features.npy").exists()


def test_an_import_of_other_length_names_both_files_and_counts(tmp_path):
    np.save(tmp_path / "features.npy", random_features(3))
    write_id_array(["a_1", "a_2"], tmp_path / "metadata.npy")
    with pytest.raises(DataError, match=r"features\.npy has 3 rows, but .*metadata\.npy has 2 ids"):
        import_features(
            tmp_path / "features.npy", ["a_1", "a_2"], tmp_path / "metadata.npy", tmp_path / "out"
        )


@pytest.mark.parametrize("video_id", ["..", "../a", "a/b", "", "a\\b", "a\0b"])
def test_a_video_that_would_leave_the_folder_is_refused(tmp_path, video_id):
    np.save(tmp_path / "features.npy", random_features(1))
    with pytest.raises(DataError, match="cannot be the name of a file"):
        import_features(
            tmp_path / "features.npy", [f"{video_id}_1"], tmp_path / "m.npy", tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "array", [np.zeros((2, 3), np.float32), np.zeros((2, 3, 4), int), np.array([{}], object)]
)
def test_other_arrays_are_no_features(tmp_path, array):
    np.save(tmp_path / "f.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=r"f\.npy"):
        open_features(tmp_path / "f.npy")
