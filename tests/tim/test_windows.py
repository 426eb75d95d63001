import math
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avlib.errors import DataError
from avlib.extractors.intervals import interval_table
from avlib.tim.recipes import TIM_RECIPES
from avlib.tim.windows import WindowIndex, build_windows

AVE = TIM_RECIPES["ave"]


def table(rows):
    """Queries from (video_id, modality, start_s, stop_s)."""
    queries = pd.DataFrame(rows, columns=["video_id", "modality", "start_s", "stop_s"])
    queries.insert(0, "query_id", np.arange(len(queries)))
    queries["annotation_id"] = [f"q{k}" for k in range(len(queries))]
    return queries.astype({"start_s": float, "stop_s": float})


def rule_intervals(durations):
    videos = {"video_id": list(durations), "duration_s": list(durations.values())}
    return interval_table(pd.DataFrame(videos).assign(frames=np.nan, fps=np.nan))


def cut_into(num_feats, feat_stride, feat_gap_s, window_stride_s=1.0):
    """A recipe for windows of so many rows, every so many, so far apart."""
    return replace(
        AVE,
        num_feats=num_feats,
        feat_stride=feat_stride,
        feat_gap_s=feat_gap_s,
        window_stride_s=window_stride_s,
    )


def windows(rows, durations, recipe=AVE, intervals=None, **options):
    intervals = rule_intervals(durations) if intervals is None else intervals
    return build_windows(table(rows), intervals, durations, recipe, **options)


def plain_windows(queries, intervals, durations, recipe, *, includes_end_row=False):
    """The same from the description, a window and a query at a time."""
    found = []
    for video_id, duration in durations.items():
        own = queries[queries["video_id"] == video_id]
        if own.empty:
            continue
        bounds = intervals[intervals["video_id"] == video_id][["start_s", "stop_s"]]
        starts, stops = bounds.to_numpy(np.float32).T
        rows_of_video = list(own.itertuples())
        length = recipe.num_feats * recipe.feat_gap_s * recipe.feat_stride
        end = math.ceil(duration)
        for w in range(max(math.ceil((end - length) / recipe.window_stride_s) + 1, 1)):
            start = recipe.window_stride_s * w
            stop = min(end, start + length)
            held = []
            for q in rows_of_video:
                q_stop = min(q.stop_s, end)
                if not (q.start_s < stop and q_stop > start):
                    continue
                span = (max(q.start_s, start), min(q_stop, stop))
                part = np.round(span[1] - span[0], 3)
                if part == np.round(q_stop - q.start_s, 3) or part >= 0.2:
                    held.append((q.query_id, *span, q.modality == "visual"))
            if not held:
                continue
            first = int(np.argmin(np.abs(starts - np.float32(start))))
            last = int(np.argmin(np.abs(stops - np.float32(stop)))) + includes_end_row
            rows = list(range(first, last, recipe.feat_stride)) or [first]
            rows = (rows + rows[-1:] * recipe.num_feats)[: recipe.num_feats]
            found.append((video_id, start, stop, rows, held))
    return found


def listed(index):
    """An index as `plain_windows` has it."""
    found = []
    for i in range(len(index)):
        span = slice(index.offsets[i], index.offsets[i + 1])
        held = zip(
            index.query[span].tolist(),
            index.query_start_s[span].tolist(),
            index.query_stop_s[span].tolist(),
            index.is_visual[span].tolist(),
            strict=True,
        )
        where = (index.start_s[i], index.stop_s[i], index.rows[i].tolist())
        found.append((index.video_ids[index.video[i]], *where, list(held)))
    return found


