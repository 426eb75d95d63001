"""The tables of events that were found without labels."""

import pyarrow as pa

from avlib.io.tables import START_S, STOP_S, VIDEO_ID, Column, TableSchema

BACKGROUND = "background"  # label of a second outside all events

FOUND_EVENTS = TableSchema(
    "found_events",
    "one row an event that was found without training, by video and time",
    (
        VIDEO_ID,
        START_S,
        STOP_S,
        Column("label", pa.string(), "what was looked for, or the name of a class"),
        Column("score", pa.float64(), "highest score of its seconds; tags.json says in which unit"),
    ),
)
TAGGED_SECONDS = TableSchema(
    "tagged_seconds",
    "one row a second of every video, with the best of its events",
    (
        VIDEO_ID,
        START_S,
        STOP_S,
        Column("label", pa.string(), f"of the event with the highest score, or {BACKGROUND}"),
        Column("score", pa.float64(), "of this second and label", nullable=True),
    ),
)
