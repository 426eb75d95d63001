"""The tables of TIM, queries and predictions, and where they hold the classes of each head."""

from pathlib import Path

import pyarrow as pa

from avlib.datasets.timed_tables import UNKNOWN as UNKNOWN  # in arrays, too
from avlib.io.json_files import read_json
from avlib.io.tables import SPLIT, START_S, STOP_S, VIDEO_ID, Column, TableSchema

QUERIES = TableSchema(
    "queries",
    "one row a query: a labelled interval of a video, in one label space",
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

VIDEOS = TableSchema(
    "videos",
    "one row a video and split, in the order that windows have",
    (
        VIDEO_ID,
        SPLIT,
        Column("duration_s", pa.float64(), "length; empty where it is not published", True),
    ),
)

PREDICTIONS = TableSchema(
    "predictions",
    "one row for each prediction of a head of a model for a query",
    (
        Column("annotation_id", pa.string(), "name of the query, as in the table of queries"),
        Column("modality", pa.string(), "input of the model: audio_visual, audio or visual"),
        Column("head", pa.string(), "verb, noun, action, audio, or combined: of the last two"),
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

# Column of QUERIES with the true class, and of the names of the classes, for each head.
LABEL_COLUMNS = {
    "verb": "verb_class",
    "noun": "noun_class",
    "action": "action_class",
    "audio": "class_id",
}
VISUAL_HEADS = ("verb", "noun", "action")


def read_head_classes(path: Path) -> dict[str, list[str]]:
    """Return the names of the classes of each head, by number.

    Args:
        path: JSON file with a list for each of LABEL_COLUMNS that is used; visual and audio actions
            have the same classes where only `class_id` is there.
    """
    named = read_json(path)
    named.setdefault("action_class", named.get("class_id"))
    return {head: named[column] for head, column in LABEL_COLUMNS.items() if named.get(column)}
