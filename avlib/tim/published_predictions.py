"""Predictions of TIM in the form that the authors' program writes.

It is a pickle of a dictionary: `verb`, `noun`, `action` and `audio`, (N, K) float32 probabilities,
and the ids of their rows, `v_narration_ids` and `a_narration_ids`, with the prefix `v_` or `a_`.
Verbs and nouns are there if the model has them. A label space that the model does not have keeps
its keys, with no rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.errors import DataError
from avlib.io.arrays import read_arrays, write_arrays
from avlib.io.pickles import read_array_dict, write_array_dict
from avlib.tim.tables import VISUAL_HEADS

IDS = {"visual": ("v_narration_ids", "v_"), "audio": ("a_narration_ids", "a_")}

Probs = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PublishedPredictions:
    """Probabilities of the queries of a split.

    Attributes:
        probs: (N, K) of `verb`, `noun` and `action`, (M, K) of `audio`; a head that the model does
            not have is absent or has no rows.
        visual_ids: (N,) `annotation_id` of the visual queries, in the order of the rows.
        audio_ids: (M,) of the audio queries.
    """

    probs: Mapping[str, Probs]
    visual_ids: Sequence[str]
    audio_ids: Sequence[str]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the content of the published dictionary.

        Raises:
            ValueError: if rows and ids do not match, or a query has no prediction.
        """
        none = np.zeros((0, 0), dtype=np.float32)
        heads = [head for head in ("verb", "noun") if head in self.probs] + ["action", "audio"]
        arrays: dict[str, NDArray[Any]] = {}
        for head in heads:
            probs = np.asarray(self.probs.get(head, none), dtype=np.float32)
            ids = self.audio_ids if head == "audio" else self.visual_ids
            if len(probs) != len(ids):
                raise ValueError(f"{head}: {len(probs)} predictions for {len(ids)} queries")
            is_missing = np.isnan(probs).any(axis=1)
            if is_missing.any():
                raise ValueError(f"{head}: no prediction of {ids[int(np.argmax(is_missing))]}")
            arrays[head] = probs
        for modality, ids in (("visual", self.visual_ids), ("audio", self.audio_ids)):
            key, prefix = IDS[modality]
            arrays[key] = np.array([prefix + name for name in ids], dtype=object)
        return arrays


def write_predictions(predictions: PublishedPredictions, path: Path) -> None:
    """Write predictions as the authors' pickle, or, to `.npz`, the same arrays.

    Equal predictions are equal bytes.

    Raises:
        ValueError: as `PublishedPredictions.arrays`.
    """
    arrays = predictions.arrays()
    if path.suffix == ".npz":
        ids = {key: arrays[key].astype(np.str_) for key, _ in IDS.values()}
        write_arrays(arrays | ids, path)
    else:
        write_array_dict(arrays, path)


def read_predictions(path: Path) -> PublishedPredictions:
    """Return predictions from the authors' pickle, or from an `.npz` of the same arrays.

    The authors' own files may hold an id as an array of one text, and rows of zeros without ids
    for a label space that was not used; the former become text, the latter no rows.

    Raises:
        UnsafePickleError: if a pickle would execute code.
        DataError: if the file is damaged, or lacks a key, or its rows and ids do not match.
    """
    arrays = read_arrays(path) if path.suffix == ".npz" else read_array_dict(path)
    ids = {}
    for modality, (key, prefix) in IDS.items():
        if key not in arrays:
            raise DataError(f"{path}: no {key!r}; the keys are {sorted(arrays)}")
        ids[modality] = [_id(value, prefix, path) for value in arrays[key]]
    probs = {}
    for head in (*VISUAL_HEADS, "audio"):
        if head not in arrays:
            continue
        n_ids = len(ids["audio" if head == "audio" else "visual"])
        values = arrays[head] if n_ids else arrays[head][:0]
        if values.ndim != 2 or values.dtype.kind != "f" or len(values) != n_ids:
            raise DataError(
                f"{path}: {head} is {values.dtype} {values.shape}, expected probabilities of "
                f"{n_ids} queries"
            )
        probs[head] = values.astype(np.float32)
    return PublishedPredictions(probs, ids["visual"], ids["audio"])


def _id(value: Any, prefix: str, path: Path) -> str:
    text = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if not (isinstance(text, str) and text.startswith(prefix)):
        raise DataError(f"{path}: the id {value!r} does not begin with {prefix!r}")
    return str(text).removeprefix(prefix)
