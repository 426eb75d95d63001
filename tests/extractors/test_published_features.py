import numpy as np
import pandas as pd
import pytest

from avlib.datasets.tables import EVENTS
from avlib.errors import DataError
from avlib.extractors.published_features import index_published
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table, write_table

VIDEOS = {"a": 3, "b": 5, "c": 4, "d": 2}  # intervals
FOLDERS = {"omnivore": 1024, "videomae": 1024}


@pytest.fixture
def study(tmp_path):
    """Events and intervals of four videos, with features in two folders."""
    events = [(f"e{v}", v, "train", "visual", 0.0, 1.0, "cut") for v in VIDEOS]
    columns = [column.name for column in EVENTS.columns]
    table = pd.DataFrame(events, columns=columns[:7]).reindex(columns=columns)
    write_table(table, tmp_path / "events.parquet", EVENTS)
    spans = [(f"{v}_{k}", v, 0.2 * k, 0.2 * k + 1.1) for v, n in VIDEOS.items() for k in range(n)]
    rows = pd.DataFrame(spans, columns=["interval_id", "video_id", "start_s", "stop_s"])
    rows = rows.assign(centre_s=rows["start_s"] + 0.55, start_frame=None, stop_frame=None)
    rows = rows.astype({"start_frame": "Int64", "stop_frame": "Int64"})
    write_table(rows, tmp_path / "train.parquet", INTERVALS)
    for name, channels in FOLDERS.items():
        for video_id, n_rows in VIDEOS.items():
            write(tmp_path, name, video_id, (n_rows, 4, channels))
    return tmp_path


def write(folder, name, video_id, shape):
    path = folder / name / "train" / f"{video_id}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ones(shape, np.float32))
    return path


def index(study):
    folders = [study / name for name in FOLDERS]
    intervals = {"train": study / "train.parquet"}
    index_published(folders, study / "events.parquet", intervals, study / "index.parquet")
    return read_table(study / "index.parquet", FEATURES).set_index("video_id")


def test_features_are_indexed_where_they_are(study):
    found = index(study)
    assert found["status"].tolist() == ["ok"] * 4
    assert found["intervals"].to_dict() == VIDEOS
    assert found["views"].unique().tolist() == [4]
    assert found["channels"].unique().tolist() == [2048]
    assert found.loc["a", "path"] == "train/a.npy"


def test_videos_without_fitting_features_are_left_out_with_the_reason(study):
    (study / "videomae/train/a.npy").unlink()
    write(study, "omnivore", "b", (6, 4, 1024))
    (study / "omnivore/train/c.npy").write_bytes(b"\x93NUMPY torn")
    found = index(study)
    assert found["status"].to_dict() == {
        "a": "missing",
        "b": "other_intervals",
        "c": "unreadable",
        "d": "ok",
    }
    assert "videomae/train/a.npy does not exist" in found.loc["a", "message"]
    assert "has 6 rows, but the video has 5 intervals" in found.loc["b", "message"]
    assert found.loc["b", "path"] == ""


def test_a_video_without_intervals_is_left_out(study):
    rows = read_table(study / "train.parquet", INTERVALS)
    write_table(rows[rows["video_id"] != "d"], study / "train.parquet", INTERVALS)
    assert index(study)["status"].to_dict()["d"] == "no_intervals"


def test_the_table_of_other_features_is_refused_with_the_first_video(study):
    rows = read_table(study / "train.parquet", INTERVALS)
    write_table(rows.iloc[1::2], study / "train.parquet", INTERVALS)
    with pytest.raises(DataError, match=r"^\S*train\.parquet: .* of 4 of 4 .*first a: ") as error:
        index(study)
    assert "\n" not in str(error.value)
    assert not (study / "index.parquet").exists()


def test_another_content_has_another_digest(study):
    before = index(study)["content_hash"]
    write(study, "omnivore", "b", (5, 4, 1024))
    np.save(study / "omnivore/train/b.npy", np.zeros((5, 4, 1024), np.float32))
    after = index(study)["content_hash"]
    assert (before != after).to_dict() == {"a": False, "b": True, "c": False, "d": False}
