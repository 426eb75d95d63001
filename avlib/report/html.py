"""Pages of the report: HTML that needs nothing from outside."""

from collections.abc import Iterable
from pathlib import Path

from avlib.io.atomic import atomic_path

STYLE = """\
body { font: 15px/1.4 sans-serif; color: #222; background: white; margin: 1.5em; }
table { border-collapse: collapse; }
th, td { padding: 0.35em 0.8em; text-align: right; font-variant-numeric: tabular-nums; }
th { font-weight: normal; }
thead th { border-bottom: 1px solid #888; }
thead th[colspan] { text-align: center; }
tbody tr { border-bottom: 1px solid #ddd; }
tbody th { text-align: left; vertical-align: top; }
.first { border-left: 1px solid #888; }
.grey { color: #767676; }
.below { display: block; font-size: 85%; }
caption, p, li { text-align: left; max-width: 60em; }
caption { padding-bottom: 0.8em; }
"""


def write_page(target: Path, title: str, body: Iterable[str]) -> None:
    """Write a page.

    Args:
        target: HTML file to write.
        title: of the page.
        body: its lines, as HTML.
    """
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{title}</title>',
        f"<style>\n{STYLE}</style></head>",
        "<body>",
        *body,
        "</body>",
        "</html>",
    ]
    with atomic_path(target) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
