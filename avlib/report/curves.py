"""Figure of a training: loss and accuracy against the epoch."""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from avlib.io.atomic import atomic_path


def draw_curves(log: Path, target: Path) -> None:
    """Draw the training loss and the validation accuracy of a training log as SVG.

    The file has no date and no random names inside: the same log gives the same bytes.

    Args:
        log: JSON lines, one an epoch, with `epoch`, `train_loss` and, where the epoch was
            validated, `val` with `top1`.
        target: SVG file to write.
    """
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    validated = [entry for entry in entries if "val" in entry]
    with mpl.rc_context({"svg.hashsalt": "avlib", "font.size": 11}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        loss, accuracy = figure.subplots(1, 2)
        _draw(loss, [e["epoch"] for e in entries], [e["train_loss"] for e in entries])
        loss.set(ylabel="training loss", ylim=(0, None))
        top1 = [e["val"]["top1"] for e in validated]
        _draw(accuracy, [e["epoch"] for e in validated], top1)
        accuracy.set(ylabel="validation accuracy (top-1)", ylim=(0, 1.02))
        accuracy.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        best = max(validated, key=lambda e: e["val"]["top1"])
        score = best["val"]["top1"]
        accuracy.plot(best["epoch"], score, "o", markersize=9, fillstyle="none", color="black")
        accuracy.set_title(f"best: {score:.1%} at epoch {best['epoch']}", fontsize="medium")
        with atomic_path(target) as partial:
            figure.savefig(partial, format="svg", metadata={"Date": None})


def _draw(axes: Axes, epochs: list[int], values: list[float]) -> None:
    axes.plot(epochs, values, ".-", color="tab:blue")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
