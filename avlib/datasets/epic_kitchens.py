"""EPIC-KITCHENS-100 (Damen et al., IJCV 2022): published tables of actions to events."""

from pathlib import Path

import pandas as pd

from avlib.datasets.published import check_spans, read_published, seconds


def read_events(path: Path, split: str) -> pd.DataFrame:
    """Return the actions of `EPIC_100_<split>.pkl` or `.csv`.

    Returns:
        the columns of EVENTS with `verb_class` and `noun_class` in place of `class_id`; the label
        is "verb noun".

    Raises:
        UnsafePickleError, DataError: if the file is not such a table; the message names the row.
    """
    table = read_published(
        path,
        texts=("narration_id", "video_id", "start_timestamp", "stop_timestamp", "verb", "noun"),
        numbers=("verb_class", "noun_class"),
        whole=("verb_class", "noun_class"),
    )
    events = pd.DataFrame(
        {
            "event_id": table["narration_id"],
            "video_id": table["video_id"],
            "split": split,
            "modality": "visual",
            "start_s": seconds(table["start_timestamp"], path),
            "stop_s": seconds(table["stop_timestamp"], path),
            "label": table["verb"] + " " + table["noun"],
            "verb_class": table["verb_class"].astype("int64"),
            "noun_class": table["noun_class"].astype("int64"),
        }
    )
    check_spans(events, path)
    return events
