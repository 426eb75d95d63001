"""The table of labelled events, and the splits of every study."""

from typing import Literal

import pyarrow as pa

from avlib.io.tables import SPLIT, START_S, STOP_S, VIDEO_ID, Column, TableSchema

EVENTS = TableSchema(
    "events",
    "one row a labelled stretch of a video",
    (
        Column("event_id", pa.string(), "unique name of the event"),
        VIDEO_ID,
        SPLIT,
        Column("modality", pa.string(), "audio, visual or audio_visual"),
        START_S,
        STOP_S,
        Column("label", pa.string(), "name of the class"),
        Column("class_id", pa.int64(), "number of the class", nullable=True),
        Column("verb_class", pa.int64(), "number of the verb, for actions", nullable=True),
        Column("noun_class", pa.int64(), "number of the noun, for actions", nullable=True),
    ),
)


SPLITS = ("train", "val", "test")


Split = Literal["train", "val", "test"]
