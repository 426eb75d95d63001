"""Golden cases of tables: intervals of a video, features arranged by video."""

from collections.abc import Iterator

from avlib.extractors.arrange import arrange as arrange_features
from avlib.extractors.arrange import rows_by_video
from avlib.extractors.intervals import interval_rows
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly

# Columns of the published tables, the id first, and what we call them.
COLUMNS = {
    "narration_id": "interval_id",
    "video_id": "video_id",
    "start_sec": "start_s",
    "stop_sec": "stop_s",
    "narration_sec": "centre_s",
    "start_frame": "start_frame",
    "stop_frame": "stop_frame",
}


def intervals(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the interval table of a video."""
    c = case.content
    table = interval_rows(
        c["video_id"], c["num_frames"], c["fps"], interval_s=c["window"], hop_s=c["hop"]
    )
    yield compare_exactly("rows", len(table), c["rows"])
    columns = [COLUMNS[name] for name in (c["index_name"], *c["columns"])]
    kept = table[columns].iloc[c["kept_rows"]]
    yield compare_exactly("table", kept.astype(object).to_numpy().tolist(), c["table"])
    sums = ("start_frame", "stop_frame", "start_sec")
    totals = {f"sum_{name}": float(table[COLUMNS[name]].sum()) for name in sums}
    # Rows agree exactly; a sum of seconds depends on the order of summation.
    yield from case.compare_noted(totals, case.tolerance(*totals))


def arrange(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare features arranged by video, and where their rows come from."""
    arrays = case.own_arrays()
    ids = [interval_id for interval_id, _ in case.content["rows"]]
    sources = {video: rows.tolist() for video, rows in rows_by_video(ids).items()}
    golden_sources = case.content["output_row_source"]
    yield compare_exactly("videos", sorted(sources), sorted(golden_sources))
    arranged = arrange_features(arrays["features"], ids)
    for video, rows in golden_sources.items():
        yield compare_exactly(f"output_row_source {video}", sources[video], rows)
        name = f"out/{video}"
        yield compare(name, arranged[video], arrays[name], case.tolerance(name))
