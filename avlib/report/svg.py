"""How every figure is written: SVG with the same bytes for the same content."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from avlib.io.atomic import atomic_path


@contextmanager
def svg_figure(target: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure and write it to `target` when the block ends.

    The file has no date and no random names inside. Text is shown as it is, `$` included.

    Args:
        target: SVG file to write.
        width: of the figure, in inches.
        height: of the figure, in inches.
    """
    with mpl.rc_context({"svg.hashsalt": "avlib", "font.size": 11, "text.parse_math": False}):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        with atomic_path(target) as partial:
            figure.savefig(partial, format="svg", metadata={"Date": None})
