"""What every figure must be when it is printed."""

import re
from xml.etree import ElementTree

PAGE_WIDTH, PAGE_HEIGHT, SMALLEST_TYPE = 482.4, 700, 6  # points


def check_print(path):
    """Check that a figure fits a page and that its text is text of at least 6 points."""
    svg = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(svg)
    width, height = (float(root.get(name).removesuffix("pt")) for name in ("width", "height"))
    assert width <= PAGE_WIDTH + 0.1 and height <= PAGE_HEIGHT, (width, height)
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:[a-z]+ )*([\d.]+)px", svg)]
    assert sizes and min(sizes) >= SMALLEST_TYPE, sizes
    assert "<text" in svg
