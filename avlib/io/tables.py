"""Parquet tables with a fixed schema: the same columns in every study.

The classes below are the single truth; `schemas/*.schema.json` is generated from them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from avlib.errors import DataError
from avlib.io.atomic import atomic_path


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, whether it may be empty, and what it holds."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """The columns of one kind of table, in order."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def arrow(self) -> pa.Schema:
        """The schema as Arrow reads it."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    def as_json(self) -> dict[str, Any]:
        """Return the content of `schemas/<name>.schema.json`."""
        return {
            "table": self.name,
            "description": self.description,
            "columns": [
                {
                    "name": c.name,
                    "type": str(c.type),
                    "nullable": c.nullable,
                    "description": c.description,
                }
                for c in self.columns
            ],
        }


VIDEO_ID = Column("video_id", pa.string(), "name of the video, unique in the study")
SPLIT = Column("split", pa.string(), "train, val or test")
TRUE_CLASS = Column("class_id", pa.int64(), "number of the true class")
START_S = Column("start_s", pa.float64(), "seconds from the start of the video")
STOP_S = Column("stop_s", pa.float64(), "seconds from the start of the video")

MANIFEST = TableSchema(
    "manifest",
    "one row a video file",
    (
        VIDEO_ID,
        Column("path", pa.string(), "path of the file as configured"),
        SPLIT,
        Column("bytes", pa.int64(), "size of the file", nullable=True),
        Column("content_hash", pa.string(), "fingerprint of the file's content", nullable=True),
        Column("duration_s", pa.float64(), "length of the picture, else of the sound", True),
        Column("fps", pa.float64(), "average frames per second", nullable=True),
        Column("frames", pa.int64(), "number of frames", nullable=True),
        Column("width", pa.int64(), "pixels", nullable=True),
        Column("height", pa.int64(), "pixels", nullable=True),
        Column("has_audio", pa.bool_(), "whether there is a sound stream", nullable=True),
        Column("audio_rate_hz", pa.int64(), "sample rate of the file's sound", nullable=True),
        Column("audio_channels", pa.int64(), "channels of the file's sound", nullable=True),
        Column("audio_duration_s", pa.float64(), "length of the extracted sound", nullable=True),
        Column("status", pa.string(), "ok, or why the video is left out"),
        Column("message", pa.string(), "what was found and what to do; empty when ok"),
    ),
)

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
        Column("padded_intervals", pa.int64(), "intervals after the end of the sound or picture"),
        Column("content_hash", pa.string(), "SHA-256 of the file; empty unless ok"),
        Column("status", pa.string(), "ok, or why the video has no features"),
        Column("message", pa.string(), "what was found and what to do; empty when ok"),
    ),
)

QUERIES = TableSchema(
    "queries",
    "one row a labelled stretch that TIM is asked about, in one label space",
    (
        Column("query_id", pa.int64(), "0, 1, ... in the order of the rows"),
        Column("annotation_id", pa.string(), "name, unique among the split's rows of a modality"),
        Column("modality", pa.string(), "label space: visual or audio; visual rows come first"),
        VIDEO_ID,
        SPLIT,
        START_S,
        STOP_S,
        Column("verb_class", pa.int64(), "number of the verb, for visual queries", nullable=True),
        Column("noun_class", pa.int64(), "number of the noun, for visual queries", nullable=True),
        Column("action_class", pa.int64(), "class of a visual query", nullable=True),
        Column("class_id", pa.int64(), "class of an audio query", nullable=True),
    ),
)

PREDICTIONS = TableSchema(
    "predictions",
    "one row for each answer of a head of a model to a query",
    (
        Column("annotation_id", pa.string(), "name of the query, as in the table of queries"),
        Column("modality", pa.string(), "what the model sees: audio_visual, audio or visual"),
        Column("head", pa.string(), "verb, noun, action, audio, or combined: mean of the last two"),
        VIDEO_ID,
        SPLIT,
        START_S,
        STOP_S,
        Column("class_id", pa.int64(), "number of the true class, if known", nullable=True),
        Column("label", pa.string(), "its name", nullable=True),
        Column("predicted_class", pa.int64(), "number of the most probable class"),
        Column("predicted_label", pa.string(), "its name"),
        Column("probs", pa.list_(pa.float32()), "probability of each class, by its number"),
    ),
)

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
    "one row a soundtrack, with the number of its images or why it has none",
    (
        VIDEO_ID,
        SPLIT,
        Column("clips", pa.int64(), "images, one for each whole clip of 0.96 s"),
        Column("silent_clips", pa.int64(), "images of silence, which hold one value throughout"),
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
        Column("clip", pa.int64(), "0, 1, ... within the soundtrack, in which it starts"),
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
        Column("clips", pa.int64(), "clips that the scores are the mean of; 0 gives scores of 0"),
        TRUE_CLASS,
    ),
)

SCORED_VIDEOS = TableSchema(
    "scored_videos",
    "one row a video, in the order of the rows of the scores of its picture",
    (
        VIDEO_ID,
        SPLIT,
        TRUE_CLASS,
    ),
)

FUSED_ANSWERS = TableSchema(
    "fused_answers",
    "one row an evaluated video that has scores by ear and by eye",
    (
        VIDEO_ID,
        TRUE_CLASS,
        Column("audio", pa.int64(), "class of the highest score by ear"),
        Column("video", pa.int64(), "class of the highest score by eye"),
        Column("fusion", pa.int64(), "class of the highest fused score"),
        Column("weight", pa.float64(), "weight of the scores by ear in the fused ones"),
    ),
)

ALL_TABLES = (
    MANIFEST,
    EVENTS,
    INTERVALS,
    FEATURES,
    QUERIES,
    PREDICTIONS,
    LABELLED_FILES,
    AUDIO_IMAGES,
    CLIPS,
    SOUNDTRACKS,
    SCORED_VIDEOS,
    FUSED_ANSWERS,
)


def write_table(rows: pd.DataFrame, target: Path, schema: TableSchema) -> None:
    """Write `rows` as Parquet.

    Raises:
        DataError: if a column is missing, unknown, of another type or empty where it must not be.
    """
    write_parts([rows], target, schema)


def write_parts(parts: Iterable[pd.DataFrame], target: Path, schema: TableSchema) -> None:
    """Write successive parts of a table as one Parquet file; only one is in memory at a time.

    Raises:
        DataError: as `write_table`.
    """
    with atomic_path(target) as partial, pq.ParquetWriter(partial, schema.arrow) as writer:
        for rows in parts:
            writer.write_table(_checked(rows, target, schema))


def _checked(rows: pd.DataFrame, target: Path, schema: TableSchema) -> pa.Table:
    """Return rows as Arrow has them, after checking columns, types and empty values."""
    expected = [c.name for c in schema.columns]
    if set(rows.columns) != set(expected):
        missing = sorted(set(expected) - set(rows.columns))
        unknown = sorted(set(rows.columns) - set(expected))
        raise DataError(f"{target}: {schema.name} table lacks {missing}, does not know {unknown}")
    for column in schema.columns:
        if not column.nullable and rows[column.name].isna().any():
            raise DataError(f"{target}: column {column.name} of {schema.name} has empty values")
    try:
        table = pa.Table.from_pandas(rows[expected], schema=schema.arrow, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{target}: {schema.name} table: {error}") from error
    return table.replace_schema_metadata(None)


def read_table(source: Path, schema: TableSchema) -> pd.DataFrame:
    """Return the rows of a Parquet table that has the columns of `schema`.

    Raises:
        DataError: if the file is no Parquet table or has other columns.
    """
    try:
        table = pq.ParquetFile(source).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{source}: not a readable {schema.name} table ({error})") from error
    if table.schema.names != [c.name for c in schema.columns]:
        raise DataError(f"{source}: columns {table.schema.names} are not those of {schema.name}")
    return table.to_pandas()
