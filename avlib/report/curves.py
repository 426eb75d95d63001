"""Figure of a training: loss and accuracy against the epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from avlib.io.json_files import read_json_lines
from avlib.report.svg import svg_figure

NETWORKS = {
    "ase_audiocaps": "ASE (AudioCaps)",
    "ase_clotho": "ASE (Clotho)",
    "asf": "Auditory SlowFast",
    "clap": "CLAP",
    "egovlp": "EgoVLP",
    "omnivore": "Omnivore",
    "parser": "parser of LLP",
    "soundtrack": "soundtrack network",
    "tim": "TIM",
}
PARTS = {"audio_visual": "audio-visual", "all": ""}  # of the name of a network
NAMES = {
    "combined": "both heads",
    "action": "visual head",
    "audio": "audio head",
    "verb": "verbs",
    "noun": "nouns",
    "verb_noun": "verb and noun",
    "Seg-type": "Type",
    "Seg-a": "audio",
    "Seg-v": "visual",
    "Seg-av": "audio-visual",
    "original": "original texts",
    "llm": "descriptions",
    "both": "both kinds of texts",
}
SEGMENT_SCORES = ("Seg-type", "Seg-a", "Seg-v", "Seg-av")  # of event parsing; the first decides

Entries = Sequence[Mapping[str, Any]]


def draw_curves(log: Path, target: Path, *, study: str, network: str) -> None:
    """Draw the losses and the validation accuracy of a training log as SVG.

    Args:
        log: JSON lines, one an epoch, with `epoch`, `train_loss` and, where the epoch was
            validated, `kept`, whether its weights replaced those before, and `val`, which holds
            `top1` and perhaps `loss`; or both of each head under its name, and in `select_by` the
            head that decides which epoch is kept; or SEGMENT_SCORES in percent.
        target: SVG file to write.
        study: name of the study.
        network: its folder of results below `model/`, as `tim/audio` or `soundtrack/<fold>`.
    """
    entries = read_json_lines(log)
    with svg_figure(target, 2.9) as figure:
        loss, accuracy = figure.subplots(1, 2)
        _draw_losses(loss, entries)
        kept = _draw_scores(accuracy, [entry for entry in entries if "val" in entry])
        for axes in (loss, accuracy):
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
        figure.suptitle(f"{study}, {network_title(network)}: {kept}", fontsize="medium")


def network_title(network: str) -> str:
    """Return the name of a network as a reader knows it."""
    name, _, part = network.partition("/")
    title, part = NETWORKS.get(name, name), PARTS.get(part, part)
    if not part:
        return title
    return f"{title}, fold {part}" if name == "soundtrack" else f"{title}, {part}"


def _draw_losses(axes: Axes, entries: Entries) -> None:
    """Draw the losses of training (solid) and validation (dashed), of each head if logged."""
    logged = [h for h in NAMES if any("loss" in _head(entry, h) for entry in entries)]
    heads = [h for h in logged if all(f"train_{h}_loss" in entry for entry in entries)]
    for number, head in enumerate(heads or [""]):
        suffix = f", {NAMES[head]}" if len(heads) > 1 else ""
        key = f"train_{head}_loss" if head else "train_loss"
        trained = [(entry["epoch"], entry[key]) for entry in entries]
        validated = [
            (entry["epoch"], _head(entry, head)["loss"])
            for entry in entries
            if "loss" in _head(entry, head)
        ]
        for name, style, points in (("training", ".-", trained), ("validation", "x--", validated)):
            if points:
                axes.plot(
                    *zip(*points, strict=True), style, color=f"C{number}", label=name + suffix
                )
    axes.set(ylabel="loss", ylim=(0, None))
    axes.legend(fontsize="small")


def _head(entry: Mapping[str, Any], head: str) -> Mapping[str, Any]:
    """Return the validation of a head, or of the only one; empty if there is none."""
    found = entry.get("val", {})
    values = found.get(head, {}) if head else found
    return values if isinstance(values, Mapping) else {}


def _draw_scores(axes: Axes, validated: Entries) -> str:
    """Draw a line for each head or modality, and mark the epoch whose weights are kept.

    Returns:
        which epoch is kept, with its score.
    """
    epochs = [entry["epoch"] for entry in validated]
    curves = [_scores(entry["val"]) for entry in validated]
    select_by = validated[0]["val"].get("select_by", next(iter(curves[0])))
    measure = "F of segments" if select_by in SEGMENT_SCORES else "accuracy (top-1)"
    for number, head in enumerate(curves[0]):
        is_main = head == select_by
        label = NAMES.get(head, head) + (" (decides)" if is_main else "")
        style = ("-", "--", ":", "-.")[number % 4]
        (line,) = axes.plot(epochs, [curve[head] for curve in curves], f".{style}", label=label)
        line.set(linewidth=1.6 if is_main else 0.8, zorder=3 if is_main else 2)
    kept = max(index for index, entry in enumerate(validated) if entry["kept"])
    epoch, score = epochs[kept], curves[kept][select_by]
    axes.plot(epoch, score, "o", markersize=8, fillstyle="none", color="black", zorder=4)
    axes.set(ylabel=f"validation {measure}", ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    if len(curves[0]) > 1:
        axes.legend(fontsize="small", loc="lower right")
    return f"weights of epoch {epoch} are kept, validation {measure} {score:.1%}"


def _scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the accuracy by head, that of the only one as `top1`, or F by modality."""
    if SEGMENT_SCORES[0] in metrics:
        return {name: metrics[name] / 100 for name in SEGMENT_SCORES}
    if "top1" in metrics:
        return {"top1": metrics["top1"]}
    return {head: m["top1"] for head, m in metrics.items() if isinstance(m, dict) and "top1" in m}