@st.composite
def studies(draw):
    seconds = st.floats(0, 40).map(lambda s: round(s, 3))
    durations = {v: draw(st.floats(0.6, 30)) for v in draw(st.permutations(["b", "a_v", "c"]))}
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        video_id = draw(st.sampled_from(sorted(durations)))
        start = min(draw(seconds), math.ceil(durations[video_id]) - 0.5)
        rows.append((video_id, draw(st.sampled_from(["visual", "audio"])), start, start))
        rows[-1] = (*rows[-1][:3], start + draw(st.sampled_from([0.3, 1.0, 5.25, 60.0])))
    rows.sort(key=lambda row: row[1] == "audio")
    intervals = []
    for video_id, duration in durations.items():
        n = draw(st.integers(1, 80))
        starts = np.sort(np.round(np.random.default_rng(n).uniform(0, duration, n), 1))
        intervals.append(pd.DataFrame({"video_id": video_id, "start_s": starts}))
    table = pd.concat(intervals, ignore_index=True)
    table["stop_s"] = table["start_s"] + draw(st.sampled_from([0.2, 1.1]))
    recipe = cut_into(
        draw(st.integers(1, 12)), draw(st.integers(1, 4)), 0.2, draw(st.sampled_from([0.15, 0.2]))
    )
    return rows, table, durations, recipe, draw(st.booleans())


@settings(max_examples=200)
@given(study=studies())
def test_windows_are_those_of_the_plain_way(study):
    rows, intervals, durations, recipe, includes = study
    options = {"includes_end_row": includes}
    expected = plain_windows(table(rows), intervals, durations, recipe, **options)
    held = {query[0] for window in expected for query in window[4]}
    if held != set(range(len(rows))):
        with pytest.raises(DataError, match="no window holds"):
            windows(rows, durations, recipe, intervals, **options)
        return
    index = windows(rows, durations, recipe, intervals, **options)
    assert listed(index) == expected
    assert index.counts()["visual_views"] + index.counts()["audio_views"] == len(index.query)


@settings(max_examples=50)
@given(duration=st.floats(1.3, 100), start=st.floats(0, 0.99), stop=st.floats(0.3, 200))
def test_windows_cover_their_video_and_hold_their_query(duration, start, stop):
    index = windows([("v", "audio", start, start + stop)], {"v": duration})
    assert index.start_s[0] == 0 and (np.diff(index.start_s) == 1).all()
    assert (index.stop_s - index.start_s <= AVE.window_s).all()
    end = min(start + stop, math.ceil(duration))
    np.testing.assert_allclose([index.query_start_s[0], index.query_stop_s.max()], [start, end])
    n_rows = len(rule_intervals({"v": duration}))
    assert index.rows.shape == (len(index), 25) and index.rows.min() >= 0
    assert index.rows.max() < n_rows


def ave_rows():
    return [("v", m, s, s + 1) for m in ("visual", "audio") for s in range(10)]


def test_a_video_of_ten_seconds_is_one_window():
    index = windows(ave_rows(), {"v": 10.0})
    assert len(index) == 1
    assert index.rows[0].tolist() == [*range(0, 44, 2), 42, 42, 42]
    assert index.query.tolist() == list(range(20))
    assert index.counts() == {
        "windows": 1,
        "videos": 1,
        "queries": 20,
        "visual_views": 10,
        "audio_views": 10,
        "largest_visual_queries": 10,
        "largest_audio_queries": 10,
    }


def test_the_last_of_ten_second_rows_is_left_out_unless_asked_for():
    seconds = np.arange(10.0)
    intervals = pd.DataFrame({"video_id": "v", "start_s": seconds, "stop_s": seconds + 1})
    rows = ave_rows()
    for includes, last in ((False, 8), (True, 9)):
        recipe = cut_into(10, 1, 1.0)
        index = windows(rows, {"v": 10.0}, recipe, intervals, includes_end_row=includes)
        assert index.rows[0].tolist() == [*range(9), last]


def test_a_video_of_one_interval_uses_it_alone():
    index = windows([("v", "visual", 0.5, 1.0)], {"v": 1.2})
    assert index.rows.tolist() == [[0] * 25]


