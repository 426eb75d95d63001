"""EPIC-SOUNDS (Huh et al., ICASSP 2023): published tables of sounds to events."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from avlib.datasets.published import check_spans
from avlib.datasets.timed_tables import read_timed_events

SOUNDS = 44  # classes


def read_sounds(path: Path, split: str, *, optional: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of `EPIC_Sounds_<split>.pkl` or `.csv`, or of TIM's table of sounds.

    Args:
        path: the table.
        split: train, val or test.
        optional: names of columns that may be absent, of `class` and `class_id`.

    Returns:
        the columns of EVENTS that sounds have; the label is the text of the row, "" where absent.

    Raises:
        UnsafePickleError, DataError: if the file is not such a table; the message names the row.
    """
    events = read_timed_events(
        path, split, "audio", texts=("class",), classes=("class_id",), optional=optional
    )
    return events.rename(columns={"class": "label"})


def read_events(path: Path, split: str) -> pd.DataFrame:
    """Return the sounds of `EPIC_Sounds_<split>.pkl` or `.csv` as a table of kind EVENTS.

    Raises:
        UnsafePickleError, DataError: if the file is not such a table; the message names the row.
    """
    events = read_sounds(path, split)
    check_spans(events, path)
    return events
