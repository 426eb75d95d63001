"""The tables that readers of annotations return: labelled events, and clips with their texts."""

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
        Column("label", pa.string(), "name of the class, empty where it is not known"),
        Column("class_id", pa.int64(), "number of the class", nullable=True),
        Column("verb_class", pa.int64(), "number of the verb, for actions", nullable=True),
        Column("noun_class", pa.int64(), "number of the noun, for actions", nullable=True),
        Column("action_class", pa.int64(), "number of the action", nullable=True),
    ),
)

EVENT_ID = Column("event_id", pa.string(), "unique name of the clip")
TEXT_KIND = Column("kind", pa.string(), "original, or llm: written by a language model")

CAPTIONED_CLIPS = TableSchema(
    "captioned_clips",
    "one row a clip: a span of a video that is retrieved by text",
    (
        EVENT_ID,
        VIDEO_ID,
        START_S,
        STOP_S,
        Column("start_frame", pa.int64(), "first frame, as published, where it is", True),
        Column("stop_frame", pa.int64(), "last frame, as published, where it is", True),
    ),
)

TEXTS = TableSchema(
    "texts",
    "one row a clip and kind of text",
    (EVENT_ID, TEXT_KIND, Column("text", pa.string(), "description of the clip")),
)

SENTENCES = TableSchema(
    "sentences",
    "one row a kind and candidate text, in the order of the published table",
    (
        TEXT_KIND,
        Column("event_id", pa.string(), "the clip whose text and classes it has"),
        Column("text", pa.string(), "the sentence"),
    ),
)

CLIP_CLASSES = TableSchema(
    "clip_classes",
    "one row a clip and class of it; graded relevance is computed from them",
    (
        EVENT_ID,
        Column("group", pa.string(), "verb, noun or class"),
        Column("class_id", pa.int64(), "number of the class within the group"),
    ),
)

QUESTIONS = TableSchema(
    "questions",
    "one row a question: which of five clips fits a text",
    (
        Column("question_id", pa.string(), "key of the published file"),
        Column("type", pa.string(), "inter_video or intra_video: where the choices come from"),
        Column("original", pa.string(), "the text"),
        Column("llm", pa.string(), "the text of a language model, where there is one", True),
        Column("answer", pa.int64(), "number of the right choice, 0 to 4"),
        *(Column(f"choice_{i}", pa.string(), "event_id of a clip") for i in range(5)),
    ),
)
