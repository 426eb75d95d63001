"""The stage make_windows: which videos of a split have windows, in which order and how many."""

import numpy as np
import pandas as pd
import pytest

from avlib.datasets import ave
from avlib.extractors.intervals import interval_table
from avlib.extractors.tables import FEATURES, INTERVALS
from avlib.io.tables import read_table, write_table
from avlib.tim.plan import make_windows
from avlib.tim.queries import make_queries
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.tables import QUERIES, VIDEOS
from avlib.tim.windows import WindowIndex, build_windows

SPLITS = ("train", "val")
EVENT = {"start_timestamp": "00:00:01", "stop_timestamp": "00:00:02", "class": "tap", "class_id": 3}


def write_features(folder, videos, split, without=()):
    """Write the intervals of a split's videos and an index in which some have no features."""
    rows = videos[videos["split"] == split]
    intervals = interval_table(rows.assign(frames=np.nan, fps=np.nan))
    write_table(intervals, folder / f"{split}.parquet", INTERVALS)
    columns = {c.name: "" if str(c.type) == "string" else 1 for c in FEATURES.columns}
    index = pd.DataFrame(columns | {"split": split}, index=rows.index)
    status = np.where(rows["video_id"].isin(without), "no_audio", "ok")
    write_table(
        index.assign(video_id=rows["video_id"], status=status), folder / "index.parquet", FEATURES
    )


def windows(folder, split, recipe):
    make_windows(
        queries=folder / "queries.parquet",
        videos=folder / "videos.parquet",
        intervals=folder / f"{split}.parquet",
        indices=[folder / "index.parquet"],
        split=split,
        recipe=recipe,
        target=folder / f"{split}.npz",
    )
    return WindowIndex.load(folder / f"{split}.npz")


@pytest.fixture
def study(tmp_path):
    """Sounds of four videos, whose published lengths are in another order than their names."""
    lengths = pd.DataFrame({"video_id": ["c", "x", "a", "b"], "duration": [12.0, 9, 30.5, 11]})
    lengths.to_csv(tmp_path / "v.csv", index=False)
    sounds = pd.DataFrame({"video_id": ["a", "b", "c"]}).assign(**EVENT)
    sounds.assign(annotation_id=sounds["video_id"]).to_csv(tmp_path / "s.csv", index=False)
    files = {"sounds.train": tmp_path / "s.csv", "video_info": tmp_path / "v.csv"}
    make_queries("epic", files, tmp_path / "queries.parquet", tmp_path / "videos.parquet")
    write_features(tmp_path, read_table(tmp_path / "videos.parquet", VIDEOS), "train", ["b"])
    return tmp_path


def test_windows_follow_the_published_order_and_lengths(study):
    index = windows(study, "train", "ave")
    assert index.video_ids.tolist() == ["c", "a"]
    # Windows of ten seconds each second, of which those from 2 s on hold no event.
    assert index.start_s.tolist() == [0, 1, 0, 1]


def test_a_video_of_unknown_length_is_as_long_as_its_intervals(study):
    videos = read_table(study / "videos.parquet", VIDEOS)
    write_table(videos.assign(duration_s=np.nan), study / "videos.parquet", VIDEOS)
    index = windows(study, "train", "epic")
    assert index.stop_s.tolist() == [12, 30, 31]  # 30 s from 0 and from 1 s; the end is rounded up


def test_videos_of_ave_are_one_window_of_ten_seconds_each(shared_data, tmp_path):
    """As before there was a table of videos."""
    files = {split: shared_data / f"ave/{split}_order.h5" for split in SPLITS}
    files |= {"annotations": shared_data / "ave/Annotations.txt"}
    make_queries("ave", files, tmp_path / "queries.parquet", tmp_path / "videos.parquet")
    queries = read_table(tmp_path / "queries.parquet", QUERIES)
    videos = read_table(tmp_path / "videos.parquet", VIDEOS)
    for split in SPLITS:
        without = videos[videos["split"] == split]["video_id"].iloc[:3]
        write_features(tmp_path, videos, split, without)
        windows(tmp_path, split, "ave")
        kept = queries[(queries["split"] == split) & ~queries["video_id"].isin(without)]
        durations = dict.fromkeys(sorted(set(kept["video_id"])), float(ave.VIDEO_SECONDS))
        intervals = read_table(tmp_path / f"{split}.parquet", INTERVALS)
        plain = build_windows(kept, intervals, durations, TIM_RECIPES["ave"])
        plain.save(tmp_path / "plain.npz")
        assert len(plain) == len(durations)
        assert (tmp_path / f"{split}.npz").read_bytes() == (tmp_path / "plain.npz").read_bytes()
