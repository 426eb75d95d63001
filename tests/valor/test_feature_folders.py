import numpy as np
import pytest

from avlib.errors import DataError
from avlib.valor.feature_folders import FEATURE_KINDS, FeatureFolder

IDS = ["BjCEufrlXm4", "-1A_b-c2d3E", "___________"]


@pytest.fixture
def folder(tmp_path):
    for video_id in IDS:
        np.save(tmp_path / f"{video_id}.npy", np.full((80, 7), 2, dtype=np.float32))
    return tmp_path


def test_features_are_read_and_their_width_is_found(folder):
    features = FeatureFolder(folder, "res152", IDS)
    assert (features.rows, features.width, len(features)) == (80, 7, 3)
    assert (features[1] == 2).all()


def test_columns_first_and_other_floats_are_read_as_they_are(folder):
    values = np.arange(560, dtype=np.float64).reshape(80, 7)
    np.save(folder / f"{IDS[0]}.npy", np.asfortranarray(values))
    np.save(folder / f"{IDS[2]}.npy", values.astype(">f4"))
    features = FeatureFolder(folder, "res152", IDS)
    for index in (0, 2):
        np.testing.assert_array_equal(features[index], values)


def test_missing_files_are_all_counted(folder):
    with pytest.raises(DataError, match="2 of 5 videos have no res152 feature: 'a', 'b'; expected"):
        FeatureFolder(folder, "res152", [*IDS, "a", "b"])


@pytest.mark.parametrize("shape", [(79, 7), (80, 6), (80,), (80, 7, 1)])
def test_another_shape_is_refused_with_the_video_and_what_was_expected(folder, shape):
    np.save(folder / f"{IDS[1]}.npy", np.zeros(shape, dtype=np.float32))
    with pytest.raises(DataError, match=r"-1A_b-c2d3E.*expected \(80, 7\)"):
        FeatureFolder(folder, "res152", IDS)


def test_a_file_that_ends_early_is_refused(folder):
    path = folder / f"{IDS[2]}.npy"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"___________.*not a readable \.npy file.*80 rows"):
        FeatureFolder(folder, "res152", IDS)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="not a readable"):
        FeatureFolder(folder, "res152", IDS)


def test_pickles_and_whole_numbers_are_refused(folder):
    np.save(folder / f"{IDS[0]}.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="not a readable"):
        FeatureFolder(folder, "res152", IDS)
    np.save(folder / f"{IDS[0]}.npy", np.zeros((80, 7), dtype=np.int64))
    with pytest.raises(DataError, match="holds int64, expected 80 rows of floats"):
        FeatureFolder(folder, "res152", IDS)


@pytest.mark.parametrize("video_id", ["../secret", "a/b", ".."])
def test_no_name_leaves_the_folder(folder, video_id):
    with pytest.raises(DataError, match="leave"):
        FeatureFolder(folder / "below", "res152", [video_id])


def test_a_changed_file_changes_the_fingerprint(folder):
    before = FeatureFolder(folder, "res152", IDS).fingerprint()
    assert FeatureFolder(folder, "res152", IDS).fingerprint() == before
    np.save(folder / f"{IDS[0]}.npy", np.zeros((80, 7), dtype=np.float64))
    assert FeatureFolder(folder, "res152", IDS).fingerprint() != before


def test_the_published_layout_is_known():
    published = {name: kind for name, kind in FEATURE_KINDS.items() if kind.folder}
    found = {name: (kind.folder, kind.rows, kind.width) for name, kind in published.items()}
    assert found == {
        "vggish": ("feats/vggish", 10, 128),
        "res152": ("feats/res152", 80, 2048),
        "r2plus1d_18": ("feats/r2plus1d_18", 10, 512),
        "clip": ("CLIP/features", 10, 768),
        "clap": ("CLAP/features", 64, 768),
    }
