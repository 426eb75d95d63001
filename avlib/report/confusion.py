"""Figure of a confusion matrix."""

from collections.abc import Sequence
from functools import reduce
from operator import getitem
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike, NDArray

from avlib.evaluation.event_headline import is_of_events
from avlib.io.json_files import read_json
from avlib.report.event_confusion import draw_event_confusion
from avlib.report.svg import PAGE_WIDTH, SMALLEST_TYPE, svg_figure

SMALLEST_SHARE = 0.005  # that is written into its cell
MOST_CLASSES = 45  # that a page has room for
FEW_CLASSES = 30  # whose cells have room for a number
LARGEST_CELL = 0.32  # inches
MARGINS = (2.6, 1.7)  # inches of names and the bar beside the matrix, and of names below it
# The matrix that is drawn of a study is the first that it has, of those whose accuracy it has:
# name of the matrix; place and name of the accuracy.
DRAWN = (
    ("audio_visual", ("segment_accuracy", "audio_visual"), "audio-visual", "segments"),
    ("fusion", ("top1", "fusion"), "fusion of audio and visual scores", "videos"),
    ("audio", ("segment_accuracy", "audio"), "audio", "segments"),
    ("audio", ("accuracy",), "audio", "files"),
    ("visual", ("segment_accuracy", "visual"), "visual", "segments"),
)


def draw_study_confusion(metrics: Path, target: Path) -> None:
    """Draw the confusion matrix of a study's joint model, or of its only one, as SVG.

    Models with several heads have a matrix for each.

    Args:
        metrics: the study's `test_metrics.json`.
        target: SVG file to write.
    """
    found = read_json(metrics)
    if is_of_events(found):
        draw_event_confusion(found, target)
        return
    confusion = found["metrics"]["confusion"]
    drawn, place, by, items = next(
        row for row in DRAWN if row[0] in confusion and row[1][0] in found["metrics"]
    )
    accuracy = reduce(getitem, place, found["metrics"])
    title = f"{found['study']}, {by}: {accuracy:.1%} of the test {items} are correct"
    draw_confusion(confusion[drawn], confusion["classes"], title, target, items=items)


def draw_confusion(
    counts: ArrayLike,
    classes: Sequence[str],
    title: str,
    target: Path,
    *,
    items: str = "segments",
) -> None:
    """Draw a confusion matrix as SVG; each row is shown as shares of its class.

    Of more classes than MOST_CLASSES, those are shown that are most often confused. The shares
    are written into the cells of up to FEW_CLASSES.

    Args:
        counts: (K, K) items by true class (row) and predicted class (column).
        classes: K names.
        title: line above the figure.
        target: SVG file to write.
        items: what is counted, in the plural.
    """
    counts = np.asarray(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    if len(classes) > MOST_CLASSES:
        shown = _most_confused(counts)
        title += f"; the {MOST_CLASSES} most confused of {len(classes)} classes"
        totals, shares = totals[shown], shares[np.ix_(shown, shown)]
        classes = [classes[number] for number in shown]
    cell = min(LARGEST_CELL, (PAGE_WIDTH - MARGINS[0]) / len(classes))
    with svg_figure(target, MARGINS[1] + cell * len(classes)) as figure:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        rows = [f"{name}  ({n})" for name, n in zip(classes, totals[:, 0], strict=True)]
        _draw_grid(axes, rows, classes)
        axes.set(xlabel="predicted class", ylabel=f"true class ({items})")
        axes.set_title(title)
        if len(classes) <= FEW_CLASSES:
            _write_shares(axes, shares)
        _draw_bar(figure, image)


def _draw_bar(figure: Figure, image: AxesImage) -> None:
    bar = figure.colorbar(image, shrink=0.6, format=PercentFormatter(xmax=1))
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)


def _draw_grid(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Write the names beside the cells, and draw lines between these."""
    places, borders = range(len(columns)), np.arange(len(columns) + 1) - 0.5
    axes.set_xticks(places, columns, rotation=90, fontsize=SMALLEST_TYPE)
    axes.set_yticks(places, rows, fontsize=SMALLEST_TYPE)
    axes.tick_params(length=0)
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.5)
    axes.tick_params(which="minor", length=0)


def _most_confused(counts: NDArray[np.int64]) -> list[int]:
    """Return the classes with most wrong items, of them or predicted as them, ascending."""
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return sorted(np.argsort(-wrong, kind="stable")[:MOST_CLASSES].tolist())


def _write_shares(axes: Axes, shares: NDArray[np.float64]) -> None:
    """Write the percentage into every cell that has a visible share."""
    for row, column in np.argwhere(shares >= SMALLEST_SHARE).tolist():
        share = shares[row, column]
        color = "white" if share > 0.55 else "black"
        text = f"{100 * share:.0f}"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=SMALLEST_TYPE)
