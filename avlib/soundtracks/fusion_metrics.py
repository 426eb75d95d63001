"""Fusion of audio and visual scores at a chosen weight, and its metrics.

Source: the published soundtrack classification of Kinetics-600, which chooses the weight on the
videos that it is reported on; here that is an option.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from avlib.soundtracks.metrics import top_metrics
from avlib.soundtracks.sweep import Criterion, FloatArray, Paired, sweep


class Fused(NamedTuple):
    """Fused scores of N items, and what their weight was chosen on.

    Attributes:
        scores: (N, K).
        item_weights: (N,) weight of the audio.
        weight: the weight, or that of each half.
        weight_from: `validation`, `other_half` or `evaluation`.
    """

    scores: FloatArray
    item_weights: FloatArray
    weight: float | list[float]
    weight_from: str


def fuse_pairs(
    pairs: Paired,
    weights: FloatArray,
    *,
    weight_from: Literal["validation", "evaluation"] = "validation",
    validation: Paired | None = None,
    halves: NDArray[np.int64] | None = None,
    criterion: Criterion = "mean_top1_top5",
) -> Fused:
    """Return the fusion of scores at the weight that a sweep chooses.

    Args:
        pairs: evaluated items.
        weights: (W,) ascending weights of the audio.
        weight_from: `validation` never chooses the weight on items that it is scored on;
            `evaluation` chooses it on all of them, as published.
        validation: separate items to choose the weight on; None chooses it on each half of
            `pairs` for the other one.
        halves: (N,) 0 or 1, the halves of `pairs`; needed without `validation`.
        criterion: what is to be highest; the lowest of equal weights is taken.

    Raises:
        ValueError: as `sweep`; or if halves are needed and not given, or one is empty.
    """
    if weight_from == "evaluation" or validation is not None:
        chosen_on = pairs if weight_from == "evaluation" or validation is None else validation
        weight = float(weights[sweep(chosen_on, weights).best(criterion)])
        every = np.full(len(pairs.labels), weight)
        return Fused(pairs.fused(weight), every, weight, weight_from)
    if halves is None:
        raise ValueError("validation items, or the halves of the items, are needed")
    scores, chosen = np.empty_like(pairs.audio, dtype=np.float64), []
    for half in (0, 1):
        best = sweep(pairs.part(halves != half), weights).best(criterion)
        chosen.append(float(weights[best]))
        scores[halves == half] = pairs.part(halves == half).fused(chosen[-1])
    return Fused(scores, np.array(chosen)[halves], chosen, "other_half")


def fusion_metrics(pairs: Paired, fused: Fused) -> dict[str, Any]:
    """Return the metrics of each modality and of their fusion.

    Returns:
        `audio`, `video` and `fused`, each as `top_metrics`; and of the last one also `weight`,
        or those of both halves, and `weight_from`.
    """
    scores = {"audio": pairs.audio, "video": pairs.video, "fused": fused.scores}
    found = {name: top_metrics(values, pairs.labels) for name, values in scores.items()}
    found["fused"] |= {"weight": fused.weight, "weight_from": fused.weight_from}
    return found


def reference_metrics(pairs: Paired, weights: FloatArray) -> dict[str, float]:
    """Return the published record: the best weight on the items that it is reported on.

    Args:
        pairs: scores as they are, those of a soundtrack without a clip being 0.
        weights: (W,) ascending weights of the audio.

    Returns:
        `items`, `weight`, `top1`, `top5` and their `mean`, which is the criterion.
    """
    found = sweep(pairs, weights)
    names = ("weight", "top1", "top5", "mean")
    best = found.rows()[found.best()].tolist()
    return {"items": found.items, **dict(zip(names, best, strict=True))}
