"""EPIC-KITCHENS-100 with EPIC-SOUNDS, as TIM recognises them: actions seen and sounds heard.

The splits of both have the same videos. Test splits are published without classes.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from avlib.datasets import epic_kitchens, epic_sounds
from avlib.datasets.annotated import (
    AnnotatedEvents,
    Sources,
    check_events,
    joined_events,
    labels_of,
    names_by_use,
)
from avlib.datasets.epic_kitchens import ACTIONS, NOUNS, PAIR, VERBS, Pairs
from avlib.datasets.epic_sounds import SOUNDS
from avlib.datasets.published import read_published
from avlib.datasets.splits import SPLITS
from avlib.datasets.timed_tables import UNKNOWN, read_durations
from avlib.errors import ConfigError, DataError

Tables = dict[tuple[str, str], pd.DataFrame]  # by split and modality
COUNTS = {"verb_class": VERBS, "noun_class": NOUNS, "action_class": ACTIONS, "class_id": SOUNDS}
# Of each column of classes: its text, modality, and a list that names them with its columns.
_NAMED = {
    "verb_class": ("verb", "visual", "verb_classes", ("id", "key")),
    "noun_class": ("noun", "visual", "noun_classes", ("id", "key")),
    "class_id": ("label", "audio", "sound_classes", ("class_id", "class")),
}
_TEXTS = ("verb", "noun", "class")
_CLASSES = (*PAIR, "class_id")


def read(files: Mapping[str, Path]) -> AnnotatedEvents:
    """Return the actions and sounds of all splits.

    Args:
        files: `actions.<split>` and `sounds.<split>`: published tables, or those of TIM's authors;
            `video_info`, from which the lengths of videos are; `action_classes`, a list of verbs
            and nouns; `verb_classes`, `noun_classes` and `sound_classes`, which name the classes.
            All are optional, but action classes follow from the tables of train and validation
            together, or need the list.

    Raises:
        ConfigError: if neither actions nor sounds are given, or what their classes follow from.
        DataError: if a file is wrong; the message names its row.
    """
    sources = {
        (split, modality): files[f"{key}.{split}"]
        for key, modality in (("actions", "visual"), ("sounds", "audio"))
        for split in SPLITS
        if f"{key}.{split}" in files
    }
    if not sources:
        raise ConfigError("epic needs actions or sounds, a table for each split")
    tables = {key: _read_table(path, *key) for key, path in sources.items()}
    listed = files.get("action_classes")
    pairs = None if listed is None else epic_kitchens.read_action_pairs(listed)
    durations = read_durations(files["video_info"]) if "video_info" in files else None
    counts = COUNTS | ({} if pairs is None else {"action_class": len(pairs)})
    for key, table in tables.items():
        required = () if key[0] == "test" else _CLASSES
        check_events(table, sources[key], classes=counts, durations=durations, required=required)
    pairs = _number_actions(tables, sources, pairs)
    classes = _class_names(tables, files)
    classes["action_class"] = [_action_name(n, p, classes) for n, p in enumerate(pairs.tolist())]
    for (_, modality), table in tables.items():
        column = "action_class" if modality == "visual" else "class_id"
        table["label"] = labels_of(table[column], classes[column])
    return joined_events(tables, sources, classes, durations)


def _read_table(path: Path, split: str, modality: str) -> pd.DataFrame:
    """Return a table; only that of a test split may lack classes."""
    read_rows = epic_kitchens.read_actions if modality == "visual" else epic_sounds.read_sounds
    return read_rows(path, split, optional=_TEXTS if split != "test" else (*_TEXTS, *_CLASSES))


def _number_actions(tables: Tables, sources: Sources, pairs: Pairs | None) -> Pairs:
    """Give every action its class, and return the verb and noun of each, -1 where unknown.

    Without a list of `pairs`, classes are those of tables by TIM's authors, or else ranks.
    """
    actions = {key: table for key, table in tables.items() if key[1] == "visual"}
    labelled = [table for (split, _), table in actions.items() if split != "test"]
    if pairs is None and labelled and all(t["action_class"].notna().all() for t in labelled):
        known = pd.concat(labelled)
        pairs = np.full((ACTIONS, 2), UNKNOWN)
        pairs[known["action_class"].to_numpy(int)] = known[list(PAIR)].to_numpy(int)
    if pairs is None and actions:
        if ("train", "visual") not in actions:
            raise ConfigError(
                "the classes of epic's actions are ranks among all verbs and nouns of train and "
                "val: give actions.train, too, or a list as action_classes"
            )
        pairs = epic_kitchens.action_pairs(labelled)
    if pairs is None:
        return np.empty((0, 2), np.int64)
    for key, table in actions.items():
        tables[key] = epic_kitchens.number_actions(table, pairs, sources[key])
    return pairs


def _class_names(tables: Tables, files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Return the names of verbs, nouns and sounds: listed, else the commonest text, else number."""
    names = {}
    for column, (text, modality, key, header) in _NAMED.items():
        rows = [t for (split, m), t in tables.items() if m == modality and split != "test"]
        if key in files:
            names[column] = _listed_names(files[key], *header, COUNTS[column])
        else:
            names[column] = names_by_use(rows, column, text, COUNTS[column])
    return names


def _listed_names(path: Path, number: str, text: str, count: int) -> list[str]:
    table = read_published(path, texts=(text,), whole=(number,))
    is_outside = ~table[number].between(0, count - 1)
    if is_outside.any():
        row = int(np.argmax(is_outside))
        found = f"{path}: row {row + 1}: {number} is {int(table[number][row])}"
        raise DataError(f"{found}, expected 0 to {count - 1}")
    names = dict(zip(table[number].astype(int), table[text], strict=True))
    return [names.get(number, str(number)) for number in range(count)]


def _action_name(number: int, pair: list[int], classes: Mapping[str, list[str]]) -> str:
    verb, noun = pair
    if UNKNOWN in pair:
        return str(number)
    return f"{classes['verb_class'][verb]} {classes['noun_class'][noun]}"
