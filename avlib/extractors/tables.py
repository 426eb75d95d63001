"""The tables that every extractor reads or writes: intervals and the index of features."""

import pyarrow as pa

from avlib.io.tables import SPLIT, START_S, STOP_S, VIDEO_ID, Column, TableSchema

INTERVALS = TableSchema(
    "intervals",
    "one row a feature; those of a video follow each other in order",
    (
        Column("interval_id", pa.string(), "<video_id>_<k>, k = 1, 2, ... within the video"),
        VIDEO_ID,
        START_S,
        STOP_S,
        Column("centre_s", pa.float64(), "middle of the interval"),
        Column("start_frame", pa.int64(), "first frame, for the visual extractors", True),
        Column("stop_frame", pa.int64(), "last frame, for the visual extractors", True),
    ),
)

FEATURES = TableSchema(
    "features",
    "one row a video, with its feature file or why it has none",
    (
        VIDEO_ID,
        SPLIT,
        Column("path", pa.string(), "file below the extractor's folder; empty unless ok"),
        Column("intervals", pa.int64(), "rows of the array"),
        Column("views", pa.int64(), "views of each interval"),
        Column("channels", pa.int64(), "channels of a feature"),
        Column(
            "padded_intervals", pa.int64(), "intervals after the end of the audio or of the frames"
        ),
        Column("content_hash", pa.string(), "SHA-256 of the file, or, published, of parts of it"),
        Column("status", pa.string(), "ok, or why the video has no features"),
        Column("message", pa.string(), "what was found and what to do; empty when ok"),
    ),
)

EMBEDDED_CLIPS = TableSchema(
    "embedded_clips",
    "one row a clip of a shard, with its status in the file of embeddings",
    (
        Column("event_id", pa.string(), "unique name of the clip"),
        Column("status", pa.string(), "ok, or why the clip has no embedding"),
        Column("message", pa.string(), "what was found and what to do; empty when nothing"),
        Column("is_cropped", pa.bool_(), "longer than an input, so that it has one row a crop"),
        Column("is_silent", pa.bool_(), "all samples are zero"),
    ),
)
