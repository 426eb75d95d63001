"""What every figure must be when it is printed."""

import re
from xml.etree import ElementTree

from matplotlib.textpath import TextPath

TEXT = "{http://www.w3.org/2000/svg}text"
BEFORE = {"start": 0, "middle": 0.5, "end": 1}  # part of a text that is left of its place
PAGE_WIDTH, PAGE_HEIGHT, SMALLEST_TYPE = 482.4, 700, 6  # points


def check_print(path):
    """Check that a figure fits a page, and that its text is in it and text of at least 6 points."""
    svg = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(svg)
    width, height = (float(root.get(name).removesuffix("pt")) for name in ("width", "height"))
    assert width <= PAGE_WIDTH + 0.1 and height <= PAGE_HEIGHT, (width, height)
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:[a-z]+ )*([\d.]+)px", svg)]
    assert sizes and min(sizes) >= SMALLEST_TYPE, sizes
    spans = {node.text: span(node) for node in root.iter(TEXT) if node.text}
    assert spans
    assert not {t: s for t, s in spans.items() if s and not (-0.5 <= s[0] <= s[1] <= width + 0.5)}


def span(node):
    """Return where a text begins and ends, None if it is rotated."""
    style, transform = node.get("style"), node.get("transform", "")
    if re.search(r"rotate\(-?[1-9]", transform):
        return None
    x = float(node.get("x") or re.search(r"translate\(([\d.-]+)", transform).group(1))
    size = float(re.search(r"font(?:-size)?: (?:[a-z]+ )*([\d.]+)px", style).group(1))
    length = TextPath((0, 0), node.text.replace("$", "S"), size=size).get_extents().width
    anchor = re.search("text-anchor: (\\w+)", style)
    start = x - length * BEFORE[anchor.group(1) if anchor else "start"]
    return start, start + length
