"""The few lines that a person reads first of recognition of events: a line for each model."""

from collections.abc import Iterator, Mapping
from typing import Any

HEADS = {
    "action": "actions",
    "verb_noun": "verb and noun",
    "verb": "verbs",
    "noun": "nouns",
    "audio": "sounds",
}
MODELS = {  # what is seen, and what is predicted if not all of it; the first comes first
    "audio_visual": "audio-visual",
    "actions": "audio-visual, actions alone",
    "sounds": "audio-visual, sounds alone",
    "visual": "visual",
    "audio": "audio",
    "views_1": "Auditory SlowFast, 1 view",
    "views_5": "Auditory SlowFast, 5 views",
}
SUBSETS = {"unseen_participants": "unseen participants", "tail_classes": "tail classes"}

Metrics = Mapping[str, Any]


def is_of_events(content: Metrics) -> bool:
    """Say whether a metrics file has the accuracies of heads by model."""
    metrics = content.get("metrics", {})
    return any("top1" in _of(_of(metrics, m), head) for m in MODELS for head in HEADS)


def event_lines(metrics: Metrics) -> list[str]:
    """Return a line for each model, and for each subset of the first one that has subsets.

    Args:
        metrics: heads by model, as `evaluate_events` writes them.
    """
    models = [model for model in MODELS if model in metrics]
    subsets = next((m for m in models if not SUBSETS.keys().isdisjoint(metrics[m])), None)
    lines = []
    for model in models:
        title = MODELS[model]
        lines.append(f"{title}: top-1 accuracy of {', '.join(_shares(metrics[model]))}")
        if model == subsets:
            for name, words in SUBSETS.items():
                found = list(_shares(metrics[model].get(name, {})))
                lines += [f"{title}, {words}: {', '.join(found)}"] if found else []
    return lines


def _shares(metrics: Metrics) -> Iterator[str]:
    for head, title in HEADS.items():
        found = _of(metrics, head)
        if "top1" in found:
            majority = found.get("majority_share")
            beside = "" if majority is None else f" (majority class {_percent(majority)})"
            yield f"{title} {_percent(found['top1'])}{beside}"


def _of(metrics: Metrics, name: str) -> Metrics:
    found = metrics.get(name)
    return found if isinstance(found, Mapping) else {}


def _percent(share: float | None) -> str:
    return "undefined" if share is None else f"{100 * share:.1f} %"
