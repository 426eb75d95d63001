"""Golden cases of tables: frames of intervals, interval tables, features by video, weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from avlib.extractors.arrange import arrange
from avlib.extractors.intervals import interval_rows
from avlib.extractors.omnivore.clips import omnivore_frames
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.rule import described_input
from avlib.verify.visual import omnivore, vggish, videomae

NUM_FRAMES = 32  # of Omnivore's published clips
COLUMNS = {
    "start_sec": "start_s",
    "stop_sec": "stop_s",
    "narration_sec": "centre_s",
    "start_frame": "start_frame",
    "stop_frame": "stop_frame",
}


def frame_tables(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the frames that the extractors read, and interval tables."""
    c = case.content
    yield from _omnivore_frames(c.get("omnivore_frame_indices", ()))
    yield from videomae.frame_table(c.get("videomae_frame_indices", ()))
    for table in c.get("interval_tables", ()):
        yield from _interval_table(table)


def _omnivore_frames(rows: Sequence[Mapping[str, Any]]) -> Iterator[Comparison]:
    """Compare the numbers, from 1, of the frames of intervals."""
    for row in rows:
        start, stop, n_frames = (row[k] for k in ("start_frame", "stop_frame", "frames_in_video"))
        count = len(row["indices"])
        numbers = omnivore_frames([start], [stop], num_frames=count)[0] + 1
        name = f"Omnivore {start} to {stop} of {n_frames}"
        yield compare_exactly(name, np.minimum(numbers, n_frames).tolist(), row["indices"])


def _interval_table(golden: Mapping[str, Any]) -> Iterator[Comparison]:
    video_id = (golden["first_index"] or "video_1").rpartition("_")[0]
    table = interval_rows(
        video_id,
        golden["frames"],
        golden["fps"],
        interval_s=golden["interval"],
        hop_s=golden["hop"],
    )
    name = f"{golden['frames']} frames at {golden['fps']:g} fps"
    yield compare_exactly(f"{name} n_rows", len(table), golden["n_rows"])
    ids = table["interval_id"].to_list() or [None]
    ends = [golden["first_index"], golden["last_index"]]
    yield compare_exactly(f"{name} first and last", [ids[0], ids[-1]], ends)
    for column in COLUMNS.keys() & golden.keys():
        values = table[COLUMNS[column]].to_list()
        yield compare_exactly(f"{name} {column}", values, golden[column])


def rearrange(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the files of each video, made of the features of all rows and views."""
    c = case.content
    drawn = described_input(c["input"].partition(";")[0])  # (rows * views, C)
    features = drawn.reshape(len(c["rows"]), c["num_features"], c["dim"])
    arranged = arrange(features, [interval_id for interval_id, _ in c["rows"]])
    shapes = {video: list(array.shape) for video, array in arranged.items()}
    yield compare_exactly("files", shapes, c["files"])
    for video, golden in case.own_arrays().items():
        yield compare(video, arranged[video], golden, case.tolerance(video))


def state_dicts(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare names and shapes of the weights of every network that a case lists."""
    for network, entry in case.content.items():
        if not isinstance(entry, Mapping):
            continue
        comparisons = omnivore.weights(entry) if "trunk" in entry else _weights(entry)
        for comparison in comparisons:
            yield replace(comparison, array=f"{network} {comparison.array}")


def _weights(entry: Mapping[str, Any]) -> Iterator[Comparison]:
    rows = entry["state_dict"]
    given = {name: shape for name, shape, *_ in rows}
    own = (vggish if "embeddings.0.weight" in given else videomae).weights(rows)
    yield compare_exactly("names", sorted(own), sorted(given))
    yield compare_exactly("shapes", {name: own.get(name) for name in given}, given)
    if "n_parameters" in entry:
        n_values = sum(int(np.prod(shape)) for shape in own.values())
        yield compare_exactly("n_parameters", n_values, entry["n_parameters"])
