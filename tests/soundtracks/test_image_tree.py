import h5py
import numpy as np
import pandas as pd
import pytest

from avlib.errors import DataError
from avlib.io.packs import ImageStore
from avlib.io.tables import read_table
from avlib.soundtracks.image_tree import export_images, import_images
from avlib.soundtracks.mel import Mel
from avlib.soundtracks.tables import AUDIO_IMAGES, LABELLED_FILES

NAME = "v_0wR5jVB-WPk_000417_000427"
OTHER = "v_-4444444444_000001_000011"


def some_images(count, seed=0):
    values = np.random.default_rng(seed).uniform(-80, 0, (count, 64, 96))
    return values.astype(np.float32)


CONTENT = {NAME: some_images(12), OTHER: some_images(0), "v_third": some_images(2, 1)}


def labelled(*rows):
    columns = [column.name for column in LABELLED_FILES.columns]
    return pd.DataFrame(rows, columns=columns)


FILES = labelled(
    (NAME, "val", "a.wav", "abseiling", 0, None),
    (OTHER, "train", "b.wav", "brush_painting", 1, None),
    ("v_third", "train", "c.wav", "brushing_hair", 2, None),
    ("v_without", "val", "d.wav", "abseiling", 0, None),
)


@pytest.fixture
def tree(tmp_path):
    """The tree that is exported of three soundtracks."""
    with h5py.File(tmp_path / "in.h5", "w") as pack:
        for video_id, images in CONTENT.items():
            pack[video_id] = images
    with ImageStore([tmp_path / "in.h5"], sample_rate=44_100) as store:
        export_images(store, FILES, tmp_path / "tree")
    return tmp_path / "tree"


def imported(tree, shards=4):
    folder = tree.parent / "packs"
    import_images(
        tree,
        shards=shards,
        mel=Mel(),
        folder=folder,
        files_target=tree.parent / "files.parquet",
    )
    parts = [read_table(folder / f"{n}.parquet", AUDIO_IMAGES) for n in range(shards)]
    return [folder / f"{n}.h5" for n in range(shards)], pd.concat(parts).set_index("video_id")


def test_the_tree_has_the_published_names(tree):
    folder = tree / "val" / "abseiling" / f"{NAME}.wav"
    names = {path.name for path in folder.iterdir()}
    assert names == {f"_0wR5jVB-WPk_000417_000427_{i}.npy" for i in range(12)}
    image = np.load(folder / "_0wR5jVB-WPk_000417_000427_11.npy")
    np.testing.assert_array_equal(image, CONTENT[NAME][11])
    assert image.dtype == np.float32
    assert list((tree / "train" / "brush_painting" / f"{OTHER}.wav").iterdir()) == []
    assert not (tree / "val" / "abseiling" / "v_without.wav").exists()


def test_the_lists_have_the_order_of_a_windows_folder(tree):
    paths = np.load(tree / "datalists" / "val_audio_list.npy")
    labels = np.load(tree / "datalists" / "val_label_list.npy")
    numbers = [int(path.rpartition("_")[2].removesuffix(".npy")) for path in paths]
    assert numbers == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert labels.tolist() == [0] * 12
    assert all((tree / path).is_file() for path in paths)


def test_what_was_exported_is_imported(tree):
    packs, index = imported(tree)
    with ImageStore(packs, sample_rate=44_100) as store:
        for video_id, images in CONTENT.items():
            np.testing.assert_array_equal(store[video_id][:], images)
    assert index["clips"].to_dict() == {NAME: 12, OTHER: 0, "v_third": 2}
    assert index.loc[OTHER, "status"] == "too_short"
    files = read_table(tree.parent / "files.parquet", LABELLED_FILES).set_index("video_id")
    assert files.loc[NAME, ["split", "label", "class_id"]].to_list() == ["val", "abseiling", 0]
    assert files["class_id"].to_dict() == {NAME: 0, OTHER: 1, "v_third": 2}


def test_import_gives_the_same_bytes_again(tree):
    first = [path.read_bytes() for path in imported(tree)[0]]
    assert [path.read_bytes() for path in imported(tree)[0]] == first


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "image 3 is missing"),
        (lambda path: path.write_bytes(b"\x93NUMPY torn"), "not a readable array"),
        (lambda path: np.save(path, np.zeros((64, 95), np.float32)), r"\(64, 95\), expected"),
        (lambda path: np.save(path, np.full((64, 96), np.nan)), "not finite"),
        (lambda path: np.save(path, np.array([{}], object), allow_pickle=True), "readable array"),
    ],
)
def test_a_damaged_soundtrack_is_named_and_the_others_are_packed(tree, damage, message):
    damage(tree / "val" / "abseiling" / f"{NAME}.wav" / "_0wR5jVB-WPk_000417_000427_3.npy")
    packs, index = imported(tree)
    row = index.loc[NAME]
    assert (row["status"], row["clips"]) == ("unreadable", 0)
    assert pd.Series([row["message"]]).str.contains(message).all()
    with ImageStore(packs, sample_rate=44_100) as store:
        assert NAME not in store and "v_third" in store


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no folder <split>/<class>/<name>\.wav of images"):
        imported(tmp_path / "nothing")


def test_two_soundtracks_of_one_name_are_named(tree):
    (tree / "train" / "zumba" / f"{NAME}.wav").mkdir(parents=True)
    with pytest.raises(DataError, match=f"{NAME}.wav and .*{NAME}.wav have one name"):
        imported(tree)


def test_a_class_that_would_leave_the_folder_is_refused(tree):
    files = FILES.assign(label="..")
    with (
        ImageStore([tree.parent / "in.h5"], sample_rate=44_100) as store,
        pytest.raises(DataError, match="cannot be the names of folders"),
    ):
        export_images(store, files, tree.parent / "other")
