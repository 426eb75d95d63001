"""Labels in free text as weights of classes, by sentence embeddings of MiniLM."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.atomic import atomic_path
from avlib.tagging.archive import Leg, LegName
from avlib.tagging.words import ClassWeights, class_weights

NAME_VECTORS = ".cache/names"  # below the folder of a study: vectors of the names of classes
NEAREST_SHOWN = 3
NEAR = 0.35  # cosine; texts without sense, or of other languages, reach 0.3 to 0.5 here and there

Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]  # of texts to unit vectors (N, D)


@dataclass(frozen=True)
class Meanings:
    """What labels mean in the vocabulary of each leg.

    Attributes:
        given: all labels.
        legs: whose classes count.
        weights: of the classes, by leg; a row for each label given.
    """

    given: Sequence[str]
    legs: Mapping[LegName, Leg]
    weights: Mapping[LegName, ClassWeights]

    @property
    def reliability(self) -> NDArray[np.float64]:
        """(Q,) similarity of each label and the class nearest to it, in whichever leg."""
        return np.max([found.reliability for found in self.weights.values()], axis=0)

    def nearest(self, number: int) -> dict[LegName, list[str]]:
        """Return the names of the nearest classes of a label in each leg."""
        return {
            leg: [self.legs[leg].classes[k] for k in found.classes[number, :NEAREST_SHOWN]]
            for leg, found in self.weights.items()
        }

    def remark(self, number: int) -> str:
        """Return in one line why a label is left out."""
        names = ", ".join(names[0] for names in self.nearest(number).values())
        return (
            f"label {self.given[number]!r}: no class is near (the nearest are {names}); say in "
            "other English words what is heard or seen"
        )

    def only(self, kept: NDArray[np.bool_]) -> "Meanings":
        """Return those of some labels."""
        given = [label for label, is_kept in zip(self.given, kept, strict=True) if is_kept]
        weights = {
            leg: ClassWeights(found.classes[kept], found.weights[kept], found.reliability[kept])
            for leg, found in self.weights.items()
        }
        return Meanings(given, self.legs, weights)

    def summary(self) -> dict[str, Any]:
        """Return by label how near it is to the classes of each leg, and which are nearest."""
        return {
            label: {
                leg: {
                    "reliability": float(found.reliability[number]),
                    "nearest": self.nearest(number)[leg],
                }
                for leg, found in self.weights.items()
            }
            for number, label in enumerate(self.given)
        }


def meanings_of(
    texts: Sequence[str], legs: Mapping[LegName, Leg], embed: Embed, cache: Path
) -> Meanings:
    """Return what texts mean in the vocabulary of each leg.

    Args:
        texts: in English.
        legs: whose classes count.
        embed: makes sentence embeddings.
        cache: folder in which the vectors of names are kept, which take seconds to make.
    """
    vectors = embed(texts)
    weights = {
        leg: class_weights(vectors @ name_vectors(kind.classes, embed, cache).T)
        for leg, kind in legs.items()
    }
    return Meanings(texts, legs, weights)


def name_vectors(names: Sequence[str], embed: Embed, cache: Path) -> Vectors:
    """Return the unit vectors (N, D) of the names of a vocabulary, made once and kept."""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    path = cache / f"{digest}.npy"
    try:
        vectors: Vectors = np.load(path)
        if vectors.shape[0] == len(names) and vectors.dtype == np.float32:
            return vectors
    except (OSError, ValueError, EOFError):
        pass
    vectors = embed(names)
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.save(file, vectors)
    return vectors


def read_labels(path: Path) -> list[str]:
    """Return the labels of a text file, one a line; empty lines do not count.

    Raises:
        DataError: if the file cannot be read, holds none, or one twice.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a text file in UTF-8 ({error})") from error
    labels: dict[str, int] = {}
    for row, line in enumerate(lines, start=1):
        label = " ".join(line.split())
        if label in labels:
            raise DataError(
                f"{path}: row {row}: {label!r} is also row {labels[label]}; remove one of the two"
            )
        if label:
            labels[label] = row
    if not labels:
        raise DataError(f"{path}: no labels; write what to look for, one a line")
    return list(labels)
