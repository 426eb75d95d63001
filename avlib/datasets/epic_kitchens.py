"""EPIC-KITCHENS-100 (Damen et al., IJCV 2022): published tables of actions to events."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.datasets.published import check_spans, read_published
from avlib.datasets.timed_tables import UNKNOWN, read_timed_events
from avlib.errors import DataError

VERBS, NOUNS, ACTIONS = 97, 300, 3806  # classes, the last of train and validation
PAIR = ("verb_class", "noun_class")

Pairs = NDArray[np.int64]  # (K, 2) verb and noun of each action class


def read_actions(path: Path, split: str, *, optional: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of `EPIC_100_<split>.pkl` or `.csv`, or of TIM's table of actions.

    Args:
        path: the table.
        split: train, val or test.
        optional: names of columns that may be absent, of `verb`, `noun` and PAIR.

    Returns:
        the columns of EVENTS that actions have, with the texts `verb` and `noun` in place of the
        label, "" where absent; `action_class` is empty unless the table is TIM's.

    Raises:
        UnsafePickleError, DataError: if the file is not such a table; the message names the row.
    """
    return read_timed_events(
        path,
        split,
        "visual",
        texts=("verb", "noun"),
        classes=(*PAIR, "action_class"),
        optional=(*optional, "action_class"),
    )


def read_events(path: Path, split: str) -> pd.DataFrame:
    """Return the actions of `EPIC_100_<split>.pkl` or `.csv`.

    Returns:
        the columns of EVENTS with `verb_class` and `noun_class` in place of `class_id`; the label
        is "verb noun".

    Raises:
        UnsafePickleError, DataError: if the file is not such a table; the message names the row.
    """
    events = read_actions(path, split)
    events["label"] = events["verb"] + " " + events["noun"]
    check_spans(events, path)
    return events.drop(columns=["verb", "noun", "action_class"])


def action_pairs(tables: Sequence[pd.DataFrame]) -> Pairs:
    """Return the verb and noun of each action class, (K, 2).

    A class is the rank of its pair among the distinct ones of train and validation.

    Args:
        tables: with the columns of PAIR, of both splits.
    """
    rows = np.concatenate([table[list(PAIR)].to_numpy(np.int64) for table in tables])
    return np.unique(rows, axis=0)


def read_action_pairs(path: Path) -> Pairs:
    """Return the verb and noun of each action class from a CSV file, one class a row, (K, 2).

    The header names `verb_class` and `noun_class`.

    Raises:
        DataError: if the file is not such a table, or a pair occurs twice or is out of range.
    """
    table = read_published(path, whole=PAIR)
    is_outside = ~(table["verb_class"].between(0, VERBS - 1))
    is_outside |= ~(table["noun_class"].between(0, NOUNS - 1))
    problems = {
        "repeats an earlier pair of verb and noun": table.duplicated(),
        f"has no verb of {VERBS} and noun of {NOUNS}": is_outside,
    }
    for problem, is_wrong in problems.items():
        if is_wrong.any():
            row = int(np.argmax(is_wrong))
            verb, noun = table.iloc[row].astype(int)
            raise DataError(f"{path}: row {row + 1} {problem}: {verb}, {noun}")
    return table.to_numpy().astype(np.int64)


def number_actions(events: pd.DataFrame, pairs: Pairs, source: Path) -> pd.DataFrame:
    """Return events with the `action_class` that the pair of verb and noun has.

    Args:
        events: with the columns of PAIR, in range or empty where unknown, and `action_class`.
        pairs: (K, 2) verb and noun of each action class, -1 where unknown.
        source: the file of the events, for messages.

    Raises:
        DataError: if a pair is no action class, or the table has another number for it; the
            message names the row, counted from 1.
    """
    table = np.full((VERBS, NOUNS), UNKNOWN)
    known = np.flatnonzero(pairs[:, 0] != UNKNOWN)
    table[tuple(pairs[known].T)] = known
    verbs, nouns = (events[name].fillna(UNKNOWN).to_numpy(int) for name in PAIR)
    is_known = pd.Series((verbs != UNKNOWN) & (nouns != UNKNOWN), events.index)
    numbers = pd.Series(table[verbs, nouns], events.index)  # of unknown ones any
    given = events["action_class"]
    for is_wrong in (is_known & (numbers < 0), is_known & given.notna() & (given != numbers)):
        if is_wrong.fillna(False).any():
            row = int(np.argmax(is_wrong.fillna(False)))
            verb, noun = events[list(PAIR)].iloc[row]
            found = f"{source}: row {row + 1}: verb {verb} with noun {noun} is "
            if numbers.iloc[row] < 0:
                raise DataError(
                    f"{found}none of the {len(pairs)} action classes; give the tables of train "
                    "and validation, or a full list of classes"
                )
            raise DataError(
                f"{found}action class {numbers.iloc[row]}, but the table has {given.iloc[row]}"
            )
    return events.assign(action_class=numbers.where(is_known).astype("Int64"))


def read_tail_classes(path: Path, head: str) -> list[int]:
    """Return the numbers of an official list of rare classes, such as EPIC_100_tail_verbs.csv.

    Args:
        path: CSV file with a column of the head's name.
        head: verb or noun.

    Raises:
        DataError: if the file is not such a list; the message names the row.
    """
    table = read_published(path, whole=(head,))
    last = {"verb": VERBS, "noun": NOUNS}[head] - 1
    is_wrong = ~table[head].between(0, last) | table[head].duplicated()
    if is_wrong.any():
        row = int(is_wrong.to_numpy().argmax())
        raise DataError(
            f"{path}: row {row + 1}: {head} is {table[head].iloc[row]:.0f}, expected each number "
            f"of 0 to {last} at most once, as in EPIC_100_tail_{head}s.csv"
        )
    return sorted(table[head].astype(int).tolist())
