"""How every figure is written: SVG of a page's width, with the same bytes for the same content."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from avlib.io.atomic import atomic_path

PAGE_WIDTH = 6.7  # inches of text on a sheet of A4; figures are not scaled when printed
SMALLEST_TYPE = 6.0  # points
STYLE: dict[Any, Any] = {
    "font.size": 8,  # "small" is 6.7
    "axes.titlesize": "medium",
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1,
    "lines.markersize": 4,
    "svg.fonttype": "none",  # text stays text, so that it can be searched and copied
    "svg.hashsalt": "avlib",
    "text.parse_math": False,
}


@contextmanager
def svg_figure(target: Path, height: float, width: float = PAGE_WIDTH) -> Iterator[Figure]:
    """Yield an empty figure and write it to `target` when the block ends.

    The file has no date and no random names inside. Text is shown as it is, `$` included.

    Args:
        target: SVG file to write.
        height: of the figure, in inches.
        width: of the figure, in inches.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        with atomic_path(target) as partial:
            figure.savefig(partial, format="svg", metadata={"Date": None})
