"""Stage write_submission: predictions of unlabelled actions as the EPIC challenge wants them.

Source: epic-kitchens/C1-Action-Recognition; `submission_check` has the format.
"""

import json
import logging
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.atomic import atomic_path
from avlib.io.tables import read_table
from avlib.tim.event_scores import scores
from avlib.tim.published_predictions import Probs, PublishedPredictions
from avlib.tim.submission_check import (
    ACTIONS,
    CHALLENGE,
    CLASSES,
    LARGEST_LEVEL,
    LEVELS,
    MEMBER,
    VERSION,
    first_fault,
)
from avlib.tim.tables import PREDICTIONS, QUERIES, UNKNOWN, VISUAL_HEADS, read_head_classes

logger = logging.getLogger(__name__)

EPOCH = (1980, 1, 1, 0, 0, 0)  # no time of writing: equal predictions are equal bytes
READABLE = 0o644 << 16  # permissions of the file in the archive


def write_submission(
    *,
    predictions: Path,
    queries: Path,
    classes: Path,
    split: str,
    supervision: tuple[int, int, int],
    target: Path,
) -> None:
    """Write the zip file that is handed in, and check it against the published format.

    It has the scores of the first model with verbs and nouns, and those of the highest actions
    where as many classes as the challenge wants have a verb and a noun.

    Args:
        predictions: table of kind PREDICTIONS.
        queries: table of kind QUERIES.
        classes: JSON with the names of the classes.
        split: whose actions are handed in.
        supervision: levels of the challenge for pretraining, training labels and training data,
            0 to 5 each.
        target: zip file to write; on any fault it is not written.

    Raises:
        DataError: if an action has no prediction, or the file would not be what the challenge
            takes; the message names the first fault.
    """
    table = read_table(queries, QUERIES)
    actions = table[(table["modality"] == "visual") & (table["split"] == split)]
    if not len(actions):
        raise DataError(f"{queries}: no action of the {split} split, which is handed in")
    found = _predictions(read_table(predictions, PREDICTIONS), actions, predictions)
    found, pairs = _listable(found, pairs_of_names(read_head_classes(classes)))
    with atomic_path(target) as partial:
        write_epic_challenge(found, partial, supervision=supervision, pairs=pairs)
        fault = first_fault(partial, actions["annotation_id"].to_list())
        if fault is not None:
            raise DataError(f"{target}: {fault}; it is not written")
    logger.info("%s: %d actions of %s", target, len(actions), split)


def _predictions(table: pd.DataFrame, actions: pd.DataFrame, source: Path) -> PublishedPredictions:
    """Return the predictions of the first model with verbs and nouns, in the order of actions."""
    heads = table.groupby("modality", sort=False)["head"].agg(set)
    models = [model for model, found in heads.items() if CLASSES.keys() <= found]
    if not models:
        raise DataError(f"{source}: no model predicts verbs and nouns, which the challenge needs")
    rows = table[(table["modality"] == models[0]) & (table["split"] == actions["split"].iloc[0])]
    ids = actions["annotation_id"]
    probs: dict[str, Probs] = {}
    for head in VISUAL_HEADS:
        part = rows[rows["head"] == head].set_index("annotation_id")
        is_missing = ~ids.isin(part.index)
        if is_missing.any():
            first = actions[is_missing].iloc[0]
            raise DataError(
                f"{source}: no {head} of {is_missing.sum()} of {len(actions)} actions, first "
                f"{first['annotation_id']} of video {first['video_id']}, and the challenge wants "
                "all; the manifest and the indices of features say why a video is left out"
            )
        probs[head] = scores(part.loc[ids])
    return PublishedPredictions(probs, ids.to_list(), [])


def _listable(
    found: PublishedPredictions, pairs: NDArray[np.int64]
) -> tuple[PublishedPredictions, NDArray[np.int64] | None]:
    """Return the predictions of the actions that have a verb and a noun, and these; or no pairs."""
    is_known = (pairs != UNKNOWN).all(axis=1)
    if is_known.sum() < ACTIONS:
        logger.info("%d actions have a verb and a noun, too few to be listed", is_known.sum())
        return found, None
    probs = {**found.probs, "action": found.probs["action"][:, is_known]}
    return replace(found, probs=probs), pairs[is_known]


def pairs_of_names(names: Mapping[str, Sequence[str]]) -> NDArray[np.int64]:
    """Return the verb and noun of each action class, from its name "verb noun": (K, 2).

    A class whose name is no verb with a noun, or could be several, has -1 for both.

    Args:
        names: of the classes of `verb`, `noun` and `action`.
    """
    pairs: dict[str, list[tuple[int, int]]] = {}
    for v, verb in enumerate(names["verb"]):
        for n, noun in enumerate(names["noun"]):
            pairs.setdefault(f"{verb} {noun}", []).append((v, n))
    found = [pairs.get(name, []) for name in names["action"]]
    return np.array([f[0] if len(f) == 1 else (UNKNOWN, UNKNOWN) for f in found], dtype=np.int64)


def write_epic_challenge(
    predictions: PublishedPredictions,
    path: Path,
    *,
    supervision: tuple[int, int, int],
    pairs: NDArray[np.int64] | None = None,
) -> None:
    """Write the archive of the challenge; an entry at a time, so that it takes little memory.

    Args:
        predictions: with verbs and nouns.
        path: zip file to write.
        supervision: levels of the challenge for pretraining, training labels and training data,
            0 to 5 each.
        pairs: (K, 2) verb and noun of each action class, to add the scores of the highest actions;
            None leaves them to the challenge, which takes products of verbs and nouns.

    Raises:
        ValueError: if there are no verbs and nouns, or a level is out of range.
    """
    if not all(0 <= level <= LARGEST_LEVEL for level in supervision):
        raise ValueError(f"supervision levels {supervision} are not in 0 to {LARGEST_LEVEL}")
    if not predictions.probs.keys() >= CLASSES.keys():
        raise ValueError("the challenge needs scores of verbs and nouns")
    levels = dict(zip(LEVELS, supervision, strict=True))
    head = json.dumps({"version": VERSION, "challenge": CHALLENGE, **levels})
    member = zipfile.ZipInfo(MEMBER, EPOCH)
    member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, READABLE
    with zipfile.ZipFile(path, "w") as archive, archive.open(member, "w") as file:
        file.write(f'{head[:-1]}, "results": {{'.encode())
        for number, entry in enumerate(_entries(predictions, pairs)):
            file.write(f"{',' if number else ''}\n{entry}".encode())
        file.write(b"}}\n")


def _entries(predictions: PublishedPredictions, pairs: NDArray[np.int64] | None) -> Iterator[str]:
    """Yield the entry of each action, as text."""
    probs = predictions.probs
    keys = {head: [str(k) for k in range(probs[head].shape[1])] for head in CLASSES}
    for row, name in enumerate(predictions.visual_ids):
        parts = [_scores(head, keys[head], probs[head][row]) for head in CLASSES]
        if pairs is not None:
            values = probs["action"][row]
            best = np.argsort(-values, kind="stable")[:ACTIONS]
            named = [f"{verb},{noun}" for verb, noun in pairs[best].tolist()]
            parts.append(_scores("action", named, values[best]))
        yield f"{json.dumps(name)}: {{{', '.join(parts)}}}"


def _scores(head: str, keys: Sequence[str], values: Probs) -> str:
    """Return scores as text; nine digits are enough for a float32."""
    texts = [f'"{key}": {value:.9g}' for key, value in zip(keys, values.tolist(), strict=True)]
    return f'"{head}": {{{", ".join(texts)}}}'
