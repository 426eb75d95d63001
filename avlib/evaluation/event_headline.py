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
SUBSETS = {"unseen_participants": "unseen participants", "tail_classes": "tail classes"}

Metrics = Mapping[str, Any]


def is_of_events(content: Metrics) -> bool:
    """Say whether a metrics file has the accuracies of heads by model."""
    found = content.get("metrics", {}).values()
    return any(
        isinstance(metrics, Mapping) and any("top1" in _of(metrics, head) for head in HEADS)
        for metrics in found
    )


def event_lines(metrics: Metrics, titles: Mapping[str, str]) -> list[str]:
    """Return a line for each model, and for each subset of the first.

    Args:
        metrics: heads by model, as `evaluate_events` writes them.
        titles: what the models are called, where they have another name.
    """
    first = next((model for model in titles if model in metrics), next(iter(metrics)))
    lines = []
    for model in sorted(metrics, key=lambda name: name != first):
        title = titles.get(model, model)
        lines.append(f"{title}: top-1 accuracy of {', '.join(_shares(metrics[model]))}")
        if model == first:
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


def _of(metrics: Metrics, head: str) -> Metrics:
    found = metrics.get(head)
    return found if isinstance(found, Mapping) else {}


def _percent(share: float | None) -> str:
    return "undefined" if share is None else f"{100 * share:.1f} %"
