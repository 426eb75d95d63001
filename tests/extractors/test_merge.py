import numpy as np
import pandas as pd
import pytest

from avlib.errors import DataError
from avlib.extractors.extraction import ShardFiles
from avlib.extractors.intervals import interval_table
from avlib.extractors.merge import merge_shard
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table, write_table
from avlib.media.probe import VideoInfo, manifest_rows
from avlib.media.tables import MANIFEST


def write_features(folder, shapes, *, seed, left_out=()):
    """Write the features of an extractor and their index; return the index's path."""
    rows = []
    for video_id, shape in shapes.items():
        path = folder / "train" / f"{video_id}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, len(rows)])
        np.save(path, rng.standard_normal(shape, np.float32))
        rows.append((video_id, "train", f"train/{video_id}.npy", *shape, 0, "x", "ok", ""))
    rows += [(v, "train", "", 0, 0, 0, 0, "", "unreadable", f"{v} is torn") for v in left_out]
    columns = [column.name for column in FEATURES.columns]
    write_table(pd.DataFrame(rows, columns=columns), folder / "index.parquet", FEATURES)
    return folder / "index.parquet"


def make_shard(folder, first, second, *, left_out=()):
    videos = [VideoInfo(v, v, "train", duration_s=1.5, content_hash="x") for v in ("a", "b")]
    manifest = manifest_rows(videos)
    write_table(manifest, folder / "manifest.parquet", MANIFEST)
    write_table(interval_table(manifest), folder / "intervals.parquet", INTERVALS)
    folders = [folder / "omnivore", folder / "videomae"]
    indices = [
        write_features(folders[0], first, seed=0),
        write_features(folders[1], second, seed=1, left_out=left_out),
    ]
    files = ShardFiles(
        sources=indices,
        manifests=[folder / "manifest.parquet"],
        intervals=[folder / "intervals.parquet"],
        checkpoint=None,
        folder=folder / "merged",
        journal=folder / "journal.jsonl",
        index=folder / "index.parquet",
    )
    return files, folders


FOUR = {"a": (2, 4, 3), "b": (2, 4, 3)}
ONE = {"a": (2, 1, 5), "b": (2, 1, 5)}


def test_channels_follow_each_other_in_the_order_of_the_extractors(tmp_path):
    files, folders = make_shard(tmp_path, FOUR, {"a": (2, 4, 5), "b": (2, 4, 5)})
    merge_shard(files, folders)
    for video_id in ("a", "b"):
        merged = np.load(tmp_path / "merged/train" / f"{video_id}.npy")
        assert merged.shape == (2, 4, 8) and merged.dtype == np.float32
        parts = [np.load(folder / f"train/{video_id}.npy") for folder in folders]
        np.testing.assert_array_equal(merged, np.concatenate(parts, axis=-1))
    index = read_table(files.index, FEATURES)
    assert index[["views", "channels"]].to_numpy().tolist() == [[4, 8], [4, 8]]


def test_other_numbers_of_views_are_an_error_with_both_shapes(tmp_path):
    files, folders = make_shard(tmp_path, FOUR, ONE)
    with pytest.raises(DataError, match=r"^a: .*\(2, 4, 3\) and \(2, 1, 5\).*allow_fewer_views"):
        merge_shard(files, folders)
    assert not files.index.exists()


def test_fewer_views_are_the_first_ones(tmp_path):
    files, folders = make_shard(tmp_path, FOUR, ONE)
    merge_shard(files, folders, allow_fewer_views=True)
    merged = np.load(tmp_path / "merged/train/a.npy")
    assert merged.shape == (2, 1, 8)
    np.testing.assert_array_equal(merged[..., :3], np.load(folders[0] / "train/a.npy")[:, :1])


@pytest.mark.parametrize("first", [{"a": (2, 1, 3), "b": (3, 1, 3)}, {"a": (2, 1, 3)}])
def test_features_of_other_intervals_or_videos_are_an_error(tmp_path, first):
    files, folders = make_shard(tmp_path, first, ONE)
    with pytest.raises(DataError, match=r"^b: "):
        merge_shard(files, folders)


def test_a_video_that_an_extractor_left_out_is_left_out(tmp_path):
    files, folders = make_shard(tmp_path, FOUR, {"a": (2, 4, 5)}, left_out=("b",))
    merge_shard(files, folders)
    index = read_table(files.index, FEATURES).set_index("video_id")
    assert index["status"].to_dict() == {"a": "ok", "b": "unreadable"}
    assert index.loc["b", "message"] == "b is torn"
    assert not (tmp_path / "merged/train/b.npy").exists()
