"""Golden cases of the scores: joined predictions and their metrics."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avlib.tim.scores import MeanLosses, QueryScores, tim_metrics
from avlib.tim.tables import UNKNOWN, VISUAL_HEADS
from avlib.verify.golden import Case, Comparison, Numerics, compare, compare_exactly
from avlib.verify.tim.records import BestRecords, answer_of, values_of

LOSSES = ("visual", "verb", "noun", "action", "audio")  # columns of the stored losses

Arrays = Mapping[str, NDArray[Any]]


def meter(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the metrics of logits from several windows a query, and the mean losses."""
    arrays, expected = case.own_arrays(), case.content["expected"]
    metrics, weights = _joined(arrays, len(arrays["batch_losses"]))
    yield from _shares(case, metrics, expected, "")
    train = expected.get("train", {})
    yield from _shares(case, metrics, train, "train ")
    losses = arrays["batch_losses"]
    by_name = dict(zip(LOSSES, losses.T, strict=True))
    means = {
        f"{name}_loss": _mean(values, weights["audio" if name == "audio" else "visual"])
        for name, values in by_name.items()
    }
    yield from _noted(case, means, expected, "")
    # In training the original was given the sum of all losses, and half the visual one.
    slots = weights["visual"] + weights["audio"]
    in_training = {"overall": losses.sum(axis=1), "localisation": by_name["visual"] / 2}
    means = {f"{name}_loss": _mean(values, slots) for name, values in in_training.items()}
    yield from _noted(case, means, train, "train ")
    yield from _best(metrics, expected)


def _joined(arrays: Arrays, n_batches: int) -> tuple[dict[str, Any], dict[str, NDArray[np.int64]]]:
    """Return the metrics of logits that come in batches, and the slots of each batch."""
    n_visual = len(arrays["labels_visual"])
    visual_ids = np.arange(n_visual)
    audio_ids = n_visual + np.arange(len(arrays["labels_audio"]))
    visual_logits = {
        head: arrays[f"logits_{head}"] for head in VISUAL_HEADS if f"logits_{head}" in arrays
    }
    scores, weights = {}, {}
    for modality, ids, logits in (
        ("visual", visual_ids, visual_logits),
        ("audio", audio_ids, {"audio": arrays["logits_audio"]}),
    ):
        scores[modality] = QueryScores(ids, {head: x.shape[1] for head, x in logits.items()})
        slots = arrays[f"ids_{modality}"]
        parts = np.array_split(np.arange(len(slots)), n_batches)
        weights[modality] = np.array([len(part) for part in parts])
        for part in parts:
            scores[modality].add(slots[part], {head: x[part] for head, x in logits.items()})
    metrics = tim_metrics(
        scores["visual"].probs(),
        arrays["labels_visual"],
        scores["audio"].probs()["audio"],
        arrays["labels_audio"],
        is_paired=False,
    )
    return metrics, weights


def _mean(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float | None:
    losses = MeanLosses()
    for value, views in zip(values.tolist(), weights.tolist(), strict=True):
        losses.add({"": value}, views)
    return losses.means()[""]


def meter_ave(case: Case, _: Numerics) -> Iterator[Comparison]:
    """Compare the metrics of segments that have one window each."""
    arrays, expected = case.own_arrays(), case.content["expected"]
    labels = arrays["labels"]
    probs = {}
    for modality in ("visual", "audio"):
        logits = arrays[f"logits_{modality}"]
        scores = QueryScores(np.arange(len(labels)), {"action": logits.shape[1]})
        scores.add(np.arange(len(labels)), {"action": logits})
        probs[modality] = scores.probs()["action"]
    unknown = np.full_like(labels, UNKNOWN)
    metrics = tim_metrics(
        {"action": probs["visual"]},
        np.stack([unknown, unknown, labels], axis=1),
        probs["audio"],
        labels,
        is_paired=True,
    )
    yield from _shares(case, metrics | {"visual": metrics["action"]}, expected, "")
    yield from _best(metrics, expected)


def _shares(
    case: Case, metrics: Mapping[str, Any], expected: Mapping[str, Any], prefix: str
) -> Iterator[Comparison]:
    """Compare [top-1, top-5], which the originals have in percent."""
    results = {name: percent(shares) for name, shares in metrics.items() if name != "queries"}
    yield from _noted(case, results, expected, prefix)


def _noted(
    case: Case, results: Mapping[str, Any], expected: Mapping[str, Any], prefix: str
) -> Iterator[Comparison]:
    for name, result in results.items():
        if name in expected:
            yield compare(prefix + name, result, expected[name], case.tolerance(name))


def percent(shares: Mapping[str, float | None]) -> list[float]:
    """Return [top-1, top-5] in percent; the originals have 0 without queries."""
    return [100 * (shares[k] or 0.0) for k in ("top1", "top5")]


def _best(metrics: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[Comparison]:
    records = BestRecords()
    before = values_of(records)
    improved = records.update({name: m["top1"] for name, m in metrics.items() if "top1" in m})
    yield compare_exactly("is_best", answer_of(improved), expected["is_best"])
    yield compare_exactly("best_before_update", before, expected["best_before_update"])
