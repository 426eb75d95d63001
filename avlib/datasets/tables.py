"""The table that every reader of annotations returns."""

import pyarrow as pa

from avlib.io.tables import SPLIT, START_S, STOP_S, VIDEO_ID, Column, TableSchema

EVENTS = TableSchema(
    "events",
    "one row an event: a labelled span of a video",
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
