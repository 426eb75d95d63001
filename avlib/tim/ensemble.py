"""One answer of several models: their predictions weighed, and classes pooled over a video.

A model of both modalities that saw few videos may be worse than one of them alone where the other
one misleads it. The product of the predictions of all three is rarely so: a model that does not
know a thing says little, and what it has learnt, by the validation split, decides its weight.
Other weights are used only if the validation split speaks clearly for them, since a few dozen
videos rank models by chance.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from avlib.datasets.ave import BACKGROUND
from avlib.io.json_files import read_json
from avlib.tim.inference import Predictions
from avlib.tim.recipes import COMPARED, ModelName
from avlib.tim.scores import combine

POOLED_S = 10.0  # seconds are pooled with those that start less than this before or after them
CLEARLY = 3.0  # standard errors by which others must be better: of many, some reach 2 by chance
FEW_VIDEOS = 10  # of a validation split; fewer decide nothing
TINY = 1e-9  # probability below which none is told apart

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """How the predictions of models become one.

    Attributes:
        weights: of the logarithms of the predictions, by model; their sum is 1.
        pooling: share of the classes of the seconds around a second in its own class, in [0, 1].
    """

    weights: Mapping[ModelName, float]
    pooling: float


class Seconds(NamedTuple):
    """The queries that models predict, in any order.

    Attributes:
        video: (N,) number of the video.
        start_s: (N,) starts in seconds.
        background: number of the class of no event; None without one.
    """

    video: NDArray[np.int64]
    start_s: Floats
    background: int | None


def answer(
    ensemble: Ensemble, probs: Mapping[ModelName, NDArray[np.float32]], seconds: Seconds
) -> NDArray[np.float32]:
    """Return the probabilities that the models agree on: (N, K).

    Args:
        ensemble: weights of the models, and the pooling.
        probs: (N, K) of each model.
        seconds: what they are of.
    """
    weighed = np.zeros_like(next(iter(probs.values())), dtype=np.float64)
    for model, weight in ensemble.weights.items():
        weighed += weight * np.log(np.maximum(probs[model], TINY, dtype=np.float64))
    return np.asarray(np.exp(_pooled(_normalised(weighed), ensemble.pooling, seconds)), np.float32)


def _normalised(logs: Floats) -> Floats:
    """Return logarithms of probabilities (N, K) that add up to one."""
    return np.asarray(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))


def _pooled(logs: Floats, share: float, seconds: Seconds) -> Floats:
    """Return predictions whose events have a share of the classes of the events around them.

    Whether there is an event stays as it is; which one it is, seconds say the more, the surer they
    are that there is one.
    """
    is_event = np.arange(logs.shape[1]) != (
        -1 if seconds.background is None else seconds.background
    )
    event = np.logaddexp.reduce(logs[:, is_event], axis=1)  # (N,) that there is an event
    classes = logs[:, is_event] - event[:, None]  # (N, K - 1) which one it is
    around = _means_around(classes, np.exp(event), seconds)
    pooled = logs.copy()
    mixed = _normalised((1 - share) * classes + share * around)
    pooled[:, is_event] = event[:, None] + mixed
    return pooled


def _means_around(values: Floats, weights: Floats, seconds: Seconds) -> Floats:
    """Return the weighted means of `values` (N, C) over the seconds around each second."""
    means = np.empty_like(values)
    order = np.lexsort([seconds.start_s, seconds.video])
    borders = np.flatnonzero(np.diff(seconds.video[order])) + 1
    for rows in np.split(order, borders):
        start_s = seconds.start_s[rows]
        first = np.searchsorted(start_s, start_s - POOLED_S, side="right")
        stop = np.searchsorted(start_s, start_s + POOLED_S, side="left")
        weight = np.maximum(weights[rows], TINY)[:, None]
        sums = np.cumsum(np.pad(weight * values[rows], ((1, 0), (0, 0))), axis=0)
        totals = np.cumsum(np.pad(weight, ((1, 0), (0, 0))), axis=0)
        means[rows] = (sums[stop] - sums[first]) / (totals[stop] - totals[first])
    return means


def _ensemble(weights: Mapping[ModelName, float], pooling: float) -> Ensemble:
    total = sum(weights.values())
    return Ensemble({m: w / total for m, w in weights.items() if w}, pooling)


# An event makes its sound in every video, and is seen in another way in each: what is learnt of
# sounds carries further than what is learnt of pictures, which a few videos cannot show.
DEFAULT = _ensemble({"audio_visual": 2, "audio": 2, "visual": 1}, 0.5)


def _candidates() -> Iterator[Ensemble]:
    """Yield the ensembles among which the validation split chooses, single models included."""
    several = [(2, 2, 1), (2, 1, 1), (2, 1, 2), (2, 2, 0), (2, 0, 2), (0, 1, 1)]
    for weights, pooling in product([*several, (1, 0, 0), (0, 1, 0), (0, 0, 1)], (0.0, 0.5, 0.9)):
        yield _ensemble(dict(zip(COMPARED, weights, strict=True)), pooling)


def choose(
    probs: Mapping[ModelName, NDArray[np.float32]], labels: NDArray[np.int64], seconds: Seconds
) -> Ensemble:
    """Return the default ensemble weighed by skill, or one that is clearly better, if any.

    Args:
        probs: (N, K) of each of COMPARED, of the validation split.
        labels: (N,) true classes.
        seconds: what they are of.
    """
    if len(np.unique(seconds.video)) < FEW_VIDEOS:
        return DEFAULT
    best, best_gain = _by_skill(probs, labels), 0.0
    plain = _hits_by_video(best, probs, labels, seconds)
    for candidate in _candidates():
        gains = _hits_by_video(candidate, probs, labels, seconds) - plain
        error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
        if gains.mean() > max(best_gain, CLEARLY * error):
            best, best_gain = candidate, float(gains.mean())
    return best


def _by_skill(
    probs: Mapping[ModelName, NDArray[np.float32]], labels: NDArray[np.int64]
) -> Ensemble:
    """Return the default ensemble with weights in proportion to the skill of each model.

    Skill is how far its accuracy lies above that of always predicting the commonest class.
    """
    commonest = float(np.bincount(labels).max() / len(labels))
    weights = {}
    for model, weight in DEFAULT.weights.items():
        accuracy = float((probs[model].argmax(axis=1) == labels).mean())
        weights[model] = weight * max(accuracy - commonest, 0.0)
    return _ensemble(weights, DEFAULT.pooling) if any(weights.values()) else DEFAULT


def _hits_by_video(
    ensemble: Ensemble,
    probs: Mapping[ModelName, NDArray[np.float32]],
    labels: NDArray[np.int64],
    seconds: Seconds,
) -> Floats:
    """Return the share of right seconds of each video: (V,)."""
    is_right = answer(ensemble, probs, seconds).argmax(axis=1) == labels
    _, video = np.unique(seconds.video, return_inverse=True)
    return np.asarray(np.bincount(video, weights=is_right) / np.bincount(video))


def read_ensemble(path: Path) -> Ensemble:
    """Return the ensemble that `weigh_models` has written."""
    content = read_json(path)
    return Ensemble(content["weights"], content["pooling"])


def joint_answer(
    ensemble: Ensemble, predictions: Mapping[ModelName, Predictions], names: Sequence[str]
) -> NDArray[np.float32]:
    """Return what models answer together: (N, K), NaN where there is no prediction.

    Args:
        ensemble: weights of the models, and the pooling.
        predictions: of each of its models, of seconds that are queries in both label spaces.
        names: of the K classes.
    """
    probs = {model: model_answer(found) for model, found in predictions.items()}
    is_seen = ~np.any([np.isnan(p).any(axis=1) for p in probs.values()], axis=0)
    found = np.full_like(next(iter(probs.values())), np.nan)
    seconds = seconds_of(next(iter(predictions.values())), names)
    kept = Seconds(seconds.video[is_seen], seconds.start_s[is_seen], seconds.background)
    found[is_seen] = answer(ensemble, {m: p[is_seen] for m, p in probs.items()}, kept)
    return found


def model_answer(predictions: Predictions) -> NDArray[np.float32]:
    """Return the prediction of one model, that of its only head or the mean of both: (N, K)."""
    heads = predictions.visual.probs() | predictions.audio.probs()
    if "action" in heads and "audio" in heads:
        return combine(heads["action"], heads["audio"])
    return heads["action"] if "action" in heads else heads["audio"]


def seconds_of(predictions: Predictions, names: Sequence[str]) -> Seconds:
    """Return the seconds that predictions are of.

    Args:
        predictions: of one model.
        names: of the classes.
    """
    split = predictions.split
    rows = split.visual if len(split.visual) else split.audio
    background = list(names).index(BACKGROUND) if BACKGROUND in names else None
    video = rows["video_id"].factorize()[0].astype(np.int64)
    return Seconds(video, rows["start_s"].to_numpy(np.float64), background)
