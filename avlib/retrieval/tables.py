"""The table of retrieval: what each query found."""

import pyarrow as pa

from avlib.io.tables import Column, TableSchema

DIRECTIONS = ("a2t", "t2a")  # a clip asks for texts, a text for clips
TOP = 10  # items that are kept of each query

RANKS = TableSchema(
    "ranks",
    "one row a query: the place of the right item, and the most similar items",
    (
        Column("relevancy", pa.string(), "the clips that are ranked: all, low, moderate or high"),
        Column("kind", pa.string(), "texts: original, or llm: written by a language model"),
        Column("crop_seed", pa.int64(), "seed of the crops of clips over 10 s"),
        Column("direction", pa.string(), "a2t: texts of a clip, t2a: clips of a text, question"),
        Column("query", pa.string(), "event_id of the clip, or of the text's clip; question_id"),
        Column(
            "rank",
            pa.float64(),
            "place of the right item, from 1; equals count as their mean in a2t, as the first in "
            "t2a, and in the order of the choices in questions",
        ),
        Column(
            "top",
            pa.list_(pa.string()),
            f"the {TOP} most similar, best first: sentences in a2t, else event_id of clips",
        ),
    ),
)
