"""The tables of TIM: what it is asked, and what it answers."""

import pyarrow as pa

from avlib.io.tables import SPLIT, START_S, STOP_S, VIDEO_ID, Column, TableSchema

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
