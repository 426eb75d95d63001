"""The format of submissions to the EPIC-KITCHENS-100 action recognition challenge, and its check.

Source: epic-kitchens/C1-Action-Recognition, which writes version 0.2 of the format; a hundred
actions, which are optional, are described with epic-kitchens-55-starter-kit-action-recognition.
"""

import json
import math
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from avlib.errors import DataError

MEMBER = "test.json"  # the only file of the archive
VERSION, CHALLENGE = "0.2", "action_recognition"
LEVELS = ("sls_pt", "sls_tl", "sls_td")  # supervision of pretraining, labels and training data
LARGEST_LEVEL = 5
CLASSES = {"verb": 97, "noun": 300}
ACTIONS = 100  # of the highest scores, where actions are given


def check_submission(path: Path, annotation_ids: Collection[str]) -> None:
    """Check a submission against the published format.

    Args:
        path: zip file.
        annotation_ids: of all actions of the test split.

    Raises:
        DataError: naming the first fault.
    """
    fault = first_fault(path, annotation_ids)
    if fault is not None:
        raise DataError(f"{path}: {fault}")


def first_fault(path: Path, annotation_ids: Collection[str]) -> str | None:
    """Return what is wrong with a submission, None if nothing is."""
    try:
        content = _read(path)
    except (_FaultError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    # Of another version or encrypted, an archive is a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        return f"no readable zip file ({error})"
    except ValueError as error:
        return f"{MEMBER} is no JSON ({error})"
    return next(_faults(content, annotation_ids), None)


class _FaultError(Exception):
    """What is wrong with a file that is being read."""


def _read(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if members != [MEMBER]:
            found = ", ".join(map(repr, members)) or "nothing"
            raise _FaultError(f"the archive holds {found}, expected {MEMBER!r} alone")
        return json.loads(archive.read(MEMBER).decode("utf-8"), object_pairs_hook=_object)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, in which no name may occur twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in found if names.count(name) > 1)
        raise _FaultError(f"{repeated!r} occurs twice in one object")
    return found


def _faults(content: Any, annotation_ids: Collection[str]) -> Iterator[str]:
    if not isinstance(content, dict):
        yield f"{MEMBER} holds no object"
        return
    for name, expected in (("version", VERSION), ("challenge", CHALLENGE)):
        if content.get(name) != expected:
            yield f"{name} is {content.get(name)!r}, expected {expected!r}"
    for name in LEVELS:
        level = content.get(name)
        if type(level) is not int or not 0 <= level <= LARGEST_LEVEL:  # True is no level
            yield f"{name} is {level!r}, expected a supervision level of 0 to {LARGEST_LEVEL}"
    results = content.get("results")
    if not isinstance(results, dict):
        yield "results is no object with an entry for each action"
        return
    missing = [name for name in annotation_ids if name not in results]
    if missing:
        yield f"no scores of {len(missing)} of {len(annotation_ids)} actions, first {missing[0]!r}"
    known = set(annotation_ids)
    unknown = [name for name in results if name not in known]
    if unknown:
        yield f"{len(unknown)} entries are no actions of the test split, first {unknown[0]!r}"
    for name, entry in results.items():
        yield from _entry_faults(name, entry)


def _entry_faults(name: str, entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"{name}: no object with scores of verbs and nouns"
        return
    for other in entry.keys() - CLASSES.keys() - {"action"}:
        yield f"{name}: {other!r} is none of verb, noun and action"
    for head, count in CLASSES.items():
        scores = entry.get(head)
        if not isinstance(scores, dict):
            yield f"{name}: no scores of {head}s"
            continue
        if len(scores) != count or any(str(k) not in scores for k in range(count)):
            wrong = next((str(k) for k in range(count) if str(k) not in scores), None)
            which = f"{wrong!r} is missing" if wrong else "some are no classes"
            yield f"{name}: {len(scores)} scores of {head}s, expected 0 to {count - 1}: {which}"
        yield from _score_faults(name, head, scores)
    if "action" in entry:
        yield from _action_faults(name, entry["action"])


def _action_faults(name: str, scores: Any) -> Iterator[str]:
    if not isinstance(scores, dict) or len(scores) != ACTIONS:
        count = len(scores) if isinstance(scores, dict) else "no"
        yield f"{name}: {count} scores of actions, expected {ACTIONS}, or none at all"
        return
    for pair in scores:
        if not _is_pair(pair):
            yield f"{name}: {pair!r} is no action, expected 'VERB,NOUN' by class numbers"
    yield from _score_faults(name, "action", scores)


def _is_pair(pair: str) -> bool:
    numbers = pair.split(",")
    return len(numbers) == len(CLASSES) and all(
        number.isascii() and number.isdecimal() and number == str(int(number)) and int(number) < n
        for number, n in zip(numbers, CLASSES.values(), strict=True)
    )


def _score_faults(name: str, head: str, scores: Mapping[str, Any]) -> Iterator[str]:
    for key, score in scores.items():
        if type(score) not in (int, float) or not math.isfinite(score):
            yield f"{name}: the score of {head} {key} is {score!r}, expected a finite number"
