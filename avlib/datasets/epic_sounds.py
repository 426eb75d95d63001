"""EPIC-SOUNDS (Huh et al., ICASSP 2023): published tables of sounds to events."""

from pathlib import Path

import pandas as pd

from avlib.datasets.published import check_spans, read_published, seconds


def read_events(path: Path, split: str) -> pd.DataFrame:
    """Return the sounds of `EPIC_Sounds_<split>.pkl` or `.csv` as a table of kind EVENTS.

    Raises:
        UnsafePickleError, DataError: if the file is not such a table; the message names the row.
    """
    table = read_published(
        path,
        texts=("annotation_id", "video_id", "start_timestamp", "stop_timestamp", "class"),
        numbers=("class_id",),
        whole=("class_id",),
    )
    events = pd.DataFrame(
        {
            "event_id": table["annotation_id"],
            "video_id": table["video_id"],
            "split": split,
            "modality": "audio",
            "start_s": seconds(table["start_timestamp"], path),
            "stop_s": seconds(table["stop_timestamp"], path),
            "label": table["class"],
            "class_id": table["class_id"].astype("int64"),
        }
    )
    check_spans(events, path)
    return events
