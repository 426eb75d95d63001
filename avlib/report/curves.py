"""Figure of a training: loss and accuracy against the epoch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from avlib.report.svg import svg_figure

NAMES = {
    "combined": "both heads",
    "action": "visual head",
    "audio": "audio head",
    "verb": "verbs",
    "noun": "nouns",
    "verb_noun": "verb and noun",
    "Seg-type": "Type",
    "Seg-a": "sound",
    "Seg-v": "picture",
    "Seg-av": "both",
}
SEGMENT_SCORES = ("Seg-type", "Seg-a", "Seg-v", "Seg-av")  # of event parsing; the first decides


def draw_curves(log: Path, target: Path) -> None:
    """Draw the training loss and the validation accuracy of a training log as SVG.

    Args:
        log: JSON lines, one an epoch, with `epoch`, `train_loss` and, where the epoch was
            validated, `kept`, whether its weights took the place of those before, and `val`,
            which holds `top1`; or `top1` of each head under its name, and in `select_by` which of
            them decides which epoch is kept; or SEGMENT_SCORES in percent.
        target: SVG file to write.
    """
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    validated = [entry for entry in entries if "val" in entry]
    with svg_figure(target, 9, 3.6) as figure:
        loss, accuracy = figure.subplots(1, 2)
        loss.plot([e["epoch"] for e in entries], [e["train_loss"] for e in entries], ".-")
        loss.set(ylabel="training loss", ylim=(0, None))
        _draw_scores(accuracy, validated)
        accuracy.set(ylim=(0, 1.02))
        accuracy.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        for axes in (loss, accuracy):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.3)


def _draw_scores(axes: Axes, validated: list[dict[str, Any]]) -> None:
    """Draw a line for each head or modality, and mark the epoch whose weights count."""
    epochs = [entry["epoch"] for entry in validated]
    curves = [_scores(entry["val"]) for entry in validated]
    select_by = validated[0]["val"].get("select_by", next(iter(curves[0])))
    measure = "F of segments" if select_by in SEGMENT_SCORES else "accuracy (top-1)"
    axes.set_ylabel(f"validation {measure}")
    for head in curves[0]:
        label = NAMES.get(head, head) + (" (decides)" if head == select_by else "")
        is_main = head == select_by
        (line,) = axes.plot(epochs, [curve[head] for curve in curves], ".-", label=label)
        line.set(linewidth=2 if is_main else 1, zorder=3 if is_main else 2)
    kept = max(index for index, entry in enumerate(validated) if entry["kept"])
    epoch, score = epochs[kept], curves[kept][select_by]
    axes.plot(epoch, score, "o", markersize=9, fillstyle="none", color="black", zorder=4)
    axes.set_title(f"kept: {score:.1%} of epoch {epoch}", fontsize="medium")
    if len(curves[0]) > 1:
        axes.legend(fontsize="small", loc="lower right")


def _scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the accuracy by head, that of the only one as `top1`, or F by modality."""
    if SEGMENT_SCORES[0] in metrics:
        return {name: metrics[name] / 100 for name in SEGMENT_SCORES}
    if "top1" in metrics:
        return {"top1": metrics["top1"]}
    return {head: m["top1"] for head, m in metrics.items() if isinstance(m, dict) and "top1" in m}
