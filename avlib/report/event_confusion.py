"""Figure of the confusion of each head of a study of annotated events."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from avlib.evaluation.event_headline import HEADS, MODELS
from avlib.report.svg import SMALLEST_TYPE, svg_figure
from avlib.tim.event_scores import OTHERS

DRAWN = ("verb", "noun", "action", "audio")
MOST_CLASSES = 20  # of a panel, without the others
LONGEST_NAME = 18  # letters of a name
COLUMNS = 2  # of panels
PANEL_HEIGHT = 3.5  # inches


def draw_event_confusion(content: Mapping[str, Any], target: Path) -> None:
    """Draw the confusion of each head as SVG, a panel a head; rows are shares of their class.

    Of many classes the commonest are drawn, and the others as one.

    Args:
        content: of a metrics file, as `evaluate_events` writes it.
        target: SVG file to write.
    """
    metrics = content["metrics"]
    drawn = {}
    for head in DRAWN:
        models = [m for m in MODELS if head in metrics.get(m, {}).get("confusion", {})]
        if models:
            drawn[head] = models[0]
    n_rows = -(-len(drawn) // COLUMNS)
    with svg_figure(target, PANEL_HEIGHT * n_rows + 0.8) as figure:
        grid = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
        for axes, (head, model) in zip(grid, drawn.items(), strict=False):
            image = _draw_head(axes, metrics[model]["confusion"][head])
            share = metrics[model][head]["top1"]
            right = "no events" if share is None else f"{share:.1%} right"
            axes.set_title(f"{HEADS[head]}, {MODELS[model]}: {right}", fontsize="small")
        for axes in grid[len(drawn) :]:
            axes.axis("off")
        split = content.get("split", "")
        figure.suptitle(f"{content['study']}, {split} events: true class (row), predicted (column)")
        bar = figure.colorbar(
            image, ax=grid.tolist(), location="bottom", shrink=0.4, aspect=40, pad=0.02
        )
        bar.ax.xaxis.set_major_formatter(PercentFormatter(xmax=1))
        bar.set_label("share of the true class")
        bar.outline.set_visible(False)


def commonest(confusion: Mapping[str, Any]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names and counts of the classes that a panel has room for.

    Args:
        confusion: `classes` and `counts` of a head.

    Returns:
        at most MOST_CLASSES names, and OTHERS where there are more; and their counts by true
        class (rows) and predicted class.
    """
    names = confusion["classes"]
    counts = np.asarray(confusion["counts"], dtype=np.int64).reshape(len(names), len(names))
    own = [k for k, name in enumerate(names) if name != OTHERS]
    ranks = sorted(own, key=lambda k: (-counts[k].sum(), k))
    shown = sorted(ranks[:MOST_CLASSES])
    rest = [k for k in range(len(names)) if k not in shown]
    groups = [[k] for k in shown] + ([rest] if rest else [])
    by_row = np.array([counts[group].sum(axis=0) for group in groups]).reshape(-1, len(names))
    merged = np.array([by_row[:, group].sum(axis=1) for group in groups]).T
    return [names[k] for k in shown] + ([OTHERS] if rest else []), merged


def _draw_head(axes: Axes, confusion: Mapping[str, Any]) -> AxesImage:
    names, counts = commonest(confusion)
    totals = counts.sum(axis=1, keepdims=True)
    image = axes.imshow(counts / np.maximum(totals, 1), cmap="Blues", vmin=0, vmax=1)
    short = [n if len(n) <= LONGEST_NAME else f"{n[: LONGEST_NAME - 1]}…" for n in names]
    places = range(len(names))
    rows = [f"{name}  ({n})" for name, n in zip(short, totals[:, 0], strict=True)]
    axes.set_xticks(places, short, rotation=90, fontsize=SMALLEST_TYPE)
    axes.set_yticks(places, rows, fontsize=SMALLEST_TYPE)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image
