"""Figure of a fusion: accuracy against the weight of the audio."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from avlib.io.json_files import read_json
from avlib.report.svg import svg_figure

LEVELS = {"audio": ("audio alone", ":"), "video": ("visual alone", "--")}


def draw_sweep(sweep: Path, fusion: Path, target: Path) -> None:
    """Draw top-1 and top-5 of fused scores at every weight as SVG.

    The chosen weight is marked, or those of both halves. It need not be the best one here, if it
    was chosen on other videos.

    Args:
        sweep: CSV file of a fusion, with weight, top1 and top5.
        fusion: JSON file of the same fusion, with `scores`.
        target: SVG file to write.
    """
    rows = pd.read_csv(sweep)
    scores = read_json(fusion)["scores"]
    with svg_figure(target, 2.7) as figure:
        for axes, name in zip(figure.subplots(1, 2), ("top1", "top5"), strict=True):
            _draw_share(axes, rows, scores, name)
            axes.set(xlabel="weight of the audio", ylabel=name.replace("top", "top-"))
            axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
            axes.grid(alpha=0.3)


def _draw_share(axes: Axes, rows: pd.DataFrame, scores: Mapping[str, Any], name: str) -> None:
    """Draw one share against the weight, its level without fusion, and the chosen weights."""
    axes.plot(rows["weight"], rows[name], label="fused")
    for modality, (label, style) in LEVELS.items():
        axes.axhline(scores[modality][name], color="grey", linestyle=style, label=label)
    chosen = scores["fused"]["weight"]
    weights = [chosen] if isinstance(chosen, float) else chosen
    places = [(rows["weight"] - weight).abs().idxmin() for weight in weights]
    for weight in weights:
        axes.axvline(weight, color="black", linewidth=0.8)
    (marks,) = axes.plot(weights, rows[name][places], "o", color="black", label="chosen weight")
    marks.set(fillstyle="none", zorder=3)
    axes.set_title(f"fused: {scores['fused'][name]:.1%}")
    axes.legend(fontsize="small")