def test_windows_are_in_the_order_of_the_videos_and_queries_in_that_of_their_table():
    rows = [
        ("b", "visual", 3, 4),
        ("a", "visual", 1, 2),
        ("b", "visual", 1, 2),
        ("b", "audio", 0, 1),
    ]
    index = windows(rows, {"b": 5.0, "x": 5.0, "a": 5.0})
    assert index.video_ids.tolist() == ["b", "a"]
    assert index.video.tolist() == [0, 1]
    assert index.query.tolist() == [0, 2, 3, 1]
    assert index.is_visual.tolist() == [True, True, False, True]


def test_query_ids_need_not_begin_at_0():
    queries = table([("v", "visual", 0, 1), ("v", "audio", 2, 3)])
    queries["query_id"] += 4000
    queries.index = [7, 9]
    index = build_windows(queries, rule_intervals({"v": 10.0}), {"v": 10.0}, AVE)
    assert index.query.tolist() == [4000, 4001]


def test_a_query_beyond_the_end_is_cut_and_a_tail_below_a_fifth_of_a_second_is_left_out():
    index = windows([("v", "visual", 9.85, 99.0)], {"v": 11.3})
    assert index.start_s.tolist() == [1.0, 2.0]  # not the window [0, 10), which holds 0.15 s
    assert index.query_stop_s.tolist() == [11.0, 12.0]
    index = windows([("v", "visual", 9.85, 9.95)], {"v": 11.3})
    assert index.start_s.tolist() == [0.0, 1.0, 2.0]  # all of a short query is enough


@pytest.mark.parametrize(
    ("rows", "durations", "message"),
    [
        ([("v", "audio", 11, 12)], {"v": 11.0}, "v: no window holds the audio query q0, 11.0 to"),
        ([("v", "visual", 0, 0)], {"v": 11.0}, "v: no window holds the visual query q0"),
        ([("w", "audio", 1, 2)], {"v": 11.0}, "w: has queries, but is not in the table of videos"),
        ([("v", "audio", 0, 1)], {"v": 1.0}, "v: has queries, but no feature intervals"),
    ],
)
def test_what_has_no_window_is_named(rows, durations, message):
    with pytest.raises(DataError, match=message) as error:
        windows(rows, durations)
    assert "\n" not in str(error.value)


def test_a_query_that_every_window_halves_is_named():
    recipe = cut_into(25, 2, 0.2, window_stride_s=10.0)
    with pytest.raises(DataError, match=r"q1.*less than 0\.2 s"):
        windows([("v", "audio", 0, 1), ("v", "audio", 9.85, 10.15)], {"v": 20.0}, recipe)


def test_intervals_out_of_order_are_refused():
    intervals = rule_intervals({"v": 10.0}).iloc[::-1]
    with pytest.raises(DataError, match="v: its feature intervals are not in the order"):
        windows(ave_rows(), {"v": 10.0}, AVE, intervals)


def test_stops_need_not_ascend():
    rows = [("v", "visual", 0, 5)]
    starts = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    stops = np.array([1.0, 5.0, 3.0, 4.9, 4.5])
    intervals = pd.DataFrame({"video_id": "v", "start_s": starts, "stop_s": stops})
    recipe = cut_into(5, 1, 1.0)
    expected = plain_windows(table(rows), intervals, {"v": 5.0}, recipe)
    assert listed(windows(rows, {"v": 5.0}, recipe, intervals)) == expected


def test_an_index_is_saved_and_loaded(tmp_path):
    index = windows([("b", "visual", 0, 3), ("ü_v_", "audio", 1, 2)], {"ü_v_": 12.0, "b": 3.0})
    for name in "ab":
        index.save(tmp_path / f"{name}.npz")
    found = WindowIndex.load(tmp_path / "a.npz")
    for field in fields(WindowIndex):
        one, other = getattr(index, field.name), getattr(found, field.name)
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    np.savez(tmp_path / "c.npz", rows=np.zeros(3))
    with pytest.raises(DataError, match=r"c\.npz: holds \['rows'\], expected"):
        WindowIndex.load(tmp_path / "c.npz")


def test_no_queries_are_no_windows():
    index = windows([], {"v": 10.0})
    assert len(index) == 0 and index.rows.shape == (0, 25)
    assert index.counts()["windows"] == 0
