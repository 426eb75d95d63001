import h5py
import numpy as np
import pytest

from avlib.datasets.ave import Annotation
from avlib.errors import DataError
from avlib.extractors.ave_features import convert_features, convert_published
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table, write_table

SPLITS = {
    "train": [Annotation(2, "Dog", "-a", 0, 5), Annotation(0, "Cat", "b", 0, 1)],
    "test": [Annotation(3, "Dog", "c v_", 2, 3), Annotation(1, "Cat", "-a", 0, 9)],
}


def saved(path, shape, dtype=np.float64):
    features = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    with h5py.File(path, "w") as file:
        file["avadataset"] = features
    return features


@pytest.mark.parametrize("row", [(10, 128), (10, 7, 7, 5)])
def test_each_video_gets_its_row(tmp_path, row):
    features = saved(tmp_path / "f.h5", (4, *row))
    table = convert_features(tmp_path / "f.h5", SPLITS, 4, tmp_path / "features/vgg")
    assert table["path"].to_list() == [
        "train/-a.npy",
        "train/b.npy",
        "test/-a.npy",
        "test/c v_.npy",
    ]
    for path, number in zip(table["path"], [2, 0, 1, 3], strict=True):
        array = np.load(tmp_path / "features/vgg" / path)
        assert array.dtype == np.float32 and array.shape == (10, 1, *row[1:])
        np.testing.assert_array_equal(array[:, 0], features[number].astype(np.float32))
    assert set(table["channels"]) == {row[-1]}
    write_table(table, tmp_path / "index.parquet", FEATURES)


def test_of_two_annotations_of_a_video_the_first_gives_the_row(tmp_path):
    features = saved(tmp_path / "f.h5", (3, 10, 128))
    splits = {"val": [Annotation(2, "Dog", "a", 0, 5), Annotation(1, "Cat", "a", 5, 6)]}
    table = convert_features(tmp_path / "f.h5", splits, 3, tmp_path / "vggish")
    assert len(table) == 1
    array = np.load(tmp_path / "vggish/val/a.npy")
    np.testing.assert_array_equal(array[:, 0], features[2].astype(np.float32))


def test_the_published_features_of_background_videos_are_read(shared_data, tmp_path):
    source = shared_data / "ave/audio_feature_noisy.h5"
    splits = {"train": [Annotation(177, "background", "x", 0, 0)]}
    convert_features(source, splits, 178, tmp_path / "vggish")
    array = np.load(tmp_path / "vggish/train/x.npy")
    with h5py.File(source) as file:
        np.testing.assert_array_equal(array[:, 0], file["avadataset"][177].astype(np.float32))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((5, 10, 128), "5 rows, but there are 4 annotations"),
        ((4, 9, 128), r"shape \(4, 9, 128\), expected \(4, 10, channels\)"),
        ((4, 10, 7, 6, 512), r"shape \(4, 10, 7, 6, 512\)"),
        ((4, 1280), r"shape \(4, 1280\)"),
    ],
)
def test_a_file_of_another_form_is_named(tmp_path, shape, message):
    saved(tmp_path / "f.h5", shape, np.float32)
    with pytest.raises(DataError, match=rf"f\.h5: .*{message}"):
        convert_features(tmp_path / "f.h5", SPLITS, 4, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_is_named(tmp_path):
    features = saved(tmp_path / "f.h5", (4, 10, 128))
    features[3, 2, 1] = np.nan
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["avadataset"] = features
    with pytest.raises(DataError, match=r"f\.h5: row 3 \(c v_\) has values that are not finite"):
        convert_features(tmp_path / "f.h5", SPLITS, 4, tmp_path / "out")
    for content in (b"no HDF5", None):
        if content:
            (tmp_path / "f.h5").write_bytes(content)
        else:
            with h5py.File(tmp_path / "f.h5", "w") as file:
                file["other"] = features
        with pytest.raises(DataError, match=r"f\.h5: no HDF5 file with a data set 'avadataset'"):
            convert_features(tmp_path / "f.h5", SPLITS, 4, tmp_path / "out")


def test_a_name_that_leaves_the_folder_is_refused(tmp_path):
    saved(tmp_path / "f.h5", (1, 10, 128))
    splits = {"val": [Annotation(0, "Dog", "../x", 0, 5)]}
    with pytest.raises(DataError, match=r"video '\.\./x' cannot be the name of a file"):
        convert_features(tmp_path / "f.h5", splits, 1, tmp_path / "out")


def test_both_modalities_are_converted_as_if_extracted(tmp_path):
    files = {name: tmp_path / f"{name}.txt" for name in ("annotations", "train", "val", "test")}
    lines = ["Dog&b&good&0&10", "Cat&-a&good&3&7", "Dog&b&good&2&3", "Cat&c&good&1&2"]
    files["annotations"].write_text("\n".join(lines) + "\n")
    for name, numbers in (("train", [0, 1, 2]), ("val", []), ("test", [3])):
        files[name].write_text("".join(lines[k] + "\n" for k in numbers))
    files |= {"visual": tmp_path / "visual.h5", "audio": tmp_path / "audio.h5"}
    features = saved(files["visual"], (4, 10, 7, 7, 3))
    saved(files["audio"], (4, 10, 5))
    convert_published(
        files,
        folders={"visual": tmp_path / "vgg19", "audio": tmp_path / "vggish"},
        indices={m: tmp_path / f"{m}.parquet" for m in ("visual", "audio")},
        intervals={s: tmp_path / f"{s}.parquet" for s in ("train", "val", "test")},
    )
    array = np.load(tmp_path / "vgg19/train/b.npy")
    np.testing.assert_array_equal(array[:, 0], features[0].astype(np.float32))
    for modality in ("visual", "audio"):
        index = read_table(tmp_path / f"{modality}.parquet", FEATURES)
        assert index["path"].to_list() == ["train/-a.npy", "train/b.npy", "test/c.npy"]
    assert np.load(tmp_path / "vggish/test/c.npy").shape == (10, 1, 5)
    ids = read_table(tmp_path / "train.parquet", INTERVALS)["interval_id"].to_list()
    assert ids == [f"{v}_{k}" for v in ("-a", "b") for k in range(1, 11)]
    assert read_table(tmp_path / "val.parquet", INTERVALS).empty
