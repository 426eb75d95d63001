"""Names of the classes of a study, and whether a model was made for them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from avlib.errors import CheckpointError
from avlib.io.json_files import read_json
from avlib.io.metadata import load_metadata

Classes = Mapping[str, Sequence[str]]


def read_classes(path: Path) -> list[str]:
    """Return the names of the classes of labelled files, by number.

    Args:
        path: JSON file that holds them as `class_id`.
    """
    names: list[str] = read_json(path)["class_id"]
    return names


def check_trained_classes(path: Path, classes: Classes) -> None:
    """Check that a model of ours was trained for these classes.

    Raises:
        CheckpointError: naming the first class that differs.
    """
    trained = json.loads(load_metadata(path).get("classes", "{}"))
    for head in trained.keys() & classes.keys():
        pairs = enumerate(zip(trained[head], classes[head], strict=False))
        for number, (old, new) in pairs:
            if old != new:
                raise CheckpointError(
                    f"{path}: its class {number} is {old!r}, that of the study is {new!r}; train "
                    "again, or give the annotations that it was trained with"
                )


def check_classifier(path: Path, num_classes: int, names: Sequence[str]) -> None:
    """Check that a classifier is for the classes of labelled files.

    Args:
        path: its weights; published ones do not say which classes they are for.
        num_classes: number of its classes.
        names: those of the study.

    Raises:
        CheckpointError: if their number or a name differs.
    """
    if num_classes != len(names):
        raise CheckpointError(
            f"{path}: for {num_classes} classes, but the study has {len(names)}; train again, or "
            "give weights for these classes"
        )
    check_trained_classes(path, {"class_id": names})
