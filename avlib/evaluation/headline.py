"""The few lines that a person reads first, from the content of any study's metrics file."""

from collections.abc import Mapping
from typing import Any

from avlib.evaluation.event_headline import event_lines, is_of_events
from avlib.evaluation.retrieval_headline import is_retrieval, retrieval_lines

ACCURACIES = {
    "segment_accuracy": "segment accuracy",
    "top1": "top-1 accuracy",
    "accuracy": "accuracy",
}
BESIDE = {
    "mean_class_accuracy": "mean class accuracy",
    "majority_share": "majority class",
}
PARSING = ("Seg-type", "Seg-event", "Event-type", "Event-event")  # F in percent
TITLES = {"audio_visual": "audio-visual", "video": "visual"}
FIRST = ("audio_visual", "fusion")  # models of both modalities

Metrics = Mapping[str, Any]


def headline(content: Metrics) -> list[str]:
    """Return the results of a study in a few lines.

    Args:
        content: what `write_metrics` or `summarise_variants` wrote.

    Returns:
        a line for each model, by its modality or variant; then how many videos were left out,
        or clips, and the notes.
    """
    lines = [*_models(content), *_left_out(content.get("counts", {}))]
    return lines + [f"note: {note}" for note in content.get("notes", [])]


def _models(content: Metrics) -> list[str]:
    if is_retrieval(content):
        return retrieval_lines(content)
    if "variants" in content:
        variants = content["variants"].items()
        return [f"{name}: {_parsing(found['scores'])}" for name, found in variants]
    metrics = content["metrics"]
    if is_of_events(content):
        return event_lines(metrics)
    for name, title in ACCURACIES.items():
        if isinstance(metrics.get(name), Mapping):
            models = sorted(metrics[name], key=lambda model: model not in FIRST)
            return [f"{TITLES.get(m, m)}: {_accuracy(metrics, name, title, m)}" for m in models]
        if name in metrics:
            return [_accuracy(metrics, name, title, None)]
    scores = metrics.get(content.get("split"), {})
    return [f"{content.get('variant', 'model')}: {_parsing(scores)}"]


def _accuracy(metrics: Metrics, name: str, title: str, modality: str | None) -> str:
    """Return an accuracy with what it is to be read beside."""

    def value(key: str) -> Any:
        found = metrics.get(key)
        return found.get(modality) if isinstance(found, Mapping) else found

    text = f"{title} {_percent(value(name))}"
    folds = metrics.get("accuracy_over_folds")
    if folds is not None and folds["standard_deviation"] is not None:
        n_folds = len(metrics["accuracy_by_fold"])
        text += f" (mean of {n_folds} folds, deviation {_percent(folds['standard_deviation'])})"
    beside = [f"{words} {_percent(value(key))}" for key, words in BESIDE.items() if key in metrics]
    return ", ".join([text, *beside])


def _parsing(scores: Metrics) -> str:
    found = [f"{name} {scores[name]:.1f}" for name in PARSING if scores.get(name) is not None]
    return f"F of segments and events in %: {', '.join(found) or 'no test video'}"


def _percent(share: float | None) -> str:
    return "undefined" if share is None else f"{100 * share:.1f} %"


def _left_out(counts: Metrics) -> list[str]:
    """Return how many videos were left out, and the reasons with their numbers."""
    rows = counts.get("videos_left_out", counts.get("left_out", []))
    if not rows:
        return []
    reasons = [f"{row['left_out_by']}, {row['status']}" for row in rows]
    listed = "; ".join(f"{reasons.count(reason)} by {reason}" for reason in dict.fromkeys(reasons))
    what = "clip" if "event_id" in rows[0] else "video"
    count = len({row["event_id" if what == "clip" else "video_id"] for row in rows})
    return [f"left out: {count} {what if count == 1 else what + 's'} ({listed})"]
