import numpy as np
import pytest

from avlib.datasets.llp import WeakVideo
from avlib.errors import DataError
from avlib.io.arrays import write_arrays
from avlib.valor.pseudo_labels import (
    CLAP_THRESHOLDS,
    CLIP_THRESHOLDS,
    make_pseudo_labels,
    pseudo_labels,
    read_pseudo_labels,
)

IDS = ["-a_b-c_d-e1", "BjCEufrlXm4"]


@pytest.fixture
def folder(tmp_path):
    """Labels of two videos, of another type each."""
    np.save(tmp_path / f"{IDS[0]}.npy", np.eye(10, 25, dtype=np.int64))
    np.save(tmp_path / f"{IDS[1]}.npy", np.zeros((10, 25), dtype=bool))
    return tmp_path


def test_labels_are_above_the_threshold_of_a_class_of_the_video():
    logits = np.array([[1.0, 5.0, 5.0], [1.5, 4.0, 9.0]])
    assert pseudo_labels(logits, [1, 1, 0], (1, 4, 2)).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_a_logit_that_equals_its_threshold_in_its_own_precision_is_negative():
    logits = np.array([[14.3]], dtype=np.float32)
    assert not pseudo_labels(logits, [1], [14.3]).any()
    assert pseudo_labels(np.nextafter(logits, np.float32(20)), [1], [14.3]).all()


def test_published_thresholds_are_for_all_classes():
    assert len(CLIP_THRESHOLDS) == len(CLAP_THRESHOLDS) == 25


@pytest.mark.parametrize(
    ("logits", "weak", "thresholds", "message"),
    [
        (np.zeros((2, 10, 3)), np.zeros((1, 3)), (0, 0, 0), "weak labels"),
        (np.zeros((10, 3)), np.zeros(4), (0, 0, 0), "weak labels"),
        (np.zeros((10, 3)), np.zeros(3), (0, 0), "expected 3 thresholds"),
        (np.full((10, 3), np.nan), np.zeros(3), (0, 0, 0), "30 logits are NaN"),
    ],
)
def test_what_does_not_fit_is_refused(logits, weak, thresholds, message):
    with pytest.raises(ValueError, match=message):
        pseudo_labels(logits, weak, thresholds)


def test_folders_of_integers_and_booleans_are_read(folder):
    labels = read_pseudo_labels(folder, IDS[::-1])
    assert labels.dtype == np.uint8 and labels.shape == (2, 10, 25)
    np.testing.assert_array_equal(labels[1], np.eye(10, 25))
    assert not labels[0].any()


@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_stored_logits_become_a_folder_that_is_read_again(tmp_path, dtype):
    logits = np.random.default_rng(0).normal(size=(2, 10, 25)).astype(np.float32)
    write_arrays({"video_ids": np.array(IDS), "logits": logits}, tmp_path / "logits.npz")
    videos = [WeakVideo(f"{video_id}_0_10", (3, 7)) for video_id in [*IDS, "without_one"]]
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "old.npy").touch()
    make_pseudo_labels(
        tmp_path / "logits.npz", videos, thresholds=np.zeros(25), dtype=dtype, target=folder
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logits.npz", "new"]
    assert sorted(path.stem for path in folder.iterdir()) == sorted(IDS)
    assert np.load(folder / f"{IDS[0]}.npy").dtype == dtype
    expected = np.zeros_like(logits)
    expected[:, :, [3, 7]] = logits[:, :, [3, 7]] > 0
    np.testing.assert_array_equal(read_pseudo_labels(folder, IDS), expected)


def test_all_missing_files_are_counted(folder):
    with pytest.raises(DataError, match=r"4 of 6 videos .* v0\.npy, v1\.npy, v2\.npy, \.\.\.;"):
        read_pseudo_labels(folder, [*IDS, "v0", "v1", "v2", "v3"])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((10, 24), dtype=int), r"shape \(10, 24\), expected 10 segments by 25 classes"),
        (np.zeros((9, 25), dtype=int), r"shape \(9, 25\)"),
        (np.zeros((1, 10, 25), dtype=int), r"shape \(1, 10, 25\)"),
        (np.zeros((10, 25)), "holds float64, expected integers or booleans"),
        (np.full((10, 25), -1), "values from -1 to -1"),
        (np.full((10, 25), None), "not a readable .npy file"),
    ],
)
def test_other_arrays_are_refused(folder, array, message):
    np.save(folder / f"{IDS[1]}.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=rf"{IDS[1]}\.npy: .*{message}"):
        read_pseudo_labels(folder, IDS)


def test_a_truncated_file_is_refused(folder):
    path = folder / f"{IDS[0]}.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"not a readable \.npy file"):
        read_pseudo_labels(folder, IDS)
