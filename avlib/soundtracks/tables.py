"""The tables of labelled soundtracks."""

import pyarrow as pa

from avlib.io.tables import SPLIT, START_S, STOP_S, TRUE_CLASS, VIDEO_ID, Column, TableSchema

LABELLED_FILES = TableSchema(
    "labelled_files",
    "one row a video or sound file with one label for all of it",
    (
        VIDEO_ID,
        SPLIT,
        Column("path", pa.string(), "path of the file"),
        Column("label", pa.string(), "name of the class"),
        Column("class_id", pa.int64(), "number of the class"),
        Column("fold", pa.string(), "part of the data for cross-validation", nullable=True),
    ),
)

AUDIO_IMAGES = TableSchema(
    "audio_images",
    "one row a soundtrack, with the number of its audio images or why it has none",
    (
        VIDEO_ID,
        SPLIT,
        Column("clips", pa.int64(), "images, one for each whole clip of 0.96 s"),
        Column("silent_clips", pa.int64(), "silent images, which have one value throughout"),
        Column("rate_hz", pa.int64(), "sample rate of the sound", nullable=True),
        Column("status", pa.string(), "ok, or why the soundtrack has no images"),
        Column("message", pa.string(), "what was found and what to do; empty when ok"),
    ),
)

CLIPS = TableSchema(
    "clips",
    "one row a clip, in the order of the rows of clip_scores.npy",
    (
        VIDEO_ID,
        Column("clip", pa.int64(), "0, 1, ... within the soundtrack, the clip that it starts in"),
        START_S,
        STOP_S,
        TRUE_CLASS,
    ),
)

SOUNDTRACKS = TableSchema(
    "soundtracks",
    "one row a soundtrack, in the order of the rows of soundtrack_scores.npy",
    (
        VIDEO_ID,
        SPLIT,
        Column("clips", pa.int64(), "clips over which scores are averaged; with 0 they are 0"),
        TRUE_CLASS,
    ),
)

SCORED_VIDEOS = TableSchema(
    "scored_videos",
    "one row a video, in the order of the rows of its visual scores",
    (
        VIDEO_ID,
        SPLIT,
        TRUE_CLASS,
    ),
)

FUSED_ANSWERS = TableSchema(
    "fused_answers",
    "one row an evaluated video with audio and visual scores",
    (
        VIDEO_ID,
        TRUE_CLASS,
        Column("audio", pa.int64(), "class of the highest audio score"),
        Column("video", pa.int64(), "class of the highest visual score"),
        Column("fusion", pa.int64(), "class of the highest fused score"),
        Column("weight", pa.float64(), "weight of the audio scores in the fused ones"),
    ),
)
