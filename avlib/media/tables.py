"""The manifest: the table that probing and packing write."""

import pyarrow as pa

from avlib.io.tables import SPLIT, VIDEO_ID, Column, TableSchema

MANIFEST = TableSchema(
    "manifest",
    "one row a video file",
    (
        VIDEO_ID,
        Column("path", pa.string(), "path of the file as configured"),
        SPLIT,
        Column("bytes", pa.int64(), "size of the file", nullable=True),
        Column("content_hash", pa.string(), "fingerprint of the file's content", nullable=True),
        Column("duration_s", pa.float64(), "length of the frames, as decoding yields them", True),
        Column(
            "fps", pa.float64(), "frames per second, their mean where distances vary", nullable=True
        ),
        Column("frames", pa.int64(), "number of frames", nullable=True),
        Column("width", pa.int64(), "pixels", nullable=True),
        Column("height", pa.int64(), "pixels", nullable=True),
        Column("has_audio", pa.bool_(), "whether there is an audio stream", nullable=True),
        Column("audio_rate_hz", pa.int64(), "sample rate of the audio stream", nullable=True),
        Column("audio_channels", pa.int64(), "channels of the audio stream", nullable=True),
        Column("audio_duration_s", pa.float64(), "length of the decoded audio", nullable=True),
        Column("status", pa.string(), "ok, or why the video is left out"),
        Column("message", pa.string(), "what was found and what to do; empty when nothing"),
    ),
)
